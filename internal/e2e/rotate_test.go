package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
	"tandem/internal/repotest/document"
	"tandem/internal/warning"
)

// Promises 1 and 3: at every moment the current credentials work, and nobody else
// is touched. Three rotations see both users' turns.
func TestThreeRotations(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		if err := w.CreateUser(t.Context(), w.user+"_clone2", "%", "bystander"); err != nil {
			t.Fatal(err)
		}
		defer w.execute("DROP USER '" + w.user + "_clone2'@'%'")
		others := w.others()
		users := []string{w.clone(), w.user, w.clone()}
		for i, user := range users {
			w.mustRotate()
			w.mustBe(user)
			w.mustLogIn(w.Previous(t.Context(), w.app)) // until its next turn
			w.mustEqual()
			if i > 0 && user == users[i-1] {
				t.Errorf("rotation %d did not alternate", i+1)
			}
		}
		if diff := cmp.Diff(others, w.others()); diff != "" {
			t.Errorf("accounts of others have changed:\n%s", diff)
		}
	})
}

// At every step, before and after, the current credentials log in.
func TestCurrentWorksBetweenSteps(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		var w *deployment
		seen := 0
		w = newDeployment(t, on, withIntercept(func(ctx context.Context, _ string, invoke func() error) error {
			w.mustLogIn(w.Current(ctx, w.app))
			err := invoke()
			w.mustLogIn(w.Current(ctx, w.app))
			seen++
			return err
		}))
		w.mustRotate()
		w.mustRotate()
		if seen != 8 {
			t.Errorf("%d invocations, want 8", seen)
		}
	})
}

// grants are privileges at every level, with GRANT OPTION at each.
func (w *deployment) grants() []string {
	replace := strings.NewReplacer("DB", w.database, "USER", "'"+w.user+"'@'%'")
	var out []string
	for _, text := range []string{
		"CREATE PROCEDURE DB.p() SELECT 1",
		"CREATE FUNCTION DB.f() RETURNS INT DETERMINISTIC RETURN 1",
		"CREATE TABLE DB.`odd ``name` (`c 1` INT, `d,e` INT)",
		"REVOKE ALL PRIVILEGES ON DB.* FROM USER",
		"GRANT PROCESS, RELOAD ON *.* TO USER",
		"GRANT SELECT, INSERT, CREATE TEMPORARY TABLES ON DB.* TO USER WITH GRANT OPTION",
		"GRANT SELECT ON `DB\\_%`.* TO USER",
		"GRANT INSERT, UPDATE, DELETE ON DB.t TO USER WITH GRANT OPTION",
		"GRANT SELECT (a), UPDATE (b, a) ON DB.t TO USER",
		"GRANT REFERENCES (`c 1`, `d,e`), SELECT (`c 1`) ON DB.`odd ``name` TO USER",
		"GRANT EXECUTE ON PROCEDURE DB.p TO USER WITH GRANT OPTION",
		"GRANT EXECUTE, ALTER ROUTINE ON FUNCTION DB.f TO USER",
	} {
		out = append(out, replace.Replace(text))
	}
	return out
}

// Promise 2, for privileges: what the original gains and loses, the clone gains
// and loses at its next turn.
func TestPrivilegesAreCopied(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.execute(w.grants()...)
		w.mustRotate()
		w.mustEqual()
		w.mustRotate()
		w.execute(
			"REVOKE GRANT OPTION ON "+w.database+".* FROM '"+w.user+"'@'%', '"+w.clone()+"'@'%'",
			"REVOKE UPDATE (b) ON "+w.database+".t FROM '"+w.user+"'@'%'",
			"REVOKE RELOAD ON *.* FROM '"+w.user+"'@'%'",
			"REVOKE ALL PRIVILEGES ON FUNCTION "+w.database+".f FROM '"+w.user+"'@'%'",
			"GRANT CREATE VIEW ON "+w.database+".* TO '"+w.user+"'@'%'",
			"GRANT INSERT (b) ON "+w.database+".t TO '"+w.user+"'@'%'",
		)
		w.mustRotate()
		w.mustEqual()
		w.mustBe(w.clone())
	})
}

