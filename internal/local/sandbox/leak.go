package sandbox

import (
	"bytes"
	"io"
	"sync"

	"tandem/internal/local/leakscan"
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

// leaks lists the secrets that were shown, in whatever form.
func (w *witness) leaks(secrets leakscan.Secrets) []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return secrets.Found(w.seen.String())
}
