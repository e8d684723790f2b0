package e2e

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/leakscan"
)

// Promise 5, of every test: a server writes what it is sent into its general log and
// its binary log, and no password that the function made is in them. (MySQL masks
// passwords in statements whose syntax it knows to hold one.)

const (
	generalLog = "general.log"
	binaryLog  = "binlog"
)

// logFiles are the server's logs; none where they cannot be read from here.
func (w *deployment) logFiles() []string {
	var directory string
	if err := w.Root.QueryRowContext(context.WithoutCancel(w.t.Context()), "SELECT @@datadir").Scan(&directory); err != nil {
		w.t.Fatal(err)
	}
	var files []string
	for _, pattern := range []string{generalLog, binaryLog + ".0*"} {
		found, err := filepath.Glob(filepath.Join(directory, pattern))
		if err != nil {
			w.t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

// logSizes tells where the logs end now.
func (w *deployment) logSizes() map[string]int64 {
	sizes := map[string]int64{}
	for _, file := range w.logFiles() {
		info, err := os.Stat(file)
		if err != nil {
			w.t.Fatal(err)
		}
		sizes[file] = info.Size()
	}
	return sizes
}

// gather adds to the passwords those that the function has made for this deployment's secrets.
func (w *deployment) gather(ctx context.Context) {
	if w.passwords == nil {
		w.passwords = leakscan.Secrets{}
	}
	for app, stored := range w.stored {
		listed, err := w.Secrets.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: aws.String(app), IncludeDeprecated: aws.Bool(true)})
		if err != nil {
			w.t.Error(err)
			continue
		}
		for _, version := range listed.Versions {
			out, err := w.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(app), VersionId: version.VersionId})
			if err != nil {
				continue // a version without a value
			}
			var document struct{ Password string }
			if json.Unmarshal([]byte(aws.ToString(out.SecretString)), &document) == nil && document.Password != stored {
				w.passwords.Add("password", document.Password)
			}
		}
	}
}

// noneInLogs searches what the server has logged since the deployment began.
func (w *deployment) noneInLogs() {
	if w.mayBeSeen {
		return
	}
	if found := w.inLogs(w.passwords); len(found) > 0 {
		w.t.Errorf("the server's logs have %v", found)
	}
}

// inLogs lists which passwords stand in which logs.
func (w *deployment) inLogs(passwords leakscan.Secrets) []string {
	if len(passwords) == 0 {
		return nil
	}
	var found []string
	for _, file := range w.logFiles() {
		content, err := readFrom(file, w.logs[file])
		if err != nil {
			w.t.Error(err)
			continue
		}
		for _, what := range passwords.Found(content) {
			found = append(found, filepath.Base(file)+": "+what)
		}
	}
	return found
}

func readFrom(name string, offset int64) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return "", err
	}
	content, err := io.ReadAll(file)
	return string(content), err
}

// The search must find what it is there for, in both logs.
func TestSearchFindsPasswordsInLogs(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		if len(w.logFiles()) < 2 {
			if on.Managed() {
				t.Fatal("this server was started with both logs on, and they are not found")
			}
			t.Skip("this server's logs cannot be read from here")
		}
		w.mustRotate()
		document, err := w.Current(t.Context(), w.app)
		if err != nil {
			t.Fatal(err)
		}
		made := w.passwords
		if len(made) != 1 || made[document.Password().Reveal()] == "" {
			t.Fatalf("%d passwords were gathered, and not the one under AWSCURRENT", len(made))
		}
		w.execute("CREATE TABLE " + w.database + ".leak SELECT '" + document.Password().Reveal() + "' AS a")
		if found := strings.Join(w.inLogs(made), " "); !strings.Contains(found, generalLog) || !strings.Contains(found, binaryLog) {
			t.Errorf("found in %q alone", found)
		}
		w.mayBeSeen = true
	})
}

// What README says of the servers' own logs: a password is in none of them (promise
// 5), and a verifier is in both of MariaDB's and in MySQL's binary log.
func TestVerifiersInServerLogs(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		on := servers.MustStart(t, release, "--general-log=ON", "--general-log-file="+generalLog, "--log-bin="+binaryLog, "--server-id=1")
		w := newDeployment(t, on)
		w.mustRotate()
		current, err := w.Current(t.Context(), w.app)
		if err != nil {
			t.Fatal(err)
		}
		var directory string
		if err := w.Root.QueryRow("SELECT @@datadir").Scan(&directory); err != nil {
			t.Fatal(err)
		}
		var verifier string
		if err := w.Root.QueryRow("SELECT authentication_string FROM mysql.user WHERE User = ?", w.clone()).Scan(&verifier); err != nil {
			t.Fatal(err)
		}
		// The end of it is the digest, in characters that no log writes in another way.
		verifier = verifier[len(verifier)-40:]
		want := map[string]bool{generalLog: on.Flavor == dbserver.MariaDB, binaryLog + ".000001": true}
		for file, logged := range want {
			content, err := os.ReadFile(filepath.Join(directory, file))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(content), w.clone()) {
				t.Errorf("%s knows nothing of the clone", file)
			}
			if strings.Contains(string(content), current.Password().Reveal()) {
				t.Errorf("%s has the password", file)
			}
			if got := strings.Contains(string(content), verifier); got != logged {
				t.Errorf("%s has the verifier: %v, want %v", file, got, logged)
			}
		}
	})
}
