package roots

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
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
			if !isWithin(folder, entry) {
				authorities.read(filepath.Join(folder, entry.Name()))
			}
		}
	}
	if authorities.found {
		return authorities.pool, nil
	}
	return x509.SystemCertPool() // which says what is wrong, where something is
}

// isWithin reports whether an entry of a folder is a link to another entry of it, which is
// read by its own name: crypto/x509 passes over these too.
func isWithin(folder string, entry os.DirEntry) bool {
	if entry.Type()&os.ModeSymlink == 0 {
		return false
	}
	target, err := os.Readlink(filepath.Join(folder, entry.Name()))
	return err == nil && !strings.Contains(target, "/")
}

// distinct is a pool to which the same text is added once.
type distinct struct {
	pool  *x509.CertPool
	seen  map[[sha256.Size]byte]bool
	found bool
}

func newDistinct() *distinct {
	return &distinct{pool: x509.NewCertPool(), seen: map[[sha256.Size]byte]bool{}}
}

// read adds the certificates of a file, and reports whether it could be read.
func (d *distinct) read(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	d.add(text)
	return true
}

const (
	beginCertificate = "-----BEGIN CERTIFICATE-----"
	endCertificate   = "-----END CERTIFICATE-----"
)

// add adds the certificates of a text of PEM blocks: each block by itself, where it is
// plain which they are, else the whole text.
func (d *distinct) add(text []byte) {
	if !bytes.Contains(text, []byte(beginCertificate)) {
		return
	}
	blocks, plain := split(text)
	if !plain {
		blocks = [][]byte{text}
	}
	for _, block := range blocks {
		if d.isNew(block) {
			d.found = d.pool.AppendCertsFromPEM(block) || d.found
		}
	}
}

func (d *distinct) isNew(text []byte) bool {
	sum := sha256.Sum256(text)
	known := d.seen[sum]
	d.seen[sum] = true
	return !known
}

// split returns a text's blocks, and whether it is plain which they are: every line with
// dashes begins a certificate or ends the one that has begun, and has nothing else but
// blanks behind. Of any other text, encoding/pem decides what counts: it passes over a
// certificate that somebody has put a # before, and a pool that is made otherwise would
// trust what crypto/x509 does not.
func split(text []byte) (blocks [][]byte, plain bool) {
	begun, at := -1, 0
	for line := range bytes.Lines(text) {
		start := at
		at += len(line)
		if !bytes.Contains(line, []byte("-----")) {
			continue
		}
		// As encoding/pem cuts a line's end: a carriage return without a newline stays.
		line = bytes.TrimRight(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\r\n")), []byte("\n")), " \t")
		switch {
		case string(line) == beginCertificate && begun < 0:
			begun = start
		case string(line) == endCertificate && begun >= 0:
			blocks = append(blocks, text[begun:start+len(line)])
			begun = -1
		default:
			return nil, false
		}
	}
	return blocks, begun < 0
}
