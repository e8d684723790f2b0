package bench

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
)

// taken is what one step took.
type taken struct {
	Wall       time.Duration
	CPU        time.Duration
	Calls      int // of Secrets Manager
	Logins     int
	Denied     int
	Statements int
}

// deployment is a function, with a Secrets Manager of its own, on a server that is
// shared: its users and secrets are told apart by their names.
type deployment struct {
	*sandbox.Sandbox
	program  program
	user     string // of the original
	database string
	secret   string
	admin    string

	mutex sync.Mutex
	pid   int
	cpu   time.Duration // of pid, before the invocation
	steps map[string]taken
	// hold is how long a call of Secrets Manager is held; arrivals are when they came.
	hold     time.Duration
	arrivals []time.Time
	// watched: the server's counters are read before and after each step.
	watched bool
	// fresh: each step runs in a process of its own.
	fresh bool
	// around, where set, is told of each step's beginning and end.
	around func(step string, begins bool)
}

const password = "The 1st password"

// open puts a function on a server. Further variables of the environment win.
func open(ctx context.Context, on *dbserver.Server, p program, name string, env ...string) (*deployment, error) {
	w := &deployment{program: p, user: name, database: "bench_" + name, steps: map[string]taken{}, watched: true}
	var err error
	w.Sandbox, err = sandbox.Open(ctx, sandbox.Options{
		Server: on, Binary: p.binary, Env: append(append(p.env[:len(p.env):len(p.env)], "USERNAME_CHARACTER_LIMIT=32"), env...), Timeout: 2 * time.Minute,
		SecretsManager: emulator.Options{Attempts: 1, Pause: -1, Fault: w.held},
		Started: func(_ string, pid int) {
			w.mutex.Lock()
			defer w.mutex.Unlock()
			w.pid, w.cpu = pid, cpuOf(pid)
		},
		Intercept: w.step,
	})
	if err != nil {
		return nil, err
	}
	if w.admin, err = w.CreateAdminNamed(ctx, "admin-"+name, "adm_"+name); err != nil {
		return w, err
	}
	if err := w.amend(ctx, w.admin, map[string]any{"engine": "mysql"}); err != nil {
		return w, err
	}
	return w, w.Execute(ctx, "CREATE DATABASE "+w.database)
}

// settle makes the application's user with its grants, and its secret.
func (w *deployment) settle(ctx context.Context, grants int, more map[string]any) (fed time.Duration, err error) {
	if err := w.CreateUser(ctx, w.user, "%", password); err != nil {
		return 0, err
	}
	if fed, err = w.feed(ctx, w.user, grants); err != nil {
		return 0, err
	}
	document := map[string]any{"dbname": w.database, "masterarn": w.admin, "engine": "mysql"} // the one that AWS's function knows
	for key, value := range more {
		document[key] = value
	}
	w.secret, err = w.CreateSecret(ctx, "app-"+w.user+"-"+sandbox.Token()[:8], w.user, password, document)
	return fed, err
}

// feed sends the grants one after the other, as a server's client does, and says
// how long that took.
func (w *deployment) feed(ctx context.Context, user string, grants int) (time.Duration, error) {
	conn, err := w.Root.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	began := time.Now()
	for i := range grants {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, CREATE ON `%s`.`table_%d` TO '%s'@'%%'", w.database, i, user)); err != nil {
			return 0, fmt.Errorf("granting on table %d: %w", i, err)
		}
	}
	return time.Since(began), nil
}

// amend changes keys of a secret's document.
func (w *deployment) amend(ctx context.Context, secretID string, changes map[string]any) error {
	out, err := w.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID)})
	if err != nil {
		return err
	}
	document := map[string]any{}
	if err := json.Unmarshal([]byte(aws.ToString(out.SecretString)), &document); err != nil {
		return err
	}
	maps.Copy(document, changes)
	text, err := json.Marshal(document)
	if err != nil {
		return err
	}
	_, err = w.Secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(secretID), SecretString: aws.String(string(text)), ClientRequestToken: aws.String(sandbox.Token()),
	})
	return err
}

// remove takes the users of the last settle away.
func (w *deployment) remove(ctx context.Context) error {
	return w.Execute(ctx, "DROP USER IF EXISTS '"+w.user+"'@'%'", "DROP USER IF EXISTS '"+w.user+"_clone'@'%'")
}

// rotate rotates the secret, and returns what its steps took.
func (w *deployment) rotate(ctx context.Context) (map[string]taken, error) {
	w.mutex.Lock()
	w.steps = map[string]taken{}
	w.mutex.Unlock()
	outcome, err := w.Rotate(ctx, w.secret)
	if err == nil {
		err = outcome.Err
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.steps, err
}

// step stands between Secrets Manager and the function.
func (w *deployment) step(ctx context.Context, payload []byte, invoke func(context.Context, []byte) error) error {
	var event struct{ Step string }
	if err := json.Unmarshal(payload, &event); err != nil {
		return err
	}
	if w.fresh && w.pid != 0 {
		end(w.pid)
	}
	calls := len(w.Service.Calls())
	var before counters
	if w.watched {
		before = w.counters(ctx)
	}
	if w.around != nil {
		w.around(event.Step, true)
		defer w.around(event.Step, false)
	}
	began := time.Now()
	err := invoke(ctx, payload)
	took := taken{Wall: time.Since(began), Calls: len(w.Service.Calls()) - calls}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	took.CPU = cpuOf(w.pid) - w.cpu
	if w.watched {
		after := w.counters(ctx)
		took.Logins, took.Denied = after.logins-before.logins, after.denied-before.denied
		// Not the one that asks, nor the ends of sessions, which the server counts too.
		took.Statements = after.statements - before.statements - 1 - (took.Logins - took.Denied)
	}
	w.steps[event.Step] = took
	return err
}

// held holds a call for a while, and notes when it came.
func (w *deployment) held(call emulator.Call) emulator.Fault {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.hold == 0 || call.Operation == "RotateSecret" { // which is not the function's
		return emulator.Fault{}
	}
	w.arrivals = append(w.arrivals, time.Now())
	ended := make(chan struct{})
	time.AfterFunc(w.hold, func() { close(ended) })
	return emulator.Fault{Hold: ended}
}

// counters are the server's.
type counters struct{ logins, denied, statements int }

func (w *deployment) counters(ctx context.Context) counters {
	values := map[string]int{}
	rows, err := w.Root.QueryContext(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Connections', 'Aborted_connects', 'Questions')")
	if err != nil {
		return counters{}
	}
	defer rows.Close()
	for rows.Next() {
		var name, value sql.NullString
		if rows.Scan(&name, &value) == nil {
			values[strings.ToLower(name.String)], _ = strconv.Atoi(value.String)
		}
	}
	return counters{values["connections"], values["aborted_connects"], values["questions"]}
}

// inAll adds up the steps.
func inAll(steps map[string]taken) taken {
	var sum taken
	for _, one := range steps {
		sum.Wall += one.Wall
		sum.CPU += one.CPU
		sum.Calls += one.Calls
		sum.Logins += one.Logins
		sum.Denied += one.Denied
		sum.Statements += one.Statements
	}
	return sum
}
