package sandbox

import (
	"bytes"
	"io"
	"sync"

	"tandem/internal/redact"
)

// witness passes on what is written and remembers it, so that what was shown can
// be searched for what must not be.
type witness struct {
	to io.Writer

	mutex sync.Mutex
	seen  bytes.Buffer
}

// Write implements io.Writer.
func (w *witness) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.seen.Write(p)
	return w.to.Write(p)
}

// leaks counts the secrets that were shown.
func (w *witness) leaks(secrets []redact.Secret) int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	found := 0
	for _, secret := range secrets {
		if !secret.Empty() && bytes.Contains(w.seen.Bytes(), []byte(secret.Reveal())) {
			found++
		}
	}
	return found
}