// A rotation in which nothing has changed sends the password and nothing else.
func TestSteadyStateSendsOneStatement(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.execute(w.grants()...)
		w.mustRotate()
		for turn := range 2 {
			before := len(w.statements())
			w.mustRotate()
			sent := w.statements()[before:]
			if len(sent) != 1 || !strings.HasPrefix(sent[0], "ALTER USER") || !strings.HasSuffix(sent[0], "ACCOUNT UNLOCK") {
				t.Errorf("turn %d sent %q, want one ALTER USER", turn, sent)
			}
		}
	})
}

// The calls of a rotation are counted: fifteen where nothing is in the way.
func TestCallsOfARotation(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		var w *deployment
		calls := map[string]map[string]int{}
		w = newDeployment(t, on, withIntercept(func(_ context.Context, step string, invoke func() error) error {
			before := len(w.Service.Calls())
			err := invoke()
			calls[step] = map[string]int{}
			for _, call := range w.Service.Calls()[before:] {
				calls[step][call.Operation]++
			}
			return err
		}))
		want, all := callsOfTheDocuments(t)
		for range 3 {
			w.mustRotate()
			if diff := cmp.Diff(want, calls); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
		if all != 15 {
			t.Errorf("the documents say that a rotation makes %d calls", all)
		}
	})
}

// callsOfTheDocuments reads the table of calls, in which the last column and the
// last row are sums.
func callsOfTheDocuments(t *testing.T) (calls map[string]map[string]int, all int) {
	t.Helper()
	table := document.MarkedTable(t, "table calls")
	calls = map[string]map[string]int{}
	sums := map[string]int{}
	last := len(table.Head) - 1
	for i, row := range table.Rows {
		of, sum := map[string]int{}, 0
		for column := 1; column < last; column++ {
			n, err := strconv.Atoi(row.Cells[column])
			if err != nil {
				t.Fatalf("%s: %v", row, err)
			}
			if i == len(table.Rows)-1 && n != sums[table.Head[column]] {
				t.Errorf("%s: %s in all are %d, and not %d", row, table.Head[column], sums[table.Head[column]], n)
			}
			sums[table.Head[column]] += n
			if sum += n; n > 0 {
				of[table.Head[column]] = n
			}
		}
		if row.Cells[last] != strconv.Itoa(sum) {
			t.Errorf("%s: in all %d, and not %s", row, sum, row.Cells[last])
		}
		if i < len(table.Rows)-1 {
			calls[row.Cells[0]] = of
		} else {
			all = sum
		}
	}
	return calls, all
}

// Promise 4: each step twice, and all four again after the end.
func TestEveryStepRepeated(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		var again []func() error
		w := newDeployment(t, on, withIntercept(func(_ context.Context, _ string, invoke func() error) error {
			again = append(again, invoke)
			for range 2 {
				if err := invoke(); err != nil {
					return err
				}
			}
			return nil
		}))
		for _, user := range []string{w.clone(), w.user} {
			again = nil
			w.mustRotate()
			w.mustBe(user)
			document := w.value("AWSCURRENT")
			sent := len(w.statements())
			for i, invoke := range again {
				if err := invoke(); err != nil {
					t.Errorf("step %d, after the end: %v", i+1, err)
				}
			}
			if w.value("AWSCURRENT") != document || len(w.statements()) != sent {
				t.Error("a step that came after the end changed something")
			}
		}
	})
}

// Eight of each step at once.
func TestStepsAtOnce(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withIntercept(func(_ context.Context, _ string, invoke func() error) error {
			const times = 8
			errs := make(chan error, times)
			for range times {
				go func() { errs <- invoke() }()
			}
			var first error
			for range times {
				if err := <-errs; err != nil {
					first = err
				}
			}
			return first
		}))
		for _, user := range []string{w.clone(), w.user, w.clone()} {
			w.mustRotate()
			w.mustBe(user)
			w.mustEqual()
		}
	})
}

// RotateImmediately=false runs testSecret alone on a copy of the current value.
func TestRotateImmediatelyFalse(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		before := w.value("AWSCURRENT")
		_, err := w.Secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
			SecretId: aws.String(w.app), RotationLambdaARN: aws.String(sandbox.FunctionARN), RotateImmediately: aws.Bool(false),
		})
		if err != nil {
			t.Fatal(err)
		}
		outcome, err := w.Service.WaitRotation(t.Context(), w.app)
		if err != nil || outcome.Err != nil || !slices.Equal(outcome.Steps, []string{"testSecret"}) {
			t.Errorf("outcome %+v, error %v", outcome, err)
		}
		if w.value("AWSCURRENT") != before || len(w.statements()) > 0 {
			t.Error("a test changed something")
		}
		w.mustBe(w.user)
	})
}

