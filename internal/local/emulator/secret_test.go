package emulator_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/emulator"
)

// Of more than a hundred versions the service clears away the oldest without a
// label, and none in its first day.
func TestOldVersionsAreClearedAway(t *testing.T) {
	clock := emulator.NewManualClock(at("2024-01-31 10:30"))
	w := newServiceWithSecret(t, emulator.Options{Clock: clock})
	versions := func() int {
		n := 0
		in := &secretsmanager.ListSecretVersionIdsInput{SecretId: &w.arn, IncludeDeprecated: aws.Bool(true)}
		for {
			out, err := w.client.ListSecretVersionIds(t.Context(), in)
			w.must(err)
			n += len(out.Versions)
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return n
			}
		}
	}
	for i := range 109 {
		w.must(w.put("value " + strconv.Itoa(i)))
	}
	if n := versions(); n != 110 {
		t.Errorf("%d versions in the first day, want all 110", n)
	}
	clock.Advance(24 * time.Hour)
	w.must(w.put("the last"))
	if n := versions(); n != 100 {
		t.Errorf("%d versions after a day, want 100", n)
	}
	_, err := w.client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &w.arn, VersionId: &w.first})
	wantError(t, err, "ResourceNotFoundException")
}

func TestDeletionHappensWhenTheWindowEnds(t *testing.T) {
	clock := emulator.NewManualClock(at("2024-01-31 10:30"))
	w := newServiceWithSecret(t, emulator.Options{Clock: clock})
	out, err := w.client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &w.arn})
	w.must(err)
	if want := at("2024-01-31 10:30").AddDate(0, 0, 30); !out.DeletionDate.Equal(want) {
		t.Errorf("DeletionDate = %v, want %v", out.DeletionDate, want)
	}
	_, err = w.client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &w.arn})
	wantError(t, err, "InvalidRequestException")
	clock.Advance(30*24*time.Hour - time.Second)
	w.describe()
	clock.Advance(time.Second)
	_, err = w.client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &w.arn})
	wantError(t, err, "ResourceNotFoundException")
}

func TestListSecretsFilters(t *testing.T) {
	clock := emulator.NewManualClock(at("2024-01-31 10:30"))
	_, url := serve(t, emulator.Options{Clock: clock})
	client := newClient(t, url, "AKID")
	for _, s := range []struct{ name, description, key, value string }{
		{"prod/db", "The Main database", "env", "production"},
		{"prod/cache", "a cache", "env", "staging"},
		{"test/db", "", "Team", "data"},
		{"gone", "deleted", "", ""},
	} {
		clock.Advance(time.Minute)
		in := &secretsmanager.CreateSecretInput{Name: &s.name, Description: &s.description, SecretString: aws.String("x")}
		if s.key != "" {
			in.Tags = []types.Tag{{Key: &s.key, Value: &s.value}}
		}
		if _, err := client.CreateSecret(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("gone")}); err != nil {
		t.Fatal(err)
	}
	where := func(key types.FilterNameStringType, values ...string) []types.Filter {
		return []types.Filter{{Key: key, Values: values}}
	}
	for _, test := range []struct {
		what string
		in   secretsmanager.ListSecretsInput
		want string
	}{
		{"all", secretsmanager.ListSecretsInput{}, "prod/db prod/cache test/db"},
		{"deleted too", secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)}, "prod/db prod/cache test/db gone"},
		{"newest first", secretsmanager.ListSecretsInput{SortOrder: types.SortOrderTypeDesc}, "test/db prod/cache prod/db"},
		{"by name", secretsmanager.ListSecretsInput{SortBy: types.SortByTypeName}, "prod/cache prod/db test/db"},
		{"name", secretsmanager.ListSecretsInput{Filters: where("name", "prod/")}, "prod/db prod/cache"},
		{"name, letter case", secretsmanager.ListSecretsInput{Filters: where("name", "Prod/")}, ""},
		{"one of two names", secretsmanager.ListSecretsInput{Filters: where("name", "prod/d", "test")}, "prod/db test/db"},
		{"not a name", secretsmanager.ListSecretsInput{Filters: where("name", "!prod/d")}, "prod/cache test/db"},
		{"a name and not a name", secretsmanager.ListSecretsInput{Filters: where("name", "prod", "!prod/d")}, "prod/cache"},
		{"description, any letter case", secretsmanager.ListSecretsInput{Filters: where("description", "the main")}, "prod/db"},
		{"description, not its middle", secretsmanager.ListSecretsInput{Filters: where("description", "main")}, ""},
		{"tag key", secretsmanager.ListSecretsInput{Filters: where("tag-key", "Te")}, "test/db"},
		{"tag value", secretsmanager.ListSecretsInput{Filters: where("tag-value", "stag")}, "prod/cache"},
		{"two filters", secretsmanager.ListSecretsInput{Filters: slices.Concat(where("name", "prod"), where("tag-value", "production"))}, "prod/db"},
		{"all words anywhere", secretsmanager.ListSecretsInput{Filters: where("all", "DATABASE Env")}, "prod/db"},
		{"a service that owns nothing", secretsmanager.ListSecretsInput{Filters: where("owning-service", "rds")}, ""},
	} {
		out, err := client.ListSecrets(t.Context(), &test.in)
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		var names []string
		for _, s := range out.SecretList {
			names = append(names, *s.Name)
		}
		if diff := cmp.Diff(test.want, strings.Join(names, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.what, diff)
		}
	}
	_, err := client.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{Filters: where("colour", "red")})
	wantError(t, err, "ValidationException")
}

