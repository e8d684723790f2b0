package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
	"tandem/internal/rotation"
)

// furtherTries is how many tries of a rotation it may take after the remedy of an
// error was followed: one that gives the failed rotation up where it cannot be
// finished, and one that begins anew.
const furtherTries = 2

// tryAgain calls RotateSecret as an operator does: with a token of its own, for
// which Secrets Manager takes up a rotation that has not ended; or with the failed
// rotation's, as Secrets Manager does within a rotation's window.
func (w *deployment) tryAgain(sameToken bool) error {
	w.t.Helper()
	token := sandbox.Token()
	if id := w.versionWith(rotation.Pending); sameToken && id != "" {
		token = id
	}
	_, err := w.Secrets.RotateSecret(w.t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String(w.app), RotationLambdaARN: aws.String(sandbox.FunctionARN), ClientRequestToken: aws.String(token),
	})
	if err != nil && !strings.Contains(err.Error(), "reattempted") {
		w.t.Fatal(err)
	}
	outcome, err := w.Service.WaitRotation(w.t.Context(), w.app)
	if err != nil {
		w.t.Fatal(err)
	}
	w.gather(w.t.Context())
	if outcome.Err != nil {
		w.said = append(w.said, outcome.Err.Error())
	}
	return outcome.Err
}

// versionWith is the application's version that carries a label and not AWSCURRENT too.
func (w *deployment) versionWith(label string) string {
	w.t.Helper()
	return w.versionOf(w.app, label)
}

func (w *deployment) versionOf(id, label string) string {
	w.t.Helper()
	out, err := w.Secrets.DescribeSecret(w.t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(id)})
	if err != nil {
		w.t.Fatal(err)
	}
	for id, stages := range out.VersionIdsToStages {
		if slices.Contains(stages, label) && (label == rotation.Current || !slices.Contains(stages, rotation.Current)) {
			return id
		}
	}
	return ""
}

// mustGetThrough tries again until the rotation is through, with nobody touching a
// label, and wants that the document is what it was but for the two values.
func (w *deployment) mustGetThrough(sameToken bool) {
	w.t.Helper()
	w.mustBeThrough(sameToken)
	w.mustLogIn(w.Current(w.t.Context(), w.app))
}

// mustBeThrough is mustGetThrough for a host that a test cannot log in at by its name.
func (w *deployment) mustBeThrough(sameToken bool) {
	w.t.Helper()
	written := w.besideCredentials()
	before := w.versionWith(rotation.Current)
	var said []string
	for range furtherTries {
		err := w.tryAgain(sameToken)
		if err == nil {
			break
		}
		said = append(said, err.Error())
	}
	if len(said) == furtherTries {
		w.t.Fatalf("after %d further tries the rotation is not through:\n%s", furtherTries, strings.Join(said, "\n"))
	}
	if w.versionWith(rotation.Current) == before {
		w.t.Error("the rotation succeeded, and AWSCURRENT is where it was")
	}
	if now := w.besideCredentials(); now != written {
		w.t.Errorf("the rotation has changed the document from\n%s\nto\n%s", written, now)
	}
}

// besideCredentials is the document under AWSCURRENT with its two values masked.
func (w *deployment) besideCredentials() string {
	w.t.Helper()
	text := w.value(rotation.Current)
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		w.t.Fatal(err)
	}
	for _, key := range []string{"username", "password"} {
		text = strings.Replace(text, string(members[key]), `"`+key+`"`, 1)
	}
	return text
}

// correct changes keys of a secret's document, as its owner does: nil removes one.
func (w *deployment) correct(id string, keys map[string]any) {
	w.t.Helper()
	w.replace(id, w.edited(id, keys))
}

// replace stores a document with a label of its owner's, and moves AWSCURRENT to it:
// of that Secrets Manager takes no notice, where it abandons a rotation when somebody
// stores a version under AWSCURRENT.
func (w *deployment) replace(id, text string) {
	w.t.Helper()
	version := sandbox.Token()
	if _, err := w.Secrets.PutSecretValue(w.t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(id), SecretString: aws.String(text), ClientRequestToken: aws.String(version), VersionStages: []string{"CORRECTED"},
	}); err != nil {
		w.t.Fatal(err)
	}
	w.moveCurrent(id, version)
}

