package rotation

import (
	"context"
	"fmt"
	"sync"
)

// refusedOnce is a database that no login is tried again at which it has refused. Many
// secrets have one admin secret: if its password is wrong, a check of them all would
// otherwise fail to log in once for each, and a server that counts failed logins would
// lock the admin.
//
// Source: MySQL Reference Manual, "CREATE USER", of FAILED_LOGIN_ATTEMPTS; MariaDB
// Server Documentation, "max_password_errors".
type refusedOnce struct {
	Database
	mutex sync.Mutex
	first []*firstLogin
}

// firstLogin is the first attempt of a login.
type firstLogin struct {
	Login
	ended   chan struct{}
	refused error // once it has ended
}

// Connect implements Database. It waits until the first attempt of the same login has
// ended.
func (d *refusedOnce) Connect(ctx context.Context, login Login) (Session, error) {
	first, known := d.firstOf(login)
	if !known {
		defer close(first.ended)
		session, err := d.Database.Connect(ctx, login)
		if passwordMayBeWrong(err) {
			first.refused = err
		}
		return session, err
	}
	select {
	case <-first.ended:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the same login of another secret's check: %w", ctx.Err())
	}
	if first.refused != nil {
		return nil, fmt.Errorf("not tried again, as the same login was refused in the check of another secret: %w", first.refused)
	}
	return d.Database.Connect(ctx, login)
}

// firstOf returns the first attempt of a login, and whether it was made already.
func (d *refusedOnce) firstOf(login Login) (first *firstLogin, known bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for _, first := range d.first {
		if first.Host == login.Host && first.Port == login.Port && first.Username == login.Username && first.Password.Reveal() == login.Password.Reveal() {
			return first, true
		}
	}
	first = &firstLogin{Login: login, ended: make(chan struct{})}
	d.first = append(d.first, first)
	return first, false
}