// What is created or deleted between two pages moves nothing from one to the
// other, and a token of one list is none of another.
func TestPagesWhileTheListChanges(t *testing.T) {
	_, url := serve(t, emulator.Options{})
	client := newClient(t, url, "AKID")
	create := func(name string) {
		t.Helper()
		if _, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"b", "c", "d", "e"} {
		create(name)
	}
	in := &secretsmanager.ListSecretsInput{SortBy: types.SortByTypeName, MaxResults: aws.Int32(2)}
	page, err := client.ListSecrets(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	create("a")
	if _, err := client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("c"), ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	in.NextToken = page.NextToken
	page, err = client.ListSecrets(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.SecretList) != 2 || *page.SecretList[0].Name != "d" || page.NextToken != nil {
		t.Errorf("the second page is %v", page.SecretList)
	}
	_, err = client.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{NextToken: in.NextToken})
	wantError(t, err, "InvalidNextTokenException")
}

// BatchGetSecretValue by filters reads what it may and says what it may not.
func TestBatchGetSecretValueByFilter(t *testing.T) {
	_, url := serve(t, emulator.Options{Authorize: func(_, operation, secret string) error {
		if operation == "GetSecretValue" && strings.Contains(secret, "hidden") {
			return errOnPurpose
		}
		return nil
	}})
	client := newClient(t, url, "AKID")
	for _, name := range []string{"my/a", "my/hidden", "other"} {
		if _, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &name}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{
		Filters: []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{"my/"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != "my/a" {
		t.Errorf("values %v", out.SecretValues)
	}
	if len(out.Errors) != 1 || *out.Errors[0].ErrorCode != "AccessDeniedException" {
		t.Errorf("errors %v", out.Errors)
	}
	_, err = client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{})
	wantError(t, err, "InvalidParameterException")
}

// Of many who write one version, or move one label, at the same time, one wins
// and the others learn of it.
func TestConcurrentWriters(t *testing.T) {
	w := newServiceWithSecret(t, emulator.Options{})
	const writers = 8
	contend := func(act func(i int) error) (won int) {
		results := make(chan error)
		for i := range writers {
			go func() { results <- act(i) }()
		}
		for range writers {
			if <-results == nil {
				won++
			}
		}
		return won
	}
	token := strings.Repeat("t", 32)
	if won := contend(func(i int) error {
		_, err := w.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: &w.arn, ClientRequestToken: &token, SecretString: aws.String(strconv.Itoa(i)), VersionStages: []string{"AWSPENDING"},
		})
		return err
	}); won != 1 {
		t.Errorf("%d writers stored another value in the same version, want 1", won)
	}
	targets := []string{token}
	for i := range writers - 1 {
		target := strings.Repeat(strconv.Itoa(i), 32)
		targets = append(targets, target)
		_, err := w.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: &w.arn, ClientRequestToken: &target, SecretString: aws.String("x"), VersionStages: []string{"label" + target[:1]},
		})
		w.must(err)
	}
	if won := contend(func(i int) error {
		_, err := w.client.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: &w.arn, VersionStage: aws.String("AWSCURRENT"), RemoveFromVersionId: &w.first, MoveToVersionId: &targets[i],
		})
		return err
	}); won != 1 {
		t.Errorf("%d moved AWSCURRENT from the same version, want 1", won)
	}
}
