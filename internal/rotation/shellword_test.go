package rotation_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"tandem/internal/failure"
	"tandem/internal/rotation"
)

// The commands of a check's remedies are about this secret and this function, and a shell
// takes each of their words for one, whatever the secret's name has in it.
func TestCommandsOfRemedies(t *testing.T) {
	const function = "arn:aws:lambda:eu-west-1:123456789012:function:tandem"
	for _, id := range []string{secretID, "shop/app_1+a=b.c@d-e", "my secret", "a'b; echo $(id) `id` \"x\" \\ *"} {
		w := newMemory(t)
		inspect := func(name string) rotation.Finding {
			t.Helper()
			answer, err := w.rotator().Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: id})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range answer.Checks {
				if f.Name == name {
					return f
				}
			}
			t.Fatalf("no check %q", name)
			return rotation.Finding{}
		}
		mustBe := func(remedy string, want ...string) {
			t.Helper()
			command := regexp.MustCompile(`aws secretsmanager .*`).FindString(strings.TrimSuffix(remedy, ", and check again"))
			out, err := exec.CommandContext(t.Context(), "sh", "-c", `aws() { for word; do printf '%s\n' "$word"; done; }; `+command).CombinedOutput()
			if got := strings.TrimSuffix(string(out), "\n"); err != nil || got != strings.Join(append([]string{"secretsmanager"}, want...), "\n") {
				t.Errorf("%s\nis to the shell %q, %v", command, got, err)
			}
		}
		w.values[token] = document("app_clone", "pending", nil)
		mustBe(inspect("rotation").Remedy, "update-secret-version-stage", "--secret-id", id, "--version-stage", "AWSPENDING", "--remove-from-version-id", token)
		for call, check := range map[string]string{"describe": "permission: DescribeSecret", "read current": "permission: GetSecretValue"} {
			w.before = func(what string) error {
				if what == call {
					return failure.New(failure.SecretsManagerAccessDenied, "no")
				}
				return nil
			}
			mustBe(inspect(check).Remedy, "rotate-secret", "--secret-id", id, "--rotation-lambda-arn", function, "--no-rotate-immediately")
		}
	}
}
