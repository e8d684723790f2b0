package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"
)

const strangersPassword = "A stranger's 1st"

// stranger makes a user who has nothing to do with the pair, and nothing to say.
func (w *deployment) stranger() string {
	w.t.Helper()
	name := unique("stranger")
	if err := w.CreateUser(w.t.Context(), name, "%", strangersPassword); err != nil {
		w.t.Fatal(err)
	}
	w.afterwards("DROP USER IF EXISTS '" + name + "'@'%'")
	return name
}

// as is a session of a user's.
func (w *deployment) as(user, password, program string) *sql.Conn {
	w.t.Helper()
	config := w.Server.Config()
	config.User, config.Passwd = user, password
	if program != "" {
		config.ConnectionAttributes = "program_name:" + program
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		w.t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	w.t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(context.WithoutCancel(w.t.Context()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// sends executes statements as a stranger.
func (w *deployment) sends(stranger string, statements ...string) {
	w.t.Helper()
	conn := w.as(stranger, strangersPassword, "")
	for _, statement := range statements {
		if _, err := conn.ExecContext(w.t.Context(), statement); err != nil {
			w.t.Fatalf("%s, as %s: %v", statement, stranger, err)
		}
	}
}

// warnings are the messages of a type that the function has written so far.
func (w *deployment) warnings(kind string) []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var found []string
	for _, line := range w.lines {
		var entry struct{ Message, Type string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Type == kind {
			found = append(found, entry.Message)
		}
	}
	return found
}

// nextTry rotates after a failure, as it comes: by the same token, as long as that is
// in the way of another.
func (w *deployment) nextTry() error {
	w.t.Helper()
	if _, err := w.Rotate(w.t.Context(), w.app); err != nil && !strings.Contains(err.Error(), "reattempted") {
		w.t.Fatal(err)
	}
	outcome, err := w.Service.WaitRotation(w.t.Context(), w.app)
	if err != nil {
		w.t.Fatal(err)
	}
	w.gather(w.t.Context())
	return outcome.Err
}

func (w *deployment) mustRotateAgain() {
	w.t.Helper()
	if err := w.nextTry(); err != nil {
		w.t.Fatal(err)
	}
}

// revokes are the REVOKE statements of texts, each once.
func revokes(texts ...string) []string {
	var found []string
	for _, text := range texts {
		for _, revoke := range regexp.MustCompile(`REVOKE [^:;]*? FROM '[^;,()]*'@'[^;,()' ]*'`).FindAllString(text, -1) {
			if !strings.Contains(strings.Join(found, "\n"), revoke) {
				found = append(found, revoke)
			}
		}
	}
	return found
}