// edited is a secret's document with other values of these keys.
func (w *deployment) edited(id string, keys map[string]any) string {
	w.t.Helper()
	out, err := w.Secrets.GetSecretValue(w.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(id)})
	if err != nil {
		w.t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(aws.ToString(out.SecretString)), &members); err != nil {
		w.t.Fatal(err)
	}
	for key, value := range keys {
		members[key] = value
		if value == nil {
			delete(members, key)
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *deployment) reconfigure(env ...string) {
	w.t.Helper()
	if err := w.Reconfigure(w.t.Context(), env...); err != nil {
		w.t.Fatal(err)
	}
}

// grantPattern finds the statement that an error tells an operator to send.
var grantPattern = regexp.MustCompile(`to fix it, run: (GRANT [^;]+)`)

// grantAsSaid sends the GRANT that an error has named last.
func (w *deployment) grantAsSaid() {
	w.t.Helper()
	for _, said := range slices.Backward(w.said) {
		if named := grantPattern.FindStringSubmatch(said); named != nil {
			w.execute(named[1])
			return
		}
	}
	w.t.Fatalf("no GRANT is named: %s", w.said)
}

// Promise 7: what the owner wrote survives. A secret that is corrected after a
// failure, as the error asks, is rotated by at most two further tries, and stays
// corrected.
func TestCorrectedSecretIsRotated(t *testing.T) {
	for _, test := range []struct {
		name    string
		wrong   map[string]any
		options func(t *testing.T) []option
		arrange func(w *deployment)
		step    string
		correct func(w *deployment) map[string]any
	}{
		{name: "masterarn", wrong: map[string]any{"masterarn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone-abcdef"}, step: "setSecret",
			correct: func(w *deployment) map[string]any { return map[string]any{"masterarn": w.admin} }},
		{name: "dbname", wrong: map[string]any{"dbname": "typo"}, step: "testSecret",
			arrange: func(w *deployment) { w.execute("GRANT SELECT ON *.* TO '" + w.user + "'@'%'") },
			correct: func(w *deployment) map[string]any { return map[string]any{"dbname": w.database} }},
		{name: "ssl", wrong: map[string]any{"ssl": false}, step: "testSecret",
			options: meanwhile("testSecret", func(w *deployment) { w.execute("SET GLOBAL require_secure_transport = ON") }),
			arrange: func(w *deployment) { w.afterwards("SET GLOBAL require_secure_transport = OFF") },
			correct: func(w *deployment) map[string]any { return map[string]any{"ssl": nil} }},
		{name: "the owner's own keys, though nothing was wrong with them", wrong: map[string]any{"dbname": "typo", "note": "old"}, step: "testSecret",
			arrange: func(w *deployment) { w.execute("GRANT SELECT ON *.* TO '" + w.user + "'@'%'") },
			correct: func(w *deployment) map[string]any { return map[string]any{"note": []any{"new", nil}, "dbname": nil} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i := range 4 {
				sameToken, stores := i%2 == 0, i/2 == 0
				t.Run(fmt.Sprintf("same token %v, stores under AWSCURRENT %v", sameToken, stores), func(t *testing.T) {
					servers.Each(t, func(t *testing.T, on *dbserver.Server) {
						var options []option
						if test.options != nil {
							options = test.options(t)
						}
						w := newDeployment(t, on, options...)
						w.store(w.user, firstPassword, test.wrong)
						if test.arrange != nil {
							test.arrange(w)
						}
						w.mustFail(test.step)
						if stores {
							w.put(w.app, w.edited(w.app, test.correct(w))) // which abandons the rotation
						} else {
							w.correct(w.app, test.correct(w))
						}
						if f := finding(t, w.check(), "rotation"); !stores && (f.Result != rotation.ResultFailed || f.Type != string(failure.PendingSecretMismatch) || !strings.Contains(f.Remedy, "begins with the secret as it is")) {
							t.Errorf("the check says %+v", f)
						}
						w.mustGetThrough(sameToken)
						for key, want := range test.correct(w) {
							var now map[string]any
							if err := json.Unmarshal([]byte(w.value(rotation.Current)), &now); err != nil {
								t.Fatal(err)
							}
							if fmt.Sprint(now[key]) != fmt.Sprint(want) {
								t.Errorf("%s is %v again, want %v", key, now[key], want)
							}
						}
						w.mustRotate() // and goes on
					})
				})
			}
		})
	}
}

// Promise 7: an edit before any step, or right before the label is moved, survives.
// Secrets Manager abandons a rotation when somebody stores another version, and
// notices nothing when somebody moves AWSCURRENT to one that is there.
func TestEditBetweenSteps(t *testing.T) {
	for _, stores := range []bool{true, false} {
		for _, before := range []string{"createSecret", "setSecret", "testSecret", "finishSecret", "UpdateSecretVersionStage"} {
			t.Run(fmt.Sprintf("stores a version %v, before %s", stores, before), func(t *testing.T) {
				servers.Each(t, func(t *testing.T, on *dbserver.Server) {
					var w *deployment
					var owners string // the version with the edit
					edit := func(w *deployment) {
						id := owners
						owners = "" // the edit makes calls of its own
						switch {
						case id == "":
						case stores:
							w.put(w.app, w.edited(w.app, map[string]any{"note": "the owner's last word"}))
						default:
							w.moveCurrent(w.app, id)
						}
					}
					w = newDeployment(t, on, append(meanwhile(before, edit)(t), withSecretsManager(func(o *emulator.Options) {
						o.Fault = func(call emulator.Call) emulator.Fault {
							if call.Operation == before {
								edit(w)
							}
							return emulator.Fault{}
						}
					}))...)
					id := sandbox.Token()
					if _, err := w.Secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
						SecretId: aws.String(w.app), ClientRequestToken: aws.String(id), VersionStages: []string{"NEXT"},
						SecretString: aws.String(strings.Replace(w.value(rotation.Current), "{", `{"note": "the owner's last word", `, 1)),
					}); err != nil {
						t.Fatal(err)
					}
					owners = id
					err := w.rotate()
					if owners != "" {
						t.Fatal("nothing was edited")
					}
					switch kind := errorType(err); {
					case before == "createSecret" && !stores:
						if err != nil {
							t.Error(err)
						}
					case kind == failure.PendingSecretMismatch, kind == failure.RotationSuperseded && before == "UpdateSecretVersionStage",
						kind == failure.RotationNotInProgress && stores:
					default:
						t.Errorf("the rotation ended with %v", err)
					}
					if err != nil {
						w.mustGetThrough(false)
					}
					if !strings.Contains(w.value(rotation.Current), "the owner's last word") {
						t.Errorf("the edit is gone")
					}
					w.mustLogIn(w.Current(t.Context(), w.app))
				})
			})
		}
	}
}

// moveCurrent gives AWSCURRENT to a version that is there.
func (w *deployment) moveCurrent(id, version string) {
	w.t.Helper()
	if _, err := w.Secrets.UpdateSecretVersionStage(w.t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String(id), VersionStage: aws.String(rotation.Current), MoveToVersionId: aws.String(version), RemoveFromVersionId: aws.String(w.versionOf(id, rotation.Current)),
	}); err != nil {
		w.t.Fatal(err)
	}
}
