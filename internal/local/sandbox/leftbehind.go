package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/internal/local/emulator"
	"tandem/internal/secret"
	"tandem/internal/statement"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// reader is an application with one connection, which it opened with what it read.
type reader struct {
	*demo
	document secret.Document
	open     *sql.DB
}

// read reads the secret, opens another connection with it and closes the one before.
func (r *reader) read(ctx context.Context) error {
	document, err := r.Current(ctx, shopSecret)
	if err != nil {
		return err
	}
	open, err := r.Login(ctx, document)
	if err != nil {
		return err
	}
	before := r.open
	r.document, r.open = document, open
	if before != nil {
		return before.Close()
	}
	return nil
}

// logsIn reports whether what it read still opens a connection.
func (r *reader) logsIn(ctx context.Context) bool {
	db, err := r.Login(ctx, r.document)
	return err == nil && db.Close() == nil
}

// leftBehind shows what becomes of an application that does not read its secret again,
// beside one that does: three rotations that warn of it, three that refuse to go on, and
// three with nobody left behind.
func (d *demo) leftBehind(ctx context.Context) error {
	d.title("5. What the tutorials cannot show: an application that never reads its secret again")
	d.say("Two applications use the secret %s. One reads it again after each rotation; the other has read it", shopSecret)
	d.say("once. Each keeps a connection open, and opens another one after each rotation.")
	first, again := &reader{demo: d}, &reader{demo: d}
	defer func() {
		for _, r := range []*reader{first, again} {
			if r.open != nil {
				_ = r.open.Close()
			}
		}
	}()
	d.silently(true)
	defer d.silently(false)
	if err := errors.Join(first.read(ctx), again.read(ctx)); err != nil {
		return err
	}

	d.scene("PENDING_USER_SESSIONS=warn, the default: it is named before it breaks", "reads it once")
	for n := 1; n <= 3; n++ {
		said, err := d.rotateShop(ctx, n, first, again, nil)
		if err != nil {
			return err
		}
		if works := first.logsIn(ctx); works != (n == 1) {
			d.wrong(ctx, "after rotation %d the credentials that were read before the first one log in: %v", n, works)
		}
		if _, err := first.open.ExecContext(ctx, "DO 1"); err != nil {
			d.wrong(ctx, "after rotation %d its open connection has ended: %v", n, err)
		}
		if warned := len(said) > 0; warned != (n == 2) {
			d.wrong(ctx, "rotation %d: %d warnings %s", n, len(said), warning.PendingUserInUse)
		}
		d.quote("the function warned before it changed anything", said...)
		if err := again.read(ctx); err != nil {
			return err
		}
	}

	d.scene("PENDING_USER_SESSIONS=refuse: it does not break, and the rotation waits for it", "reads it when told")
	if err := errors.Join(first.read(ctx), d.Reconfigure(ctx, "PENDING_USER_SESSIONS=refuse")); err != nil {
		return err
	}
	for n := 1; n <= 3; n++ {
		var refused error
		_, err := d.rotateShop(ctx, n, first, again, func(failed error) {
			refused = failed
			if !first.logsIn(ctx) {
				d.wrong(ctx, "a rotation was refused, and the credentials that were read before do not log in")
			}
			d.quote("setSecret changed nothing, the secret's labels stay, and the application works", failed.Error())
			d.say("-> it reads its secret again, and Secrets Manager's next try goes through")
			if err := errors.Join(first.read(ctx), d.awaitSessions(ctx, secret.Other(first.document.Username()), 0)); err != nil {
				d.wrong(ctx, "%v", err)
			}
		})
		if err != nil {
			return err
		}
		if is := refused != nil; is != (n == 2) {
			d.wrong(ctx, "rotation %d was refused: %v (%v)", n, is, refused)
		}
		if n >= 2 { // it has learnt to
			err = first.read(ctx)
		}
		if err := errors.Join(err, again.read(ctx)); err != nil {
			return err
		}
	}

	d.scene("Nobody is left behind: both read it again, and three rotations say nothing", "reads it again")
	if err := d.Reconfigure(ctx, "PENDING_USER_SESSIONS=warn"); err != nil {
		return err
	}
	for n := 1; n <= 3; n++ {
		said, err := d.rotateShop(ctx, n, first, again, nil)
		if err != nil {
			return err
		}
		if len(said) > 0 {
			d.wrong(ctx, "rotation %d warned of nobody: %s", n, strings.Join(said, "; "))
		}
		if err := errors.Join(first.read(ctx), again.read(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// silently has the steps of rotations write no rows.
func (d *demo) silently(is bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.silent = is
}

// scene begins a table of rotations: first is how the first application reads its secret.
func (d *demo) scene(text, first string) {
	d.title("  " + text)
	d.table.write("rotation", "time", [2]string{"now current", first}, "reads it again")
}

// quote shows what the function said, in lines of a readable length.
func (d *demo) quote(who string, said ...string) {
	for _, text := range said {
		d.say("-> %s:", who)
		line := ""
		for word := range strings.FieldsSeq(text) {
			if line != "" && len(line)+len(word) > 95 {
				d.say("   %s", line)
				line = ""
			}
			line = strings.TrimLeft(line+" "+word, " ")
		}
		d.say("   %s", line)
	}
}

// rotateShop rotates the shop's secret, writes a row of how the two applications fare, and
// returns what the function said of sessions. refused, where set, is told of a try that
// was refused.
func (d *demo) rotateShop(ctx context.Context, n int, first, again *reader, refused func(error)) (said []string, err error) {
	current, err := d.Current(ctx, shopSecret)
	if err != nil {
		return nil, err
	}
	pending := secret.Other(current.Username())
	// What an application has closed, the server ends in its own time.
	left := 0
	if first.document.Username() == pending {
		left = 1
	}
	if err := d.awaitSessions(ctx, pending, left); err != nil {
		return nil, err
	}
	d.mutex.Lock()
	logged := d.logs.Len()
	d.refused = refused
	d.mutex.Unlock()
	began := time.Now()
	outcome, err := d.Rotate(ctx, shopSecret)
	took := time.Since(began)
	d.mutex.Lock()
	d.refused = nil
	lines := d.logs.String()[logged:]
	d.mutex.Unlock()
	if err != nil {
		return nil, err
	}
	if outcome.Status != emulator.Succeeded {
		return nil, fmt.Errorf("the rotation of secret %s %s after %d tries: %w", shopSecret, outcome.Status, outcome.Attempts, outcome.Err)
	}
	if current, err = d.Current(ctx, shopSecret); err != nil {
		return nil, err
	}
	d.keep(aPassword, current.Password())
	if err := d.keepHashes(ctx, [2]string{shopUser, secret.Clone(shopUser)}); err != nil {
		return nil, err
	}
	fares := func(r *reader) string {
		if r.logsIn(ctx) {
			return "logs in"
		}
		return "REFUSED"
	}
	d.table.write(fmt.Sprintf("%d", n), shortly(took), [2]string{current.Username(), fares(first)}, fares(again))
	if !again.logsIn(ctx) {
		d.wrong(ctx, "the application that reads its secret again cannot log in")
	}
	for line := range strings.Lines(lines) {
		var entry struct{ Type, Message string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Type == warning.PendingUserInUse {
			said = append(said, entry.Message)
		}
	}
	return said, nil
}

// awaitSessions waits until the server lists so many sessions of a user, for a minute at
// most: a stray one would never end.
func (d *demo) awaitSessions(ctx context.Context, user string, want int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	pauses := timeout.Pauses{Next: time.Millisecond, Longest: 100 * time.Millisecond}
	query := statement.New("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ").Literal(user).Statement()
	for {
		var got int
		if err := d.Root.QueryRowContext(ctx, query.Reveal()).Scan(&got); err != nil {
			return fmt.Errorf("waiting for the sessions of %s to end: %w", user, err)
		}
		if got == want {
			return nil
		}
		if err := pauses.Pause(ctx); err != nil {
			return fmt.Errorf("waiting until %s has %d sessions, of %d: end those that are no application's of the demonstration: %w", user, want, got, err)
		}
	}
}
