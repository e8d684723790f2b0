package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"

	"tandem/internal/secret"
)

// login opens a connection with what the document says, on top of a
// configuration that has the rest, and runs a statement.
func login(ctx context.Context, config *mysql.Config, document secret.Document) (*sql.DB, error) {
	config.User, config.Passwd = document.Username(), document.Password().Reveal()
	config.DBName = document.Database()
	config.Addr = net.JoinHostPort(document.Host(), strconv.Itoa(document.Port()))
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("preparing the login of %q: %w", document.Username(), err)
	}
	db := sql.OpenDB(connector)
	if _, err := db.ExecContext(ctx, "DO 1"); err != nil {
		return nil, errors.Join(fmt.Errorf("logging in as %q: %w", document.Username(), err), db.Close())
	}
	return db, nil
}

// Application stands for the one that uses a secret: over and over it asks for
// AWSCURRENT, logs in with that, and runs a statement. While a rotation is under
// way, or dies, not one of its logins may fail.
type Application struct {
	Secrets  *secretsmanager.Client
	SecretID string
	// Config has what a document does not say, such as the roots for TLS.
	Config func() *mysql.Config
	// Every is the time from one login to the next.
	Every time.Duration
	// Failed, where set, is told of each login that failed.
	Failed func(error)
	// Grace is how long a login that failed waits until it counts. One that fails
	// since there is nothing left to log in to is known by the end of ctx, which may
	// come a little later.
	Grace time.Duration

	mutex  sync.Mutex
	logins Logins
}

// Logins is how an Application has fared.
type Logins struct {
	Attempted int
	Failed    int
	// User is the last one that logged in, and Err the last failure, nil if there
	// was none.
	User string
	Err  error
}

// Run logs in until ctx ends.
func (a *Application) Run(ctx context.Context) {
	ticker := time.NewTicker(a.Every)
	defer ticker.Stop()
	for {
		user, err := a.attempt(ctx)
		if ctx.Err() != nil || err != nil && a.ends(ctx) {
			return // the login was cut short, which says nothing about it
		}
		a.note(user, err)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a *Application) note(user string, err error) {
	a.mutex.Lock()
	a.logins.Attempted++
	if err != nil {
		a.logins.Failed++
		a.logins.Err = err
	} else {
		a.logins.User = user
	}
	a.mutex.Unlock()
	if err != nil && a.Failed != nil {
		a.Failed(err)
	}
}

// ends reports whether ctx ends within the grace.
func (a *Application) ends(ctx context.Context) bool {
	timer := time.NewTimer(a.Grace)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-timer.C:
		return false
	}
}

// Logins tells how it has fared so far.
func (a *Application) Logins() Logins {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.logins
}

func (a *Application) attempt(ctx context.Context) (user string, err error) {
	document, err := staged(ctx, a.Secrets, a.SecretID, "AWSCURRENT")
	if err != nil {
		return "", err
	}
	db, err := login(ctx, a.Config(), document)
	if err != nil {
		return "", err
	}
	return document.Username(), db.Close()
}
