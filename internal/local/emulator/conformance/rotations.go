package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

var fourSteps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}

const incomplete = "A previous rotation isn't complete. That rotation will be reattempted."

// stuck leaves a rotation behind whose every attempt has failed, and returns its
// token.
func (k *kit) stuck(arn string) string {
	k.Helper()
	k.Function.play(func(context.Context, Event) error { return errors.New("failing on purpose") })
	token := k.rotate(arn)
	k.wait(arn)
	return token
}

var rotationRules = []rule{
	{"RotateSecret invokes the four steps in order, with the ARN, its token and a RotationToken", func(k *kit) {
		arn, _ := k.secret()
		k.rotates(nil)
		token := k.rotate(*k.describe(arn).Name) // a name: the event has the ARN all the same
		k.wait(arn)
		k.equal("the steps", fourSteps, k.Function.steps())
		for _, e := range k.Function.seen() {
			k.equal("SecretId", arn, e.SecretId)
			k.equal("ClientRequestToken", token, e.ClientRequestToken)
			if n := len(e.RotationToken); n < 36 || n > 256 {
				k.Errorf("%s: the RotationToken has %d characters, want 36 to 256", e.Step, n)
			}
		}
	}},
	{"RotateSecret answers before the function has done anything", func(k *kit) {
		arn, _ := k.secret()
		release := make(chan struct{})
		k.rotates(func(e Event) error { <-release; return nil })
		k.rotate(arn)
		k.describe(arn) // and other calls are answered meanwhile
		close(release)
		k.wait(arn)
	}},
	{"before createSecret the token's version has AWSPENDING and no value", func(k *kit) {
		arn, current := k.secret()
		var seen stages
		var byStage, byVersion, byBoth error
		k.rotates(func(e Event) error {
			if e.Step == "createSecret" {
				seen = k.describe(arn).VersionIdsToStages
				_, byStage = k.get(arn, "", "AWSPENDING")
				_, byVersion = k.get(arn, e.ClientRequestToken, "")
				_, byBoth = k.get(arn, e.ClientRequestToken, "AWSPENDING")
			}
			return nil
		})
		token := k.rotate(arn)
		k.wait(arn)
		k.equal("VersionIdsToStages in createSecret", stages{current: {"AWSCURRENT"}, token: {"AWSPENDING"}}, seen)
		k.refused(byStage, "ResourceNotFoundException", "staging label: AWSPENDING")
		k.refused(byVersion, "ResourceNotFoundException", "VersionId: "+token)
		k.refused(byBoth, "ResourceNotFoundException", "VersionId: "+token)
	}},
	{"after finishSecret has succeeded the service takes AWSPENDING off", func(k *kit) {
		arn, current := k.secret()
		k.rotates(nil)
		token := k.rotate(arn)
		k.wait(arn)
		k.wantStages(arn, stages{current: {"AWSPREVIOUS"}, token: {"AWSCURRENT"}})
		k.wantValue(arn, "", "", "rotated to "+token)
	}},
	{"after a failed step all four steps run again with the same token", func(k *kit) {
		arn, _ := k.secret()
		failed := false
		k.rotates(func(e Event) error {
			if e.Step == "testSecret" && !failed {
				failed = true
				return errors.New("failing once")
			}
			return nil
		})
		token := k.rotate(arn)
		k.wait(arn)
		k.equal("the steps", append(slices.Clone(fourSteps[:3]), fourSteps...), k.Function.steps())
		for _, e := range k.Function.seen() {
			k.equal("ClientRequestToken", token, e.ClientRequestToken)
		}
		k.wantValue(arn, token, "AWSCURRENT", "rotated to "+token)
	}},
	{"a rotation whose last attempt has failed leaves AWSPENDING where it is", func(k *kit) {
		arn, current := k.secret()
		token := k.stuck(arn)
		k.wantStages(arn, stages{current: {"AWSCURRENT"}, token: {"AWSPENDING"}})
		k.wantValue(arn, "", "", first)
	}},
	{"RotateSecret with another token fails while AWSPENDING is on a version that is not AWSCURRENT", func(k *kit) {
		arn, _ := k.secret()
		token := k.stuck(arn)
		k.refused(k.rotateWith(arn, id(), nil), "InvalidRequestException", incomplete)
		k.wait(arn)
		k.refused(k.rotateWith(arn, id(), aws.Bool(false)), "InvalidRequestException", incomplete)
		k.wait(arn)
		k.refused(k.rotateWith(arn, token, aws.Bool(false)), "InvalidRequestException", incomplete)
	}},
	{"the refused RotateSecret makes the previous rotation run again, with its own token", func(k *kit) {
		arn, current := k.secret()
		token := k.stuck(arn)
		k.rotates(nil)
		k.refused(k.rotateWith(arn, id(), nil), "InvalidRequestException", incomplete)
		k.wait(arn)
		k.wantStages(arn, stages{current: {"AWSPREVIOUS"}, token: {"AWSCURRENT"}})
	}},
	{"RotateSecret with the token of the rotation that failed takes it up again", func(k *kit) {
		arn, current := k.secret()
		token := k.stuck(arn)
		k.rotates(nil)
		k.must(k.rotateWith(arn, token, nil))
		k.wait(arn)
		k.wantStages(arn, stages{current: {"AWSPREVIOUS"}, token: {"AWSCURRENT"}})
	}},
	{"RotateSecret with a token that is AWSCURRENT succeeds and invokes nothing", func(k *kit) {
		arn, _ := k.secret()
		k.rotates(nil)
		token := k.rotate(arn)
		k.wait(arn)
		k.must(k.rotateWith(arn, token, nil))
		k.wait(arn)
		k.equal("the steps", fourSteps, k.Function.steps())
	}},
	{"RotateSecret with the token of a version that has its labels behind it is a ResourceExistsException", func(k *kit) {
		arn, one := k.secret()
		k.rotates(nil)
		k.rotate(arn)
		k.wait(arn)
		k.inUse(k.rotateWith(arn, one, nil), one, arn) // AWSPREVIOUS
		k.equal("the steps", fourSteps, k.Function.steps())
	}},
	{"CreateSecret and UpdateSecret do not give a rotation's empty version its value", func(k *kit) {
		arn, _ := k.secret()
		token := k.stuck(arn)
		_, err := k.update(arn, token, "x")
		k.inUse(err, token, arn)
		_, err = k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{Name: k.describe(arn).Name, ClientRequestToken: &token, SecretString: aws.String("x")})
		k.inUse(err, token, arn)
		_, err = k.get(arn, token, "")
		k.refused(err, "ResourceNotFoundException", token)
	}},
	{"removing AWSPENDING from a rotation that failed lets the next one start", func(k *kit) {
		arn, current := k.secret()
		token := k.stuck(arn)
		k.must(k.move(arn, "AWSPENDING", token, ""))
		out, err := k.Client.ListSecretVersionIds(k.ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: &arn, IncludeDeprecated: aws.Bool(true)})
		k.must(err)
		k.equal("the number of versions, since one without a value and a label is nothing", 1, len(out.Versions))
		k.rotates(nil)
		next := k.rotate(arn)
		k.wait(arn)
		k.wantStages(arn, stages{current: {"AWSPREVIOUS"}, next: {"AWSCURRENT"}})
	}},
	{"a value put in place by hand abandons the rotation that it overtakes", func(k *kit) {
		arn, current := k.secret()
		k.stuck(arn)
		manual := id()
		k.must(k.put(arn, manual, "by hand"))
		k.wantStages(arn, stages{current: {"AWSPREVIOUS"}, manual: {"AWSCURRENT"}})
	}},
	{"RotateImmediately=false runs testSecret alone, on a pending version with the existing value", func(k *kit) {
		arn, current := k.secret()
		var seen stages
		var pending string
		k.rotates(func(e Event) error {
			seen = k.describe(arn).VersionIdsToStages
			var err error
			pending, err = k.get(arn, e.ClientRequestToken, "AWSPENDING")
			return err
		})
		token := id()
		k.must(k.rotateWith(arn, token, aws.Bool(false)))
		k.wait(arn)
		k.equal("the steps", []string{"testSecret"}, k.Function.steps())
		k.equal("VersionIdsToStages in testSecret", stages{current: {"AWSCURRENT"}, token: {"AWSPENDING"}}, seen)
		k.equal("the pending value", first, pending)
		k.wantStages(arn, stages{current: {"AWSCURRENT"}})
		_, err := k.get(arn, token, "")
		k.refused(err, "ResourceNotFoundException", token)
		if d := k.describe(arn); d.NextRotationDate == nil || !aws.ToBool(d.RotationEnabled) {
			k.Error("the rotation is not planned")
		}
	}},
	{"a rotation test that fails is not repeated, and leaves nothing behind", func(k *kit) {
		arn, current := k.secret()
		k.Function.play(func(context.Context, Event) error { return errors.New("failing on purpose") })
		k.must(k.rotateWith(arn, id(), aws.Bool(false)))
		k.wait(arn)
		k.equal("the steps", []string{"testSecret"}, k.Function.steps())
		k.wantStages(arn, stages{current: {"AWSCURRENT"}})
	}},
	{"CancelRotateSecret turns rotation off and leaves the labels of a rotation under way", func(k *kit) {
		arn, current := k.secret()
		k.rotates(func(e Event) error {
			if e.Step == "setSecret" {
				_, err := k.Client.CancelRotateSecret(k.ctx, &secretsmanager.CancelRotateSecretInput{SecretId: &arn})
				return err
			}
			return nil
		})
		token := k.rotate(arn)
		k.wait(arn)
		k.equal("the steps", fourSteps[:2], k.Function.steps())
		k.wantStages(arn, stages{current: {"AWSCURRENT"}, token: {"AWSPENDING"}})
		d := k.describe(arn)
		if d.RotationEnabled == nil || *d.RotationEnabled {
			k.Errorf("RotationEnabled = %v, want false", d.RotationEnabled)
		}
		if d.NextRotationDate != nil || d.LastRotatedDate != nil {
			k.Error("a secret that is not rotated has dates of rotations")
		}
	}},
	{"ListSecrets tells the rotation's configuration as DescribeSecret does, and the function of one that is turned off too", func(k *kit) {
		arn, _ := k.secret()
		k.rotates(nil)
		k.rotate(arn)
		k.wait(arn)
		for _, enabled := range []bool{true, false} {
			if !enabled {
				_, err := k.Client.CancelRotateSecret(k.ctx, &secretsmanager.CancelRotateSecretInput{SecretId: &arn})
				k.must(err)
			}
			d, listed := k.describe(arn), k.listed(arn, false)
			if listed == nil {
				k.Fatal("it is not listed")
			}
			k.equal("RotationLambdaARN", k.FunctionARN, aws.ToString(listed.RotationLambdaARN))
			k.equal("RotationEnabled", enabled, aws.ToBool(listed.RotationEnabled))
			k.equal("NextRotationDate", d.NextRotationDate, listed.NextRotationDate)
			k.equal("LastRotatedDate", d.LastRotatedDate, listed.LastRotatedDate)
			k.equal("SecretVersionsToStages", d.VersionIdsToStages, listed.SecretVersionsToStages)
			if (listed.NextRotationDate != nil) != enabled {
				k.Errorf("the next rotation is due by %v", listed.NextRotationDate)
			}
		}
	}},
	{"DescribeSecret tells the rotation's configuration and dates", func(k *kit) {
		arn, _ := k.secret()
		k.rotates(nil)
		k.rotate(arn)
		k.wait(arn)
		d := k.describe(arn)
		k.equal("RotationEnabled", true, aws.ToBool(d.RotationEnabled))
		k.equal("RotationLambdaARN", k.FunctionARN, aws.ToString(d.RotationLambdaARN))
		k.equal("AutomaticallyAfterDays", int64(30), aws.ToInt64(d.RotationRules.AutomaticallyAfterDays))
		if d.LastRotatedDate == nil || d.NextRotationDate == nil || !d.NextRotationDate.After(*d.LastRotatedDate) {
			k.Errorf("LastRotatedDate %v, NextRotationDate %v", d.LastRotatedDate, d.NextRotationDate)
		}
	}},
	{"RotateSecret needs a function once, and a value", func(k *kit) {
		arn, _ := k.secret()
		_, err := k.Client.RotateSecret(k.ctx, &secretsmanager.RotateSecretInput{SecretId: &arn})
		k.refused(err, "InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
		k.rotates(nil)
		k.rotate(arn)
		k.wait(arn)
		_, err = k.Client.RotateSecret(k.ctx, &secretsmanager.RotateSecretInput{SecretId: &arn})
		k.must(err)
		k.wait(arn)
		k.equal("the number of steps", 8, len(k.Function.steps()))

		empty, err := k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{Name: aws.String(unique("empty"))})
		k.must(err)
		k.forget(*empty.ARN)
		k.refused(k.rotateWith(*empty.ARN, id(), nil), "ResourceNotFoundException", "staging label: AWSCURRENT")
		token := k.stuck(arn)
		k.must(k.move(arn, "AWSCURRENT", *k.current(arn), token)) // to a version without a value
		k.refused(k.rotateWith(arn, id(), nil), "ResourceNotFoundException", "staging label: AWSCURRENT")
	}},
	{"rotation rules have AutomaticallyAfterDays or ScheduleExpression, not both", func(k *kit) {
		arn, _ := k.secret()
		rules := &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(1), ScheduleExpression: aws.String("rate(1 day)")}
		_, err := k.Client.RotateSecret(k.ctx, &secretsmanager.RotateSecretInput{SecretId: &arn, RotationLambdaARN: &k.FunctionARN, RotationRules: rules})
		k.refused(err, "InvalidParameterException", "You cannot specify both rotation frequency and schedule expression together.")
		rules.AutomaticallyAfterDays, rules.ScheduleExpression = nil, aws.String("cron(30 8 * * ? *)")
		_, err = k.Client.RotateSecret(k.ctx, &secretsmanager.RotateSecretInput{SecretId: &arn, RotationLambdaARN: &k.FunctionARN, RotationRules: rules})
		k.refused(err, "InvalidParameterException", "the minutes must be 0")
	}},
	{"a rotation token that a function brings to PutSecretValue is accepted", func(k *kit) {
		arn, _ := k.secret()
		var put error
		k.rotates(func(e Event) error {
			if e.Step == "createSecret" {
				_, put = k.Client.PutSecretValue(k.ctx, &secretsmanager.PutSecretValueInput{
					SecretId: &arn, ClientRequestToken: &e.ClientRequestToken, SecretString: aws.String("x"),
					VersionStages: []string{"AWSPENDING"}, RotationToken: &e.RotationToken,
				})
			}
			return put
		})
		token := k.rotate(arn)
		k.wait(arn)
		k.must(put)
		k.wantStages(arn, stages{token: {"AWSCURRENT"}, k.previous(arn): {"AWSPREVIOUS"}})
	}},
}

// current returns the version that has AWSCURRENT.
func (k *kit) current(arn string) *string {
	k.Helper()
	out, err := k.Client.GetSecretValue(k.ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	k.must(err)
	return out.VersionId
}

// previous returns the version that has AWSPREVIOUS.
func (k *kit) previous(arn string) string {
	k.Helper()
	for version, labels := range k.describe(arn).VersionIdsToStages {
		if strings.Contains(strings.Join(labels, " "), "AWSPREVIOUS") {
			return version
		}
	}
	k.Fatal("no version has AWSPREVIOUS")
	return ""
}
