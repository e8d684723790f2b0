package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"tandem/internal/local/dbserver"
)

// errServerDied is the error of a sandbox whose server ended by itself, or was
// ended by somebody else.
var errServerDied = errors.New("the database server has ended")

// death returns why the server is no more, with the end of its log, or nil while
// it runs. It is for before Close, which removes the log.
func death(s *dbserver.Server) error {
	select {
	case <-s.Done():
	default:
		return nil // a server at an address has no Done, and never gets here
	}
	return fmt.Errorf("%w: it is not the sandbox that stopped it; its log ends: %s", errServerDied, tail(s.LogFile()))
}

// tailBytes is how much of a log is looked at.
const tailBytes = 2048

// tail returns the last lines of a file on one line.
func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := file.Seek(-tailBytes, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(text), "?")), "\n")
	return strings.Join(lines[max(0, len(lines)-4):], " | ")
}

// explain makes the most of an error: what fails while the server is dead, fails
// because of that, and what fails after Ctrl-C is no failure.
func explain(ctx context.Context, s *dbserver.Server, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, errServerDied) {
		return err
	}
	if dead := death(s); dead != nil {
		return fmt.Errorf("%w (%w)", dead, err)
	}
	return err
}
