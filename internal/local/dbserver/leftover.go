package dbserver

import (
	"fmt"
	"os"
	"path/filepath"

	"tandem/internal/local/dbserver/filelock"
)

const (
	folderPrefix = "tandem-server-"
	// ownedName is a file in a server's folder that is locked by the process that
	// the folder belongs to. The kernel unlocks it when that process dies.
	ownedName = "owned"
)

// newFolder makes a server's folder, and keeps others from taking it for one
// that was left behind until release is called.
func newFolder(parent string) (folder string, release func(), err error) {
	for {
		folder, err := os.MkdirTemp(parent, folderPrefix)
		if err != nil {
			return "", nil, fmt.Errorf("making the server's folder: %w: set TMPDIR to a folder that can be written", err)
		}
		path := filepath.Join(folder, ownedName)
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return "", nil, fmt.Errorf("making the server's folder: %w", err)
		}
		if filelock.Try(file) {
			// In the moment before the lock another process may have removed it.
			if _, err := os.Stat(path); err == nil {
				return folder, func() { _ = file.Close() }, nil
			}
		}
		_ = file.Close()
	}
}

// removeLeftovers removes the folders of servers whose process was killed before
// it could.
func removeLeftovers(parent string) {
	files, err := filepath.Glob(filepath.Join(parent, folderPrefix+"*", ownedName))
	if err != nil {
		return
	}
	for _, path := range files {
		// Another user's cannot be opened, and is none of ours.
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if filelock.Try(file) {
			_ = os.RemoveAll(filepath.Dir(path))
		}
		_ = file.Close()
	}
}
