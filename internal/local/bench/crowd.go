package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
)

// crowd rotates ever more secrets of one server at once, a process each, as Lambda
// does whose concurrency is not bounded.
func (b *bench) crowd(ctx context.Context, on *dbserver.Server) error {
	title := on.Release().Title()
	sizes := []int{1, 10, 50, 200}
	if b.Brief {
		sizes = []int{1, 10}
	}
	for _, size := range sizes {
		b.say("%s, %d secrets at once ...", title, size)
		took, held, again, err := b.atOnce(ctx, on, size)
		if err != nil {
			return fmt.Errorf("%d secrets at once: %w", size, err)
		}
		b.report.add(Figure{Server: title, What: fmt.Sprintf("%d secrets at once, cold: until the last has rotated", size), Value: took.Seconds(), Unit: "s"})
		b.report.add(Figure{Server: title, What: fmt.Sprintf("%d secrets at once: connections held at most", size), Value: float64(held)})
		b.report.add(Figure{Server: title, What: fmt.Sprintf("%d secrets at once: that needed a further try", size), Value: float64(again)})
	}
	return nil
}

// atOnce rotates secrets at once, and returns when the last has rotated, how many
// connections there were at most, and how many secrets needed a further try, which
// Secrets Manager makes by itself: here after a second.
func (b *bench) atOnce(ctx context.Context, on *dbserver.Server, size int) (took time.Duration, held, again int, err error) {
	s, err := sandbox.Open(ctx, sandbox.Options{Server: on, Binary: b.own.binary, Timeout: 5 * time.Minute, SecretsManager: emulator.Options{Attempts: 5, Pause: time.Second}})
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	admin, err := s.CreateAdminNamed(ctx, "admin-crowd", "adm_crowd")
	if err != nil {
		return 0, 0, 0, err
	}
	var secrets []string
	for i := range size {
		user := fmt.Sprintf("crowd_%d", i)
		if err := s.CreateUser(ctx, user, "%", password); err != nil {
			return 0, 0, 0, err
		}
		defer func() {
			err = errors.Join(err, s.Execute(ctx, "DROP USER IF EXISTS '"+user+"'@'%', '"+user+"_clone'@'%'"))
		}()
		if err := s.Execute(ctx, "GRANT SELECT ON bench_own.* TO '"+user+"'@'%'"); err != nil {
			return 0, 0, 0, err
		}
		secret, err := s.CreateSecret(ctx, user, user, password, map[string]any{"masterarn": admin})
		if err != nil {
			return 0, 0, 0, err
		}
		secrets = append(secrets, secret)
	}
	before, err := idle(ctx, s)
	if err != nil {
		return 0, 0, 0, err
	}
	if err := s.Execute(ctx, "FLUSH STATUS"); err != nil {
		return 0, 0, 0, err
	}
	errs := make(chan error, size)
	var more atomic.Int64
	var running sync.WaitGroup
	began := time.Now()
	for _, secret := range secrets {
		running.Go(func() {
			outcome, err := s.Rotate(ctx, secret)
			if outcome.Attempts > 1 {
				more.Add(1)
			}
			errs <- errors.Join(err, outcome.Err)
		})
	}
	running.Wait()
	took = time.Since(began)
	for range size {
		err = errors.Join(err, <-errs)
	}
	after, statusErr := status(ctx, s, "SHOW GLOBAL STATUS LIKE 'Max_used_connections'")
	return took, after - before, int(more.Load()), errors.Join(err, statusErr)
}

// idle waits for a while until the sessions of what ran before are gone, and returns
// how many connections there are then.
func idle(ctx context.Context, s *sandbox.Sandbox) (int, error) {
	for range 100 {
		connected, err := status(ctx, s, "SHOW GLOBAL STATUS LIKE 'Threads_connected'")
		if err != nil || connected <= s.Root.Stats().OpenConnections {
			return connected, err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return status(ctx, s, "SHOW GLOBAL STATUS LIKE 'Threads_connected'")
}

// status reads one of the server's counters. Max_used_connections counts since FLUSH
// STATUS.
func status(ctx context.Context, s *sandbox.Sandbox, query string) (int, error) {
	var name, value string
	if err := s.Root.QueryRowContext(ctx, query).Scan(&name, &value); err != nil {
		return 0, err
	}
	return strconv.Atoi(value)
}
