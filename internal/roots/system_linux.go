package roots

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Where a Linux distribution has its authorities: the first of the files that is there, and
// all of the folders.
//
// Source: Go's crypto/x509, root_linux.go.
var (
	systemFiles = []string{
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/cacert.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/etc/ssl/cert.pem",
	}
	systemFolders = []string{"/etc/ssl/certs", "/etc/pki/tls/certs"}
)

// system returns the authorities of x509.SystemCertPool, from the same files by the same
// rules, each parsed once. A distribution has them several times: all in one file, and in
// folders that have that file again, and on some systems each authority in a file of its
// own. crypto/x509 parses each of these before it sees that it has it. That was most of
// what a cold start did.
func system() (*x509.CertPool, error) {
	files := systemFiles
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		files = []string{file}
	}
	folders := systemFolders
	if list := os.Getenv("SSL_CERT_DIR"); list != "" {
		folders = strings.Split(list, ":")
	}
	authorities := newDistinct()
	for _, path := range files {
		if authorities.read(path) {
			break
		}
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			authorities.read(filepath.Join(folder, entry.Name()))
		}
	}
	if authorities.found {
		return authorities.pool, nil
	}
	return x509.SystemCertPool() // which says what is wrong, where something is
}

// distinct is a pool to which the same file, and the same text of another, is added once.
type distinct struct {
	pool  *x509.CertPool
	files map[file]bool
	seen  map[[sha256.Size]byte]bool
	found bool
}

func newDistinct() *distinct {
	return &distinct{pool: x509.NewCertPool(), files: map[file]bool{}, seen: map[[sha256.Size]byte]bool{}}
}

// file is a file by whatever name.
type file struct{ device, inode uint64 }

// read adds the certificates of a file, and reports whether it could be read.
func (d *distinct) read(path string) bool {
	var this file
	if info, err := os.Stat(path); err == nil {
		if is, ok := info.Sys().(*syscall.Stat_t); ok {
			this = file{is.Dev, is.Ino}
		}
	}
	if d.files[this] {
		return true
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	d.files[this] = this != file{}
	d.add(text)
	return true
}

// add adds the certificates of a text of PEM blocks.
func (d *distinct) add(text []byte) {
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	for part := range bytes.SplitAfterSeq(text, []byte(end)) {
		at := bytes.Index(part, []byte(begin))
		if at < 0 {
			continue
		}
		part = part[at:]
		if sum := sha256.Sum256(part); !d.seen[sum] {
			d.seen[sum] = true
			d.found = d.pool.AppendCertsFromPEM(part) || d.found
		}
	}
}
