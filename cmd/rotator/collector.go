package main

import (
	"context"
	"runtime/debug"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"
)

// coldGCPercent is GOGC until the first invocation is over. What a process allocates by
// then, most of it the system's root certificates, is less than it would have to collect
// for: the collections took a fifth of a cold step's time of a core. Afterwards a process
// that goes on to serve keeps its memory as small as ever.
const coldGCPercent = 400

// collectingLater has the collector wait until the first invocation is over, unless the
// environment says when it is to run (GOGC).
func collectingLater(h lambda.Handler, lookup func(string) (string, bool)) lambda.Handler {
	if _, set := lookup("GOGC"); set {
		return h
	}
	return &lateCollector{Handler: h, usual: debug.SetGCPercent(coldGCPercent)}
}

type lateCollector struct {
	lambda.Handler
	usual int
	first sync.Once
}

// Invoke implements lambda.Handler.
func (l *lateCollector) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	defer l.first.Do(func() { debug.SetGCPercent(l.usual) })
	return l.Handler.Invoke(ctx, payload)
}
