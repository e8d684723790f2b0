package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/emulator/conformance"
	"tandem/internal/redact"
	"tandem/internal/secret"
)

// TestServe rotates a secret by hand, as a person does who has pasted the lines.
func TestServe(t *testing.T) {
	log := &lines{}
	s, end := tutorial(t, func(o *ServeOptions) { o.Out = log })
	from := newCaller(t, s)
	if diff := cmp.Diff([]string{adminSecret, appSecret}, sorted(from.names(t))); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	previous := from.value(t, appSecret, "AWSCURRENT")
	for _, user := range []string{"appuser_clone", "appuser"} {
		from.rotate(t, appSecret)
		outcome, err := s.Service.WaitRotation(deadline(t), appSecret)
		if err != nil || outcome.Err != nil {
			t.Fatal(err, outcome.Err)
		}
		value := from.value(t, appSecret, "AWSCURRENT")
		document, err := secret.Parse(redact.New(value))
		if err != nil {
			t.Fatal(err)
		}
		if document.Username() != user {
			t.Errorf("the current user is %s, want %s", document.Username(), user)
		}
		db, err := s.Login(t.Context(), document)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(useAll(t.Context(), db), db.Close()); err != nil {
			t.Error(err)
		}
		if from.value(t, appSecret, "AWSPREVIOUS") != previous {
			t.Error("AWSPREVIOUS is not what AWSCURRENT was")
		}
		previous = value
	}
	described, err := s.Secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(appSecret)})
	if err != nil {
		t.Fatal(err)
	}
	partial := (*described.ARN)[:len(*described.ARN)-len("-abcdef")]
	if diff := cmp.Diff(described.VersionIdsToStages, from.versions(t, partial)); diff != "" {
		t.Errorf("by the partial ARN (-by name +got):\n%s", diff)
	}
	const refusal = "An error occurred (ResourceNotFoundException) when calling the GetSecretValue operation: Secrets Manager can't find the specified secret."
	// Version 2 of the CLI has "aws: [ERROR]: " before it.
	if got := from.refusal(t, "nowhere"); !strings.HasSuffix(got, refusal) {
		t.Errorf("the refusal is\n%s\nwant\n%s", got, refusal)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	for _, text := range []string{
		" RotationStarted secret=" + appSecret + " version=",
		" RotationSucceeded secret=" + appSecret + " version=",
		" step done ",
		"IDENTIFIED VIA `mysql_native_password` USING " + redact.Mark,
	} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("the log has no %q:\n%s", text, log)
		}
	}
	if names := left(t); names != nil {
		t.Errorf("the sandbox has left behind %v", names)
	}
}

// TestServeRotatesTheAdmin rotates the admin secret by hand, between two rotations of the
// secret that it serves: the admin keeps its name, and what its secret said before logs in
// until the rotation after the next.
func TestServeRotatesTheAdmin(t *testing.T) {
	s, _ := tutorial(t, func(o *ServeOptions) { o.Env = []string{"PENDING_USER_SESSIONS=refuse"} })
	from := newCaller(t, s)
	first, err := s.Current(t.Context(), adminSecret)
	if err != nil {
		t.Fatal(err)
	}
	rotate := func(name string) {
		t.Helper()
		from.rotate(t, name)
		if outcome, err := s.Service.WaitRotation(deadline(t), name); err != nil || outcome.Err != nil {
			t.Fatal(err, outcome.Err)
		}
	}
	for turn, want := range []bool{true, false} { // whether the first password still logs in
		rotate(adminSecret)
		for _, stage := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
			document, err := s.staged(t.Context(), adminSecret, stage)
			if err != nil {
				t.Fatal(err)
			}
			if document.Username() != Admin {
				t.Errorf("turn %d: %s is %s", turn, stage, document.Username())
			}
			db, err := s.Login(t.Context(), document)
			if err != nil {
				t.Fatalf("turn %d, %s: %v", turn, stage, err)
			}
			_ = db.Close()
		}
		db, err := s.Login(t.Context(), first)
		if (err == nil) != want {
			t.Errorf("turn %d: the first password: %v", turn, err)
		}
		if err == nil {
			_ = db.Close()
		}
		rotate(appSecret)
	}
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// TestServeTurnsByItself has a secret rotated without anybody's doing.
func TestServeTurnsByItself(t *testing.T) {
	log := &lines{}
	tutorial(t, func(o *ServeOptions) { o.Out, o.Every = log, 10*time.Millisecond })
	log.await(t, deadline(t), " RotationSucceeded ")
}

