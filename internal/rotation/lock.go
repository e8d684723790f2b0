package rotation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"tandem/internal/secret"
	"tandem/internal/timeout"
)

// lockName is the pair's: both turns, and every secret for these users, share it.
// MySQL allows 64 characters.
//
// Source: MySQL 8.4 Reference Manual, 14.14 "Locking Functions".
func lockName(original string) string {
	sum := sha256.Sum256([]byte(original))
	return "tandem." + hex.EncodeToString(sum[:16])
}

// lock takes the lock of the pair that the document's user belongs to. An admin says
// whom it will read.
func (s step) lock(ctx context.Context, session Session, application secret.Document, users ...string) error {
	original := secret.Original(application.Username())
	wait := timeout.Lock().Of(ctx).Truncate(time.Second)
	err := session.Lock(ctx, lockName(original), wait, users...)
	if errors.Is(err, ErrLockTaken) {
		return s.lockTaken(err, original, s.adminName(ctx, err, application), wait)
	}
	return err
}
