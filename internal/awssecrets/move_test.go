package awssecrets

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"tandem/internal/retries"
	"tandem/internal/rotation"
)

// mover answers UpdateSecretVersionStage with an error, after some tries.
type mover struct {
	operations
	err    error
	before int // tries
}

func (m mover) UpdateSecretVersionStage(ctx context.Context, _ *secretsmanager.UpdateSecretVersionStageInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	for range m.before {
		retries.Note(ctx)
	}
	return nil, m.err
}

// A label was not moved for certain where the service has refused to at the first attempt:
// otherwise this attempt or an earlier one may still be carried out.
func TestMoveIsRefusedForGoodOrInDoubt(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException"}
	for _, test := range []struct {
		name   string
		err    error
		before int
		want   bool
	}{
		{"not allowed", denied, 0, true},
		{"not allowed, at the second attempt", denied, 1, false},
		{"the label is elsewhere", &types.InvalidParameterException{Message: aws.String("x")}, 0, true},
		{"the secret is being deleted", &types.InvalidRequestException{Message: aws.String("x")}, 0, true},
		{"no such secret", &types.ResourceNotFoundException{Message: aws.String("x")}, 0, true},
		{"too many labels", &types.LimitExceededException{Message: aws.String("x")}, 0, true},
		{"expired credentials", &smithy.GenericAPIError{Code: "ExpiredTokenException"}, 0, true},
		{"throttled", &smithy.GenericAPIError{Code: "ThrottlingException"}, 0, false},
		{"broken", &types.InternalServiceError{Message: aws.String("x")}, 0, false},
		{"no answer", context.DeadlineExceeded, 0, false},
		{"broken off", errors.New("EOF"), 0, false},
	} {
		ctx, _ := retries.With(t.Context())
		retries.Note(ctx) // of an earlier call
		err := (&Client{service: mover{err: test.err, before: test.before}}).MoveCurrent(ctx, "arn:x", "to", "from")
		if got := errors.Is(err, rotation.ErrNotMoved); got != test.want {
			t.Errorf("%s: %v is refused for good: %v", test.name, err, got)
		}
	}
}
