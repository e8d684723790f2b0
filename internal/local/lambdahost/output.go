package lambdahost

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"time"
)

// Stream says where a Line comes from.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
	System Stream = "system" // Lambda itself
)

// Line is a line of a function's log.
type Line struct {
	Time        time.Time // when it was read
	Environment int       // the number of the environment, from 1; a successor takes over its predecessor's
	Stream      Stream
	Text        string // without the line's end
}

const (
	// maxLine is the length in bytes beyond which a line is handed over in pieces:
	// CloudWatch's limit for an event.
	maxLine = 256 << 10
	// drainLimit bounds the wait for the output of a process that has ended, for
	// the case that something which left its process group still holds it open.
	drainLimit = time.Second
)

// output reads one stream of a process.
//
// What a process has written before it asks for its next invocation is in the
// pipe then, but perhaps not read yet. To know when it has been, a mark is
// written into the same pipe: whatever lies before the mark came earlier.
type output struct {
	read, write *os.File
	mark        []byte        // the last byte is a line feed
	passed      chan struct{} // the mark has been read
	ended       chan struct{} // nothing more will be read
}

func newOutput() (*output, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for the function's output: %w", err)
	}
	return &output{
		read: read, write: write,
		mark:   []byte("\x00" + rand.Text() + "\n"),
		passed: make(chan struct{}, 1),
		ended:  make(chan struct{}),
	}, nil
}

// follow hands lines over until the stream ends.
func (o *output) follow(line func(text string)) {
	defer close(o.ended)
	reader := bufio.NewReaderSize(o.read, 64<<10)
	var pending []byte
	emit := func(text []byte) {
		text = bytes.TrimRight(text, "\r\n")
		for ; len(text) > maxLine; text = text[maxLine:] {
			line(string(text[:maxLine]))
		}
		line(string(text))
	}
	for {
		part, err := reader.ReadSlice('\n')
		pending = append(pending, part...)
		if text, ok := bytes.CutSuffix(pending, o.mark); ok {
			if len(text) > 0 {
				emit(text)
			}
			pending = pending[:0]
			o.passed <- struct{}{}
			continue
		}
		switch err {
		case nil:
			emit(pending)
			pending = pending[:0]
		case bufio.ErrBufferFull:
			// The end is kept back, since it may be the beginning of the mark.
			if len(pending) >= maxLine+len(o.mark) {
				emit(pending[:maxLine])
				pending = append(pending[:0], pending[maxLine:]...)
			}
		default:
			if len(pending) > 0 {
				emit(pending)
			}
			return
		}
	}
}

// flush returns when all that was written so far has been handed over.
func (o *output) flush() {
	if _, err := o.write.Write(o.mark); err != nil {
		return // the stream has ended, and with it what was in it
	}
	select {
	case <-o.passed:
	case <-o.ended:
	}
}

// drain returns when all has been handed over that a process which has ended
// wrote.
func (o *output) drain() {
	_ = o.write.Close()
	_ = o.read.SetReadDeadline(time.Now().Add(drainLimit))
	<-o.ended
	_ = o.read.Close()
}

// discard closes what was never used.
func (o *output) discard() {
	_ = o.write.Close()
	_ = o.read.Close()
}