// TestServeSchedule rotates when the rules of rotate-secret say so.
func TestServeSchedule(t *testing.T) {
	log, clock := &lines{}, emulator.NewManualClock(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
	s, _ := tutorial(t, func(o *ServeOptions) { o.Out, o.clock = log, clock })
	_, err := s.Secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String(appSecret), ClientRequestToken: aws.String(Token()), RotateImmediately: aws.Bool(false),
		RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String("cron(0 16 * * ? *)"), Duration: aws.String("1h")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if outcome, err := s.Service.WaitRotation(deadline(t), appSecret); err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
	if err := clock.AwaitAlarm(deadline(t), 4*time.Hour); err != nil {
		t.Fatal("nobody waits for four o'clock: ", err)
	}
	clock.Advance(4 * time.Hour)
	log.await(t, deadline(t), " RotationSucceeded ")
}

// TestServeJSON has every line of the log a record that a program reads.
func TestServeJSON(t *testing.T) {
	log := &lines{}
	s, end := tutorial(t, func(o *ServeOptions) { o.Out, o.JSON = log, true })
	if outcome, err := s.Rotate(t.Context(), appSecret); err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	kinds := map[string]bool{}
	for line := range strings.Lines(log.String()) {
		var record struct {
			Type       string `json:"type"`
			Message    string `json:"message"`
			DetailType string `json:"detail-type"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		kinds[record.Type+record.DetailType] = true
		kinds[record.Message] = true
	}
	for _, kind := range []string{"platform.start", "platform.report", "AWS Service Event via CloudTrail", "step done"} {
		if !kinds[kind] {
			t.Errorf("no record of %q in\n%s", kind, log)
		}
	}
}

// TestServeEnv gives the function a variable.
func TestServeEnv(t *testing.T) {
	s, _ := tutorial(t, func(o *ServeOptions) { o.Env = []string{"PASSWORD_LENGTH=41"} })
	if outcome, err := s.Rotate(t.Context(), appSecret); err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
	document, err := s.Current(t.Context(), appSecret)
	if err != nil {
		t.Fatal(err)
	}
	if length := len(document.Password().Reveal()); length != 41 {
		t.Errorf("the password has %d characters, want 41", length)
	}
}

// TestConformance holds the rules of Secrets Manager against the sandbox's door,
// with a function that the rules script.
func TestConformance(t *testing.T) {
	function := &conformance.Function{}
	s, err := Open(t.Context(), Options{
		Server: database(t), Binary: binary(t),
		SecretsManager: emulator.Options{Attempts: 2, Pause: -1},
		Intercept: func(ctx context.Context, payload []byte, _ func(context.Context, []byte) error) error {
			return function.Invoke(ctx, FunctionARN, payload)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	options := s.Secrets.Options()
	options.Retryer = aws.NopRetryer{}
	conformance.Run(t, conformance.Target{
		Client: secretsmanager.New(options), Function: function, FunctionARN: FunctionARN,
		WaitRotation: func(ctx context.Context, id string) error {
			_, err := s.Service.WaitRotation(ctx, id)
			return err
		},
	})
}

// TestServeSideBySide has two sandboxes at once, the second of which finds the
// usual port taken.
func TestServeSideBySide(t *testing.T) {
	if listener, err := net.Listen("tcp", DefaultListen); err == nil {
		defer func() { _ = listener.Close() }()
	} // else somebody else has it, which will do
	info := &lines{}
	s, _ := tutorial(t, func(o *ServeOptions) { o.Listen, o.Info = "", info })
	if s.URL == "http://"+DefaultListen {
		t.Errorf("the sandbox listens on %s, which is taken", s.URL)
	}
	if !strings.Contains(info.String(), DefaultListen+" is taken, perhaps by another sandbox: another port is used.") || !strings.Contains(info.String(), s.URL) {
		t.Errorf("nothing of that is said:\n%s", info)
	}
}

// TestServeRefuses has each thing that a sandbox cannot start with say what it is.
func TestServeRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	if err := os.WriteFile(text, []byte("not a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*ServeOptions)
		want   []string
	}{
		"a port that is taken": {
			func(o *ServeOptions) { o.Listen = taken.Addr().String() },
			[]string{"listening on " + taken.Addr().String() + ": the port is taken", "choose another one, or 0 for any"},
		},
		"an address beyond loopback": {
			func(o *ServeOptions) { o.Listen = "0.0.0.0:0" },
			[]string{`refusing to listen on "0.0.0.0:0"`, "use 127.0.0.1"},
		},
		"a name, which may lead anywhere": {
			func(o *ServeOptions) { o.Listen = "localhost:0" },
			[]string{`refusing to listen on "localhost:0"`, "use 127.0.0.1"},
		},
		"no binary": {
			func(o *ServeOptions) { o.Binary = filepath.Join(folder, "bootstrap") },
			[]string{"no such file or directory", "build it first (make build), or name it by --function"},
		},
		"a binary that is none": {
			func(o *ServeOptions) { o.Binary = text },
			[]string{"exec format error", "build it for this machine (make build)"},
		},
		"a binary that ends at once": {
			func(o *ServeOptions) { o.Binary = program(t, "true") },
			[]string{"it ended before it asked for an invocation (exit status 0): is it a Lambda function"},
		},
		"an address that leads nowhere": {
			func(o *ServeOptions) { o.Finder = unreachable(t) },
			[]string{"using SANDBOX_DSN: logging in as root at 127.0.0.1:", "connection refused"},
		},
		"a home that cannot be written": {
			func(o *ServeOptions) {
				t.Setenv("XDG_CACHE_HOME", text)
				t.Setenv("HOME", text)
				o.Finder = dbserver.Finder{Root: folder, Getenv: func(string) string { return "" }}
			},
			[]string{"making the cache directory: mkdir " + text, "set XDG_CACHE_HOME to a folder that can be written"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			options := ServeOptions{Binary: binary(t), Finder: address(t), Listen: "127.0.0.1:0", Out: &lines{}, Info: &lines{}}
			options.Ready = func(*Sandbox) { t.Error("the sandbox started") }
			test.change(&options)
			err := Serve(t.Context(), options)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error is\n%v\nwithout %q", err, want)
				}
			}
			if names := left(t); names != nil {
				t.Errorf("the sandbox has left behind %v", names)
			}
		})
	}
}

// program returns the path of a program that every Unix has.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// unreachable is a Finder with an address at which nobody listens any more.
func unreachable(t *testing.T) dbserver.Finder {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return dbserver.Finder{Getenv: func(name string) string {
		if name == dbserver.AddressVariable {
			return "root:example@tcp(" + address + ")/"
		}
		return os.Getenv(name)
	}}
}

// TestServerDies kills the server under a sandbox.
func TestServerDies(t *testing.T) {
	managed := database(t)
	s, err := Open(t.Context(), Options{Server: managed, Binary: binary(t), SingleUser: true, SecretsManager: emulator.Options{Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	served := make(chan error, 1)
	options := ServeOptions{Info: &lines{}, Ready: func(*Sandbox) { close(ready) }}
	go func() { served <- s.serve(t.Context(), options, &lineWriter{to: &lines{}}) }()
	select {
	case <-ready:
		err = managed.Kill()
	case err = <-served:
	}
	if err != nil {
		t.Fatal(err)
	}
	err = <-served
	if closeErr := s.Close(); closeErr != nil {
		t.Error(closeErr)
	}
	if restartErr := managed.Restart(t.Context()); restartErr != nil {
		t.Fatal(restartErr)
	}
	if !errors.Is(err, errServerDied) || !strings.Contains(err.Error(), "its log ends: ") || strings.Count(err.Error(), errServerDied.Error()) != 1 {
		t.Errorf("the error is %v", err)
	}
	again, err := Open(t.Context(), Options{Server: managed, Binary: binary(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if err := again.Execute(t.Context(), "DROP DATABASE myDB", "DROP USER admin, appuser"); err != nil {
		t.Error(err)
	}
}

// TestPaste has the lines to paste for a machine with everything, and for one
// with nothing but curl.
func TestPaste(t *testing.T) {
	s := &Sandbox{Server: &dbserver.Server{Flavor: dbserver.MariaDB, Version: "11.8.6-MariaDB", Origin: "installed", Host: "127.0.0.1", Port: 3307, CAFile: "/ca.pem"}, URL: "http://127.0.0.1:4600", SecretKey: "the-key"}
	for name, test := range map[string]struct {
		has            []string
		want, unwanted []string
	}{
		"everything": {
			[]string{"aws", "mysql", "mariadb"},
			[]string{"  aws --endpoint-url http://127.0.0.1:4600 secretsmanager rotate-secret --secret-id " + appSecret + "\n", "  mysql -h 127.0.0.1 -P 3307 --ssl-ca=/ca.pem -u appuser -p myDB\n"},
			[]string{"curl", "no aws", "no mysql"},
		},
		"MariaDB's client": {
			[]string{"aws", "mariadb"},
			[]string{"  mariadb -h 127.0.0.1 -P 3307"},
			[]string{"no mysql"},
		},
		"nothing": {
			nil,
			[]string{"no aws on this machine", "AWS_SECRET_ACCESS_KEY=the-key", `curl -s http://127.0.0.1:4600 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" --aws-sigv4`, "secretsmanager.RotateSecret", "no mysql or mariadb client on this machine"},
			[]string{"  aws "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := s.paste(func(program string) bool { return slices.Contains(test.has, program) })
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, unwanted := range test.unwanted {
				if strings.Contains(text, unwanted) {
					t.Errorf("%q in\n%s", unwanted, text)
				}
			}
		})
	}
}

// TestCurl pastes the lines for a machine without the AWS CLI.
func TestCurl(t *testing.T) {
	if !lookPath("curl") || !lookPath("sh") {
		t.Skip("SKIPPED: no curl on this machine")
	}
	info := &lines{}
	s, _ := tutorial(t, func(o *ServeOptions) { o.Info, o.has = info, func(string) bool { return false } })
	answers, exports := 0, ""
	for line := range strings.Lines(info.String()) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "export ") {
			exports = line + "\n"
		}
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		out, err := exec.Command("sh", "-c", exports+line).Output()
		if err != nil || !strings.Contains(string(out), `"Name":"`+appSecret+`"`) {
			t.Errorf("%s\nanswers %s %v", line, out, err)
		}
		answers++
	}
	if answers != 3 {
		t.Errorf("%d lines with curl in\n%s", answers, info)
	}
	if outcome, err := s.Service.WaitRotation(deadline(t), appSecret); err != nil || outcome.Status != emulator.Succeeded || outcome.Test {
		t.Errorf("the rotation: %+v, %v", outcome, err)
	}
}