// AWSPENDING may not be visible for a moment after it was stored.
func TestPendingLags(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withSecretsManager(func(o *emulator.Options) { o.PendingLag = 3 }))
		w.mustRotate()
		w.mustBe(w.clone())
	})
}

// Promises 1, 2 and 4: a setSecret that dies among its statements, and the next
// try, by the same token and by another. The server plays the death: it refuses a
// statement in the middle, and what was executed until then stays.
func TestDiesAmongTheStatements(t *testing.T) {
	for _, sameToken := range []bool{true, false} {
		t.Run(fmt.Sprintf("same token %v", sameToken), func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				const tables = 40
				var w *deployment
				failures := 0
				mend := func() { w.execute("GRANT DROP ON *.* TO 'admin'@'%' WITH GRANT OPTION") }
				w = newDeployment(t, on,
					withSecretsManager(func(o *emulator.Options) {
						if sameToken {
							o.Attempts = 2
						}
					}),
					withIntercept(func(ctx context.Context, step string, invoke func() error) error {
						err := invoke()
						if err != nil {
							failures++
							w.mustLogIn(w.Current(ctx, w.app))
							if sameToken {
								mend()
							}
						}
						return err
					}))
				w.execute("REVOKE ALL PRIVILEGES ON " + w.database + ".* FROM '" + w.user + "'@'%'")
				for i := range tables {
					w.execute(fmt.Sprintf("CREATE TABLE %s.t%d (a INT)", w.database, i), fmt.Sprintf("GRANT SELECT ON %s.t%d TO '%s'@'%%'", w.database, i, w.user))
				}
				w.execute("GRANT INSERT ON " + w.database + ".t TO '" + w.user + "'@'%'")
				w.execute(fmt.Sprintf("GRANT DROP ON %s.t%d TO '%s'@'%%'", w.database, tables/2, w.user), "REVOKE DROP ON *.* FROM 'admin'@'%'")
				if !sameToken {
					err := w.rotate()
					if err == nil {
						t.Fatal("the rotation succeeded although the admin may not grant a privilege on one of the tables")
					}
					// The statements were sent at once, and which one it was that the server
					// refused is told all the same, and how many it had executed.
					var done, all int
					_, after, _ := strings.Cut(err.Error(), ": after ")
					_, scanErr := fmt.Sscanf(after, "%d of %d statements", &done, &all)
					if scanErr != nil || done < 1 || all < tables || done >= all || !strings.Contains(after, fmt.Sprintf("`t%d`", tables/2)) {
						t.Errorf("the error says %d of %d statements, and of which: %v", done, all, err)
					}
					if w.value("AWSCURRENT") == w.value("AWSPENDING") {
						t.Error("AWSCURRENT has moved")
					}
					mend()
					w.abandon()
				}
				w.mustRotate()
				w.mustBe(w.clone())
				w.mustEqual()
				if sameToken && strings.Contains(w.log(), `"type":"`+warning.Adopted) {
					t.Error("the clone that the first try made is called adopted")
				}
				if failures != 1 {
					t.Errorf("%d invocations failed, want 1", failures)
				}
			})
		})
	}
}

// A RotationToken goes to PutSecretValue as it came, and is left out where there
// was none.
func TestRotationToken(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for want, change := range map[emulator.TokenState]func(*emulator.Options){
			emulator.TokenAsGiven: func(o *emulator.Options) { o.RequireRotationToken = true },
			emulator.TokenAbsent:  func(o *emulator.Options) { o.OmitRotationToken = true },
		} {
			w := newDeployment(t, on, withSecretsManager(change))
			w.mustRotate()
			puts := 0
			for _, call := range w.Service.Calls() {
				if call.Operation != "PutSecretValue" {
					continue
				}
				puts++
				if call.RotationToken != want {
					t.Errorf("the token was %q, want %q", call.RotationToken, want)
				}
			}
			if puts != 1 {
				t.Errorf("%d puts", puts)
			}
		}
	})
}
