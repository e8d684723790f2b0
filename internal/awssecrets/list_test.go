package awssecrets

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/rotation"
)

// pages answers ListSecrets with a page for each token, and fails where there is none.
type pages struct {
	operations
	byToken map[string]*secretsmanager.ListSecretsOutput
	asked   []*secretsmanager.ListSecretsInput
}

func (p *pages) ListSecrets(_ context.Context, in *secretsmanager.ListSecretsInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error) {
	asked := *in
	p.asked = append(p.asked, &asked)
	if out, ok := p.byToken[aws.ToString(in.NextToken)]; ok {
		return out, nil
	}
	return nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: secretsmanager:ListSecrets"}
}

// Every page is read, and what was read before one that is refused is told.
func TestListReadsEveryPage(t *testing.T) {
	next := time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)
	page := func(token string, names ...string) *secretsmanager.ListSecretsOutput {
		out := &secretsmanager.ListSecretsOutput{}
		if token != "" {
			out.NextToken = &token
		}
		for _, name := range names {
			out.SecretList = append(out.SecretList, types.SecretListEntry{ARN: &name, RotationLambdaARN: aws.String("function"), RotationEnabled: aws.Bool(name != "c"), NextRotationDate: &next})
		}
		return out
	}
	for _, test := range []struct {
		name    string
		last    string
		want    []string
		failure failure.Type
	}{
		{"to the end", "", []string{"a true", "b true", "c false"}, ""},
		{"refused in the end", "refused", []string{"a true", "b true", "c false"}, failure.SecretsManagerAccessDenied},
	} {
		service := &pages{byToken: map[string]*secretsmanager.ListSecretsOutput{"": page("2", "a", "b"), "2": page("3"), "3": page(test.last, "c")}}
		var got []string
		err := (&Client{service: service}).List(t.Context(), func(s rotation.ListedSecret) {
			got = append(got, fmt.Sprint(s.ARN, " ", *s.RotationEnabled))
			if s.RotationLambdaARN != "function" || !s.NextRotation.Equal(next) {
				t.Errorf("%+v", s)
			}
		})
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if (err != nil) != (test.failure != "") || err != nil && failure.Of(err) != test.failure {
			t.Errorf("%s: %v", test.name, err)
		}
		var remedied failure.Remedied
		if err != nil && (!errors.As(err, &remedied) || remedied.Remedy() == "") {
			t.Errorf("%s: no remedy: %v", test.name, err)
		}
		for _, in := range service.asked {
			if aws.ToBool(in.IncludePlannedDeletion) || aws.ToInt32(in.MaxResults) != pageSize {
				t.Errorf("%s: asked for %+v", test.name, in)
			}
		}
	}
}
