package sandbox

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/lambdahost"
	"tandem/internal/local/leakscan"
	"tandem/internal/redact"
	"tandem/internal/secret"
)

// DemoOptions are what a caller may choose about the demo.
type DemoOptions struct {
	// Release is the server to play on; any if zero.
	Release dbserver.Release
	// Binary is the compiled function.
	Binary string
	// Finder finds the server.
	Finder dbserver.Finder
	// Out gets what is shown.
	Out io.Writer
}

// demoPause stands for the time that Secrets Manager takes between two tries.
const demoPause = 300 * time.Millisecond

// demo is the demo under way.
type demo struct {
	*Sandbox
	out   *witness
	table table
	// admin is the ARN of the admin secret of tutorial 1.
	admin string

	// The hooks run beside the demo, in the goroutines of the rotation and of the
	// function's log.
	mutex    sync.Mutex
	secretID string
	columns  [2]string      // the users, or the passwords, that the rows are about
	slots    map[string]int // of a single user: the column of each version, by its ID
	tried    map[string]int
	finished time.Duration // of the finishSecret whose row waits for the rotation's end
	pid      int
	logs     bytes.Buffer
	kept     leakscan.Secrets
	problems []string
	killed   func(error) // called after the row of a step that failed
	silent   bool        // steps write no rows
	refused  func(error) // called, while silent, when a step has failed
}

// Demo plays both tutorials of AWS's User Guide on a real server, and then what
// tutorials cannot show: a rotation that is killed half-way, a privilege that is
// revoked, and an application that never reads its secret again. It writes what happens as a table, and returns an error if anything
// was not as it must be.
func Demo(ctx context.Context, options DemoOptions) (err error) {
	began := time.Now()
	out := &witness{to: options.Out}
	fmt.Fprintf(out, "Two tutorials of the AWS Secrets Manager User Guide, played on this machine: a real database\n"+
		"server, a local Secrets Manager, and the function %s as its own process, run as Lambda\n"+
		"runs it. No AWS account is used, nothing listens beyond 127.0.0.1, and nothing is left behind.\n\n", options.Binary)
	if err := checkBinary(options.Binary); err != nil {
		return err
	}
	found, err := options.Finder.Start(ctx, options.Release, dbserver.Options{})
	if ctx.Err() != nil {
		return fmt.Errorf("the demo was interrupted: %w", context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	d := &demo{out: out, table: table{out}, tried: map[string]int{}, kept: leakscan.Secrets{}}
	d.Sandbox, err = Open(ctx, Options{
		Server: found, Binary: options.Binary, SingleUser: true,
		SecretsManager: emulator.Options{Attempts: 5, Pause: demoPause},
		Logs:           d.log, Started: d.started, Intercept: telling(func(step Step) { d.step(ctx, step) }),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.checkUnused(ctx, demoUsers, demoDatabases); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.drop(ctx, demoUsers, demoDatabases)) }()
	fmt.Fprintf(out, "server           %s\nSecrets Manager  %s\n", found, d.URL)

	for _, act := range []func(context.Context) error{d.alternatingUsers, d.userWithMasterSecret, d.interrupted, d.revoked, d.leftBehind} {
		if err := act(ctx); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("the demo was interrupted: %w", context.Cause(ctx))
			}
			return explain(ctx, found, err)
		}
	}
	return d.conclude(time.Since(began))
}

// conclude searches all that was shown and logged for passwords, and sums up.
func (d *demo) conclude(took time.Duration) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.kept.Add(aPassword, d.Server.Password.Reveal())
	logged := &witness{to: io.Discard}
	logged.seen = d.logs
	if shown, inLog := d.out.leaks(d.kept), logged.leaks(d.kept); len(shown)+len(inLog) > 0 {
		d.problems = append(d.problems, fmt.Sprintf("secrets were shown: %s; and are in the function's log: %s",
			strings.Join(shown, ", "), strings.Join(inLog, ", ")))
	}
	if len(d.problems) > 0 {
		return fmt.Errorf("not as it must be: %s", strings.Join(d.problems, "; "))
	}
	fmt.Fprintf(d.out, "\nAll was as it must be. None of the %d passwords, %d hashes and %d rotation tokens of this demo is in\n"+
		"what you have read, nor in the function's log. It took %s. To try it by hand: make sandbox\n",
		len(d.kept.Of(aPassword)), len(d.kept.Of(aHash)), len(d.kept.Of(aToken)), shortly(took))
	return nil
}

// wrong notes something that is not as it must be, and shows it. What fails
// because ctx has ended, fails because of that.
func (d *demo) wrong(ctx context.Context, format string, args ...any) {
	if ctx.Err() != nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	d.mutex.Lock()
	d.problems = append(d.problems, text)
	d.mutex.Unlock()
	d.say("NOT AS IT MUST BE: %s", text)
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "  "+format+"\n", args...)
}

