package rotation

import (
	"context"

	"tandem/internal/failure"
	"tandem/internal/secret"
)

func login(d secret.Document) Login {
	return Login{Host: d.Host(), Port: d.Port(), Username: d.Username(), Password: d.Password(), TLS: d.TLS()}
}

func (s step) close(ctx context.Context, session Session) {
	if err := session.Close(); err != nil {
		s.log.DebugContext(ctx, "closing a session", "error", err.Error())
	}
}

// writable refuses a server that is read-only, whatever the admin may do there: some
// admins may change a reader, and what they change is not at the writer, nor at any
// other reader.
func writable(session Session) error {
	if !session.Facts().ReadOnly {
		return nil
	}
	return failure.New(failure.ReadOnlyServer, "the server that the admin has reached is read-only, so it is a reader, or a writer in a failover: nothing was changed; "+
		"use the address of the writer, or wait for the end of the failover: the next try goes on")
}
