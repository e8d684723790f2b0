package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"tandem/internal/local/lambdahost"
	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/statement"
)

// shopTables is how many tables shopuser has privileges on: one GRANT for each.
const shopTables = 12

// interrupted kills a rotation when half of the privileges are granted, and shows
// that its next try finishes it, while the application never notices.
//
// To be killed there and nowhere else, the function is made to wait there: a
// GRANT on columns waits for a table that another session has locked.
func (d *demo) interrupted(ctx context.Context) error {
	d.title("3. What the tutorials cannot show: a rotation killed half-way")
	d.say("%s has privileges on %d tables. The function's process is killed (SIGKILL) when its clone has been", shopUser, shopTables)
	d.say("given half of them. All the while an application logs in with the credentials under AWSCURRENT.")
	app, err := d.createShop(ctx)
	if err != nil {
		return err
	}
	application := &Application{Secrets: d.Secrets, SecretID: app, Config: d.Server.Config, Every: 5 * time.Millisecond}
	applying, cancel := context.WithCancel(ctx)
	defer cancel()
	running := make(chan struct{})
	go func() {
		defer close(running)
		application.Run(applying)
	}()

	half, err := d.halfWay(ctx)
	if err != nil {
		return err
	}
	blocker, err := d.Root.Conn(ctx)
	if err != nil {
		return fmt.Errorf("locking a table: %w", err)
	}
	defer func() { _ = blocker.Close() }()
	if _, err := blocker.ExecContext(ctx, statement.New("LOCK TABLES shop.").Identifier(half).SQL(" WRITE").Statement().Reveal()); err != nil {
		return fmt.Errorf("locking a table: %w", err)
	}
	unlock := func() {
		if _, err := blocker.ExecContext(context.WithoutCancel(ctx), "UNLOCK TABLES"); err != nil {
			d.wrong(ctx, "unlocking a table: %v", err)
		}
	}
	d.begin(ctx, app, shopUser)
	d.mutex.Lock()
	d.killed = func(err error) {
		d.mutex.Lock()
		d.killed = nil
		d.mutex.Unlock()
		defer unlock()
		if failure := (*lambdahost.FunctionError)(nil); !errors.As(err, &failure) || failure.Type != lambdahost.TypeExited {
			d.wrong(ctx, "the function was to be killed, and it ended otherwise: %v", err)
		}
		d.reportHalf(ctx, app)
	}
	d.mutex.Unlock()
	killed := make(chan error, 1)
	waiting, stop := context.WithCancel(ctx)
	go func() { killed <- d.killWhenWaiting(waiting) }()
	err = d.rotate(ctx, app, nil)
	stop()
	if killErr := <-killed; killErr != nil {
		unlock()
		d.wrong(ctx, "the function was not killed: %v", killErr)
	}
	if err != nil {
		return err
	}
	has, err := d.shopGrants(ctx, secret.Clone(shopUser))
	if err != nil {
		return err
	}
	d.say("-> %s has its privileges on %d of %d tables", secret.Clone(shopUser), has, shopTables)
	if err := d.sameGrants(ctx, shopUser); err != nil {
		return err
	}
	if has != shopTables {
		d.wrong(ctx, "the clone has privileges on %d of %d tables", has, shopTables)
	}
	cancel()
	<-running
	logins := application.Logins()
	d.say("   the application logged in %d times, and %d logins failed", logins.Attempted, logins.Failed)
	if logins.Failed > 0 || logins.Attempted == 0 {
		d.wrong(ctx, "of the application's %d logins %d failed: %v", logins.Attempted, logins.Failed, logins.Err)
	}
	return nil
}

// createShop makes shopuser, its tables and its secret.
func (d *demo) createShop(ctx context.Context) (string, error) {
	password := redact.New(NewPassword())
	d.keep(aPassword, password)
	if err := d.CreateUser(ctx, shopUser, "%", password.Reveal()); err != nil {
		return "", err
	}
	if err := d.Execute(ctx, "CREATE DATABASE shop"); err != nil {
		return "", err
	}
	for i := range shopTables {
		table := fmt.Sprintf("shop.t%02d", i+1)
		if err := d.Execute(ctx, "CREATE TABLE "+table+" (id INT PRIMARY KEY, stock INT)",
			"GRANT SELECT, UPDATE (stock) ON "+table+" TO 'shopuser'@'%'"); err != nil {
			return "", err
		}
	}
	return d.CreateSecret(ctx, shopSecret, shopUser, password.Reveal(), map[string]any{"masterarn": d.admin})
}

// shopGrants counts the tables on which the user has privileges.
func (d *demo) shopGrants(ctx context.Context, user string) (int, error) {
	rows, err := d.texts(ctx, statement.New("SHOW GRANTS FOR ").Account(user, "%").Statement())
	return len(tablesIn(rows)), err
}

// halfWay returns the table in the middle of those that shopuser has privileges
// on, in the server's order, which is the function's as well.
func (d *demo) halfWay(ctx context.Context) (string, error) {
	rows, err := d.texts(ctx, statement.New("SHOW GRANTS FOR ").Account(shopUser, "%").Statement())
	if err != nil {
		return "", err
	}
	tables := tablesIn(rows)
	if len(tables) != shopTables {
		return "", fmt.Errorf("the server shows privileges of shopuser on %d tables, and %d were granted", len(tables), shopTables)
	}
	return tables[shopTables/2], nil
}

// tablesIn returns the tables of the database shop that rows of SHOW GRANTS are
// about, in their order.
func tablesIn(rows []string) []string {
	var tables []string
	for _, row := range rows {
		if _, rest, found := strings.Cut(row, " ON `shop`.`"); found {
			table, _, _ := strings.Cut(rest, "`")
			if !slices.Contains(tables, table) {
				tables = append(tables, table)
			}
		}
	}
	return tables
}

// reportHalf says what there is after the kill.
func (d *demo) reportHalf(ctx context.Context, secretID string) {
	has, err := d.shopGrants(ctx, secret.Clone(shopUser))
	if err != nil {
		d.wrong(ctx, "%v", err)
		return
	}
	if has == 0 || has >= shopTables {
		d.wrong(ctx, "the function was not killed half-way: the clone has privileges on %d of %d tables", has, shopTables)
	}
	pending, err := d.staged(ctx, secretID, "AWSPENDING")
	if err != nil {
		d.wrong(ctx, "%v", err)
		return
	}
	if db, err := d.Login(ctx, pending); err == nil {
		_ = db.Close()
		d.wrong(ctx, "a half-made user can log in")
	}
	d.say("-> %s has privileges on %d of %d tables, and nobody can log in as it", secret.Clone(shopUser), has, shopTables)
}

// killWhenWaiting kills the function's process when the server has its session
// wait for the locked table.
func (d *demo) killWhenWaiting(ctx context.Context) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		// The server's only list of waiting sessions is this table: there is nothing to
		// subscribe to.
		var count int
		err := d.Root.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock' AND info LIKE 'GRANT%shopuser%'").Scan(&count)
		if err != nil {
			return fmt.Errorf("watching the server's sessions: %w", err)
		}
		if count > 0 {
			d.mutex.Lock()
			pid := d.pid
			d.mutex.Unlock()
			process, err := os.FindProcess(pid)
			if err != nil {
				return fmt.Errorf("finding the function's process: %w", err)
			}
			if err := process.Signal(syscall.SIGKILL); err != nil {
				return fmt.Errorf("killing the function's process: %w", err)
			}
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.New("the rotation ended before it came to the locked table")
		}
	}
}