func (d *demo) title(text string) { fmt.Fprintf(d.out, "\n%s\n", text) }

// What must not be shown.
const (
	aPassword = "password"
	aHash     = "hash"
	aToken    = "rotation token"
)

// keep notes what must not be shown.
func (d *demo) keep(what string, secret redact.Secret) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.kept.Add(what, secret.Reveal())
}

// keepHashes notes what the server has stored of the users' passwords: of two passwords
// the first, which each is once.
func (d *demo) keepHashes(ctx context.Context, users [2]string) error {
	rows, err := d.Root.QueryContext(ctx, "SELECT authentication_string FROM mysql.user WHERE User IN (?, ?)", users[0], users[1])
	if err != nil {
		return fmt.Errorf("reading the users' hashes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var hash sql.NullString
		if err := rows.Scan(&hash); err != nil {
			return fmt.Errorf("reading the users' hashes: %w", err)
		}
		d.keep(aHash, redact.New(hash.String))
	}
	return rows.Err()
}

// log is the hook for the function's log.
func (d *demo) log(line lambdahost.Line) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.logs.WriteString(line.Text + "\n")
}

// started is the hook for the function's processes.
func (d *demo) started(_ string, pid int) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.pid = pid
}

// step is the hook for the steps of rotations.
func (d *demo) step(ctx context.Context, step Step) {
	if ctx.Err() != nil {
		return
	}
	d.keep(aToken, step.rotationToken)
	d.mutex.Lock()
	killed, silent, refused := d.killed, d.silent, d.refused
	switch {
	case silent:
	case !step.Ended && step.Name == emulator.StepCreate:
		d.tried[step.Token]++
		if try := d.tried[step.Token]; try > 1 {
			defer d.say("Secrets Manager tries again, after %s here and after a minute or two in AWS:", shortly(demoPause))
		}
	case step.Ended && step.Err == nil && step.Name == emulator.StepFinish:
		d.finished = step.Took // its row comes when AWSPENDING has been taken off
	}
	d.mutex.Unlock()
	switch {
	case silent && step.Err != nil && refused != nil:
		refused(step.Err)
	case silent, !step.Ended:
	case step.Err != nil:
		name := step.Name + " FAILED"
		if killed != nil {
			name = step.Name + " KILLED"
		}
		d.row(ctx, name, step.Took)
		if killed != nil {
			killed(step.Err)
		} else {
			d.say("%v", step.Err)
		}
	case step.Name != emulator.StepFinish:
		d.row(ctx, step.Name, step.Took)
	}
}

// begin makes a secret the one that the rows are about, and writes the first.
func (d *demo) begin(ctx context.Context, secretID, original string) {
	users := [2]string{original, secret.Clone(original)}
	d.mutex.Lock()
	d.secretID, d.columns, d.slots = secretID, users, nil
	d.mutex.Unlock()
	d.table.head(users)
	d.row(ctx, "as stored", 0)
}

// row writes what there is: the labels of the secret's versions under the users
// that they name, and whether the credentials under them log in.
func (d *demo) row(ctx context.Context, step string, took time.Duration) {
	d.mutex.Lock()
	secretID, users, slots := d.secretID, d.columns, d.slots
	d.mutex.Unlock()
	versions, err := labelled(ctx, d.Secrets, secretID)
	if err != nil {
		d.wrong(ctx, "%v", err)
		return
	}
	if slots != nil {
		d.passwordRow(ctx, step, took, versions)
		return
	}
	labels := map[string][]string{}
	outcomes := map[string]string{}
	for _, v := range versions {
		user := v.document.Username()
		if v.empty {
			continue // of nobody yet
		}
		d.keep(aPassword, v.document.Password())
		labels[user] = append(labels[user], v.labels...)
		for _, label := range v.labels {
			if label == "AWSPENDING" {
				continue // nobody is to try it before testSecret has
			}
			err := d.logIn(ctx, v.document)
			outcomes[label] = outcomeOf(label, err)
			if err != nil && label == "AWSCURRENT" {
				defer d.wrong(ctx, "the credentials under AWSCURRENT do not log in: %v", err)
			}
		}
	}
	if err := d.keepHashes(ctx, users); err != nil {
		d.wrong(ctx, "%v", err)
	}
	var cells [2]string
	for i, user := range users {
		cells[i] = inOrder(labels[user])
		state, err := d.accountState(ctx, user)
		switch {
		case err != nil:
			defer d.wrong(ctx, "%v", err)
		case state == absent:
			cells[i] += " (no user)"
		case state == locked:
			cells[i] += " (locked)"
		case cells[i] == "":
			cells[i] = "-"
		}
		cells[i] = strings.TrimSpace(cells[i])
	}
	d.write(ctx, step, took, cells, outcomes)
}

