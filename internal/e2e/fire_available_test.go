package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"

	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// crowd is the clients of a secret. Each keeps a session, and logs in once more again
// and again. Whoever reloads has closed what it opened as another user by the time that
// this user's turn begins.
type crowd struct {
	*target
	// reloading is held to read by a client at work, and to write while all reload.
	reloading sync.RWMutex
	clients   []*soakClient
	mutex     sync.Mutex
	closed    []int64 // the numbers of sessions that the server may not have ended yet
	failed    atomic.Int64
	logins    atomic.Int64
	overtaken atomic.Int64
}

// soakClient is one of them.
type soakClient struct {
	version string
	kept    *sql.DB
	id      int64
}

// login opens a session as a document says, around the proxy, and uses it.
func (c *crowd) login(document secret.Document) (db *sql.DB, id int64, err error) {
	config := c.Server.Config()
	config.User, config.Passwd, config.DBName = document.Username(), document.Password().Reveal(), c.database
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, 0, err
	}
	db = sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	ctx := context.WithoutCancel(c.t.Context())
	if _, err = db.ExecContext(ctx, "INSERT INTO "+c.database+".t VALUES (1, 2)"); err == nil {
		err = db.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id)
	}
	if err != nil {
		_ = db.Close()
	}
	return db, id, err
}

func (c *crowd) close(db *sql.DB, id int64) {
	_ = db.Close()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.closed = append(c.closed, id)
}

// logsIn logs in, and closes that session.
func (c *crowd) logsIn(document secret.Document) error {
	db, id, err := c.login(document)
	if err == nil {
		c.close(db, id)
	}
	return err
}

// work is a client's next step: it reads the secret, logs in, and keeps another session
// where it has read another version. A login that failed counts only if AWSCURRENT, read
// again, is still the same version.
func (c *crowd) work(client *soakClient) error {
	version, document, err := c.versionNow()
	if err != nil {
		return fmt.Errorf("reading AWSCURRENT: %w", err)
	}
	c.logins.Add(1)
	if err = c.logsIn(document); err == nil && client.version != version {
		var kept *sql.DB
		var id int64
		if kept, id, err = c.login(document); err == nil {
			if client.kept != nil {
				c.close(client.kept, client.id)
			}
			client.version, client.kept, client.id = version, kept, id
		}
	}
	if err == nil {
		return nil
	}
	if now, _, _ := c.versionNow(); now != version {
		c.overtaken.Add(1)
		return nil
	}
	c.failed.Add(1)
	return fmt.Errorf("AWSCURRENT does not log in: %w", err)
}

// reload has every client work once, and waits until the server has ended what they
// closed. What they open from then on is the current user's.
func (c *crowd) reload() {
	c.reloading.Lock()
	for _, client := range c.clients {
		if err := c.work(client); err != nil {
			c.t.Error(err)
		}
	}
	ended := c.closed
	c.closed = nil
	c.reloading.Unlock()
	rows := func() []int64 {
		var listed []int64
		rows, err := c.Root.QueryContext(c.t.Context(), "SELECT ID FROM information_schema.PROCESSLIST")
		if err != nil {
			c.t.Error(err)
			return nil
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				c.t.Error(err)
			}
			listed = append(listed, id)
		}
		return listed
	}
	pauses := timeout.Pauses{Next: time.Millisecond, Longest: 100 * time.Millisecond}
	for slices.ContainsFunc(rows(), func(id int64) bool { return slices.Contains(ended, id) }) {
		if err := pauses.Pause(c.t.Context()); err != nil {
			c.t.Error(err)
			return
		}
	}
}

// available has clients read AWSCURRENT and log in, without pause, while the secret is
// rotated over and over. No rotation warns of a session, since all of them reload; then
// some do not, and each rotation that changes their password does.
func (f *fireServer) available(t *testing.T) {
	c := &crowd{target: f.place(t, 60*time.Second), clients: []*soakClient{{}, {}, {}}}
	c.furnish()
	c.mustRotate()
	var previous atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for _, client := range c.clients {
		running.Go(func() {
			for ctx.Err() == nil {
				c.reloading.RLock()
				err := c.work(client)
				c.reloading.RUnlock()
				if err != nil {
					t.Error(err)
					return
				}
			}
			if client.kept != nil {
				_ = client.kept.Close()
			}
		})
	}
	c.between = func(_ context.Context, step string, invoke func() error) error {
		if step != "setSecret" {
			return invoke()
		}
		// The next turn of the previous user has not begun.
		document, err := c.staged("AWSPREVIOUS")
		if err != nil || c.logsIn(document) != nil {
			t.Errorf("the previous credentials do not log in until their next turn: %v", err)
		}
		previous.Add(1)
		c.reload()
		return invoke()
	}
	began := time.Now()
	rotations := 0
	for ; rotations < f.size.rotations && !t.Failed(); rotations++ {
		c.mustRotate()
		c.gather()
	}
	took := time.Since(began)
	if found := c.warnings(warning.PendingUserInUse); len(found) > 0 {
		t.Errorf("%d warnings of nobody: %q", len(found), found)
	}
	left := c.leavesBehind(f.size.rotations / 10)
	stop()
	running.Wait()
	c.between = nil
	c.whole("after all rotations")
	if c.logins.Load() == 0 || previous.Load() == 0 {
		t.Errorf("%d logins by AWSCURRENT and %d by AWSPREVIOUS were tried", c.logins.Load(), previous.Load())
	}
	f.say("availability", fmt.Sprintf("%d rotations, %d logins, %d failed", rotations, c.logins.Load(), c.failed.Load()),
		"in %s, of %d clients by AWSCURRENT; %d logins were overtaken by a rotation; %d by AWSPREVIOUS before its next turn; of %d clients left behind each was named, and nobody else",
		took.Round(time.Second), len(c.clients), c.overtaken.Load(), previous.Load(), left)
}

// leavesBehind has clients, one after the other, keep their session over two rotations, of
// which the second changes its password and has to say so.
func (c *crowd) leavesBehind(clients int) (left int) {
	for ; left < max(1, clients) && !c.t.Failed(); left++ {
		document, err := c.Current(c.t.Context(), c.app)
		if err != nil {
			c.t.Fatal(err)
		}
		db, id, err := c.login(document)
		if err != nil {
			c.t.Fatal(err)
		}
		c.mustRotate()
		if found := c.warnings(warning.PendingUserInUse); len(found) != left {
			c.t.Errorf("%d warnings, want %d: %q", len(found), left, found)
		}
		c.mustRotate()
		if found := c.warnings(warning.PendingUserInUse); len(found) != left+1 {
			c.t.Errorf("%d warnings, want %d: %q", len(found), left+1, found)
		}
		c.close(db, id)
	}
	return left
}

// versionNow is the version under AWSCURRENT.
func (p *target) versionNow() (id string, document secret.Document, err error) {
	out, err := p.Secrets.GetSecretValue(context.WithoutCancel(p.t.Context()), &secretsmanager.GetSecretValueInput{SecretId: aws.String(p.app)})
	if err != nil {
		return "", document, err
	}
	document, err = secret.Parse(redact.New(*out.SecretString))
	return *out.VersionId, document, err
}
