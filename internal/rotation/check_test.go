package rotation_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/rotation"
)

// Each check that is listed is made, and in the answer.
func TestEveryCheckIsMade(t *testing.T) {
	w := newMemory(t)
	answer, err := w.rotator().Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID})
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, c := range rotation.Checks() {
		want = append(want, c.Name)
	}
	for _, f := range answer.Checks {
		got = append(got, f.Name)
		if f.Result == rotation.ResultUnknown {
			t.Errorf("%s was not made: %s", f.Name, f.Detail)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-listed +answered):\n%s", diff)
	}
}

// handshakes notes which logins want to see the server's certificate.
type handshakes struct {
	fakeDatabase
	full, others int
}

func (h *handshakes) Connect(ctx context.Context, login rotation.Login) (rotation.Session, error) {
	if login.FullHandshake {
		h.full++
	} else {
		h.others++
	}
	return h.fakeDatabase.Connect(ctx, login)
}

// What a check says of the certificate goes for the moment of the check; a rotation may
// rely on what was shown a moment ago.
func TestCheckSeesTheCertificate(t *testing.T) {
	w := newMemory(t)
	database := &handshakes{fakeDatabase: fakeDatabase{w}}
	rotator := w.rotator()
	rotator.Database = database
	if _, err := rotator.Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID}); err != nil {
		t.Fatal(err)
	}
	if database.full != 2 || database.others > 0 {
		t.Errorf("the check: %d logins want to see it, %d do not", database.full, database.others)
	}
}