// inOrder writes the labels of a column.
func inOrder(labels []string) string {
	slices.Sort(labels)
	return strings.ReplaceAll(strings.Join(labels, ", "), "AWSPENDING, AWSPREVIOUS", "AWSPREVIOUS, AWSPENDING")
}

// logIn logs in once.
func (d *demo) logIn(ctx context.Context, document secret.Document) error {
	db, err := d.Login(ctx, document)
	if err == nil {
		_ = db.Close()
	}
	return err
}

// outcomeOf is how a row calls the end of a login with the credentials under a label.
func outcomeOf(label string, err error) string {
	switch {
	case err == nil:
		return "ok"
	case label == "AWSCURRENT":
		return "FAILED"
	}
	return "replaced"
}

// write writes a row, with how the logins have ended, by label.
func (d *demo) write(ctx context.Context, step string, took time.Duration, cells [2]string, outcomes map[string]string) {
	if ctx.Err() != nil {
		return // the logins were cut short
	}
	logins := "current " + outcomes["AWSCURRENT"]
	if outcome := outcomes["AWSPREVIOUS"]; outcome != "" {
		logins += ", previous " + outcome
	}
	duration := ""
	if took > 0 {
		duration = shortly(took)
	}
	d.table.write(step, duration, cells, logins)
}

// rotate rotates the secret at once, and checks what every rotation must end in:
// the other user is current, and both its login and the previous user's work.
// Rules are for the first rotation.
func (d *demo) rotate(ctx context.Context, secretID string, rules *types.RotationRulesType) error {
	before, err := d.Current(ctx, secretID)
	if err != nil {
		return err
	}
	if err := d.rotateBy(ctx, secretID, FunctionARN, rules); err != nil {
		return err
	}
	d.finishRow(ctx)
	current, err := d.Current(ctx, secretID)
	if err != nil {
		return err
	}
	previous, err := d.Previous(ctx, secretID)
	if err != nil {
		return err
	}
	if current.Username() != secret.Other(before.Username()) || previous.Username() != before.Username() {
		d.wrong(ctx, "%s was current, and now %s is, with %s as the previous user", before.Username(), current.Username(), previous.Username())
	}
	if !previous.Password().Equal(before.Password()) {
		d.wrong(ctx, "the password under AWSPREVIOUS is not the one that was current")
	}
	return nil
}

// rotateBy has a function rotate the secret, and waits for it. Rules are for the first
// rotation.
func (d *demo) rotateBy(ctx context.Context, secretID, functionARN string, rules *types.RotationRulesType) error {
	_, err := d.Secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{
		SecretId: aws.String(secretID), RotationLambdaARN: aws.String(functionARN),
		ClientRequestToken: aws.String(Token()), RotationRules: rules,
	})
	if err != nil {
		return fmt.Errorf("rotating secret %s: %w", secretID, err)
	}
	outcome, err := d.Service.WaitRotation(ctx, secretID)
	if err != nil {
		return err
	}
	if outcome.Status != emulator.Succeeded {
		return fmt.Errorf("the rotation of secret %s %s after %d tries: %w", secretID, outcome.Status, outcome.Attempts, outcome.Err)
	}
	return nil
}

// finishRow writes the row of finishSecret, once the rotation has ended.
func (d *demo) finishRow(ctx context.Context) {
	d.mutex.Lock()
	took := d.finished
	d.mutex.Unlock()
	d.row(ctx, emulator.StepFinish, took)
}

// asBoth logs in with what the secret says under AWSCURRENT and AWSPREVIOUS and
// does the same as both, then says so.
func (d *demo) asBoth(ctx context.Context, secretID, said string, use func(context.Context, *sql.DB) error) error {
	var names []string
	for _, stage := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
		document, err := d.staged(ctx, secretID, stage)
		if err != nil {
			return err
		}
		db, err := d.Login(ctx, document)
		if err != nil {
			d.wrong(ctx, "with what the secret says under %s: %v", stage, err)
			continue
		}
		if err := errors.Join(use(ctx, db), db.Close()); err != nil {
			d.wrong(ctx, "%s, under %s: %v", document.Username(), stage, err)
			continue
		}
		names = append(names, document.Username())
	}
	if len(names) == 2 {
		d.say("-> %s, now current, %s;", names[0], said)
		d.say("   %s, the previous user, still could and did the same", names[1])
	}
	return nil
}

// sameGrants checks that both users have the same privileges.
func (d *demo) sameGrants(ctx context.Context, original string) error {
	a, err := d.grants(ctx, original)
	if err != nil {
		return err
	}
	b, err := d.grants(ctx, secret.Clone(original))
	if err != nil {
		return err
	}
	if !slices.Equal(a, b) {
		d.wrong(ctx, "%s has %s, and %s has %s", original, strings.Join(a, "; "), secret.Clone(original), strings.Join(b, "; "))
	}
	return nil
}
