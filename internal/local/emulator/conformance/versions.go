package conformance

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

var readingRules = []rule{
	{"GetSecretValue without a version reads AWSCURRENT", func(k *kit) {
		arn, version := k.secret()
		out, err := k.Client.GetSecretValue(k.ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
		k.must(err)
		k.equal("the value", first, *out.SecretString)
		k.equal("VersionId", version, *out.VersionId)
		k.equal("VersionStages", []string{"AWSCURRENT"}, out.VersionStages)
		if out.CreatedDate == nil || out.CreatedDate.Year() < 2020 {
			k.Errorf("CreatedDate = %v, want a time: seconds since 1970 as a number", out.CreatedDate)
		}
	}},
	{"an unknown secret is a ResourceNotFoundException", func(k *kit) {
		_, err := k.get(unique("nobody"), "", "")
		k.refused(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}},
	{"a label that no version has is a ResourceNotFoundException that names it", func(k *kit) {
		arn, _ := k.secret()
		_, err := k.get(arn, "", "AWSPENDING")
		k.refused(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSPENDING")
	}},
	{"an unknown version is a ResourceNotFoundException that names it", func(k *kit) {
		arn, _ := k.secret()
		version := id()
		_, err := k.get(arn, version, "")
		k.refused(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: "+version)
	}},
	{"VersionId and VersionStage must name the same version", func(k *kit) {
		arn, version := k.secret()
		_, err := k.get(arn, version, "AWSPREVIOUS")
		k.refused(err, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}},
	{"RotationEnabled is absent where rotation was never configured", func(k *kit) {
		arn, _ := k.secret()
		if enabled := k.describe(arn).RotationEnabled; enabled != nil {
			k.Errorf("RotationEnabled = %v, want it absent", *enabled)
		}
	}},
	{"a binary value comes back as it was", func(k *kit) {
		content := []byte{0, 1, 2, 0xff, '-', 0xfe}
		out, err := k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{Name: aws.String(unique("binary")), SecretBinary: content})
		k.must(err)
		k.forget(*out.ARN)
		got, err := k.Client.GetSecretValue(k.ctx, &secretsmanager.GetSecretValueInput{SecretId: out.ARN})
		k.must(err)
		k.equal("SecretBinary", content, got.SecretBinary)
		if got.SecretString != nil {
			k.Error("SecretString is there too")
		}
	}},
}

var writingRules = []rule{
	{"PutSecretValue with the same token and the same value succeeds and changes nothing", func(k *kit) {
		arn, current := k.secret()
		token := id()
		k.must(k.put(arn, token, "second", "AWSPENDING"))
		k.must(k.put(arn, token, "second", "AWSPENDING"))
		k.wantStages(arn, stages{current: {"AWSCURRENT"}, token: {"AWSPENDING"}})
		k.wantValue(arn, token, "AWSPENDING", "second")
	}},
	{"PutSecretValue with the same token and another value is a ResourceExistsException", func(k *kit) {
		arn, _ := k.secret()
		token := id()
		k.must(k.put(arn, token, "second", "AWSPENDING"))
		k.inUse(k.put(arn, token, "third", "AWSPENDING"), token, arn)
		k.wantValue(arn, token, "AWSPENDING", "second")
	}},
	{"PutSecretValue with VersionStages [AWSPENDING] leaves AWSCURRENT where it is", func(k *kit) {
		arn, current := k.secret()
		token := id()
		k.must(k.put(arn, token, "second", "AWSPENDING"))
		k.wantStages(arn, stages{current: {"AWSCURRENT"}, token: {"AWSPENDING"}})
		k.wantValue(arn, "", "", first)
	}},
	{"PutSecretValue without VersionStages moves AWSCURRENT at once", func(k *kit) {
		arn, current := k.secret()
		token := id()
		k.must(k.put(arn, token, "second"))
		k.wantStages(arn, stages{current: {"AWSPREVIOUS"}, token: {"AWSCURRENT"}})
	}},
	{"PutSecretValue moves a label that another version has", func(k *kit) {
		arn, current := k.secret()
		second, third := id(), id()
		k.must(k.put(arn, second, "second", "AWSPENDING", "mine"))
		k.must(k.put(arn, third, "third", "AWSPENDING"))
		k.wantStages(arn, stages{current: {"AWSCURRENT"}, second: {"mine"}, third: {"AWSPENDING"}})
	}},
	{"a secret's first value is AWSCURRENT whatever its labels", func(k *kit) {
		out, err := k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{Name: aws.String(unique("empty"))})
		k.must(err)
		k.forget(*out.ARN)
		if out.VersionId != nil {
			k.Errorf("CreateSecret without a value answers version %s", *out.VersionId)
		}
		_, err = k.get(*out.ARN, "", "")
		k.refused(err, "ResourceNotFoundException", "staging label: AWSCURRENT")
		token := id()
		k.must(k.put(*out.ARN, token, "one", "mine"))
		k.wantStages(*out.ARN, stages{token: {"AWSCURRENT", "mine"}})
	}},
	{"UpdateSecret with a value moves AWSCURRENT", func(k *kit) {
		arn, current := k.secret()
		token := id()
		out, err := k.update(arn, token, "second")
		k.must(err)
		k.equal("VersionId", token, aws.ToString(out.VersionId))
		k.wantStages(arn, stages{current: {"AWSPREVIOUS"}, token: {"AWSCURRENT"}})
		k.equal("Description", "of second", *k.describe(arn).Description)
	}},
	{"UpdateSecret with the same token and the same value succeeds, answers its version and moves nothing", func(k *kit) {
		arn, _ := k.secret()
		second, third, pending := id(), id(), id()
		_, err := k.update(arn, second, "second")
		k.must(err)
		_, err = k.update(arn, third, "third")
		k.must(err)
		k.must(k.put(arn, pending, "pending", "AWSPENDING"))
		want := stages{second: {"AWSPREVIOUS"}, third: {"AWSCURRENT"}, pending: {"AWSPENDING"}}
		for token, value := range map[string]string{second: "second", third: "third", pending: "pending"} {
			out, err := k.update(arn, token, value)
			k.must(err)
			k.equal("VersionId", token, aws.ToString(out.VersionId))
			k.wantStages(arn, want)
		}
	}},
	{"UpdateSecret with the same token and another value is a ResourceExistsException, and changes nothing", func(k *kit) {
		arn, current := k.secret()
		token := id()
		_, err := k.update(arn, token, "second")
		k.must(err)
		_, err = k.update(arn, token, "third")
		k.inUse(err, token, arn)
		_, err = k.Client.UpdateSecret(k.ctx, &secretsmanager.UpdateSecretInput{SecretId: &arn, ClientRequestToken: &token, SecretBinary: []byte("second")})
		k.inUse(err, token, arn)
		k.wantStages(arn, stages{current: {"AWSPREVIOUS"}, token: {"AWSCURRENT"}})
		k.wantValue(arn, "", "", "second")
		k.equal("Description", "of second", *k.describe(arn).Description)
	}},
	{"a value has at most 65536 bytes, and the refusal does not repeat it", func(k *kit) {
		arn, _ := k.secret()
		value := strings.Repeat("é", 65536/2)
		k.must(k.put(arn, id(), value))
		err := k.put(arn, id(), value+"x")
		k.refused(err, "ValidationException", "Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536")
		if strings.Contains(err.Error(), "é") {
			k.Error("the error holds the value")
		}
	}},
	{"a ClientRequestToken has 32 to 64 characters", func(k *kit) {
		arn, _ := k.secret()
		k.must(k.put(arn, strings.Repeat("a", 32), "a"))
		k.must(k.put(arn, strings.Repeat("b", 64), "b"))
		k.refused(k.put(arn, strings.Repeat("c", 31), "c"), "ValidationException", "'clientRequestToken'")
		k.refused(k.put(arn, strings.Repeat("d", 65), "d"), "ValidationException", "'clientRequestToken'")
	}},
	{"an empty RotationToken is refused: it has to be left out", func(k *kit) {
		arn, _ := k.secret()
		_, err := k.Client.PutSecretValue(k.ctx, &secretsmanager.PutSecretValueInput{
			SecretId: &arn, SecretString: aws.String("x"), RotationToken: aws.String(""),
		})
		k.refused(err, "ValidationException", "'rotationToken'")
	}},
	{"a name is taken once, and the same request again is the same secret", func(k *kit) {
		in := &secretsmanager.CreateSecretInput{Name: aws.String(unique("twice")), SecretString: aws.String("x"), ClientRequestToken: aws.String(id())}
		one, err := k.Client.CreateSecret(k.ctx, in)
		k.must(err)
		k.forget(*one.ARN)
		two, err := k.Client.CreateSecret(k.ctx, in)
		k.must(err)
		k.equal("ARN", *one.ARN, *two.ARN)
		in.ClientRequestToken = aws.String(id())
		_, err = k.Client.CreateSecret(k.ctx, in)
		k.refused(err, "ResourceExistsException", "The operation failed because the secret "+*in.Name+" already exists.")
	}},
	{"CreateSecret of a name that is taken, with a token that is in use for another value, names the token", func(k *kit) {
		in := &secretsmanager.CreateSecretInput{Name: aws.String(unique("twice")), SecretString: aws.String("x"), ClientRequestToken: aws.String(id())}
		made, err := k.Client.CreateSecret(k.ctx, in)
		k.must(err)
		k.forget(*made.ARN)
		token := *in.ClientRequestToken
		in.SecretString = aws.String("y")
		_, err = k.Client.CreateSecret(k.ctx, in)
		k.inUse(err, token, *made.ARN)
		in.SecretString, in.SecretBinary = nil, []byte("x")
		_, err = k.Client.CreateSecret(k.ctx, in)
		k.inUse(err, token, *made.ARN)
		in.SecretBinary = nil // of which there is no version
		_, err = k.Client.CreateSecret(k.ctx, in)
		k.refused(err, "ResourceExistsException", "The operation failed because the secret "+*in.Name+" already exists.")
		k.wantValue(*made.ARN, "", "", "x")
	}},
	{"CreateSecret with the token and the value of a version that is no longer current is the same secret, unchanged", func(k *kit) {
		in := &secretsmanager.CreateSecretInput{Name: aws.String(unique("twice")), SecretString: aws.String("x"), ClientRequestToken: aws.String(id())}
		made, err := k.Client.CreateSecret(k.ctx, in)
		k.must(err)
		k.forget(*made.ARN)
		next := id()
		k.must(k.put(*made.ARN, next, "y"))
		again, err := k.Client.CreateSecret(k.ctx, in)
		k.must(err)
		k.equal("VersionId", *made.VersionId, aws.ToString(again.VersionId))
		k.wantStages(*made.ARN, stages{*made.VersionId: {"AWSPREVIOUS"}, next: {"AWSCURRENT"}})
	}},
	{"PutSecretValue again with other labels changes none", func(k *kit) {
		arn, current := k.secret()
		token := id()
		k.must(k.put(arn, token, "second", "AWSPENDING"))
		k.must(k.put(arn, token, "second", "AWSCURRENT", "mine"))
		k.wantStages(arn, stages{current: {"AWSCURRENT"}, token: {"AWSPENDING"}})
	}},
	{"a secret has at most 50 tags, when it is made too", func(k *kit) {
		in := &secretsmanager.CreateSecretInput{Name: aws.String(unique("tagged"))}
		for range 51 {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(unique("tag")), Value: aws.String("")})
		}
		_, err := k.Client.CreateSecret(k.ctx, in)
		k.refused(err, "InvalidParameterException", "50")
		in.Tags = in.Tags[:50]
		out, err := k.Client.CreateSecret(k.ctx, in)
		k.must(err)
		k.forget(*out.ARN)
		_, err = k.Client.TagResource(k.ctx, &secretsmanager.TagResourceInput{SecretId: out.ARN, Tags: []types.Tag{{Key: aws.String("one more"), Value: aws.String("")}}})
		k.refused(err, "InvalidParameterException", "50")
	}},
	{"a name is made of letters, digits and /_+=.@-", func(k *kit) {
		_, err := k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{Name: aws.String("not a name"), SecretString: aws.String("x")})
		k.refused(err, "ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}},
}

var labelRules = []rule{
	{"moving AWSCURRENT moves AWSPREVIOUS by itself, and leaves AWSPENDING", func(k *kit) {
		arn, one := k.secret()
		two, three := id(), id()
		k.must(k.put(arn, two, "two", "AWSPENDING"))
		k.must(k.move(arn, "AWSCURRENT", one, two))
		k.wantStages(arn, stages{one: {"AWSPREVIOUS"}, two: {"AWSCURRENT", "AWSPENDING"}})
		k.must(k.put(arn, three, "three", "AWSPENDING"))
		k.must(k.move(arn, "AWSCURRENT", two, three))
		k.wantStages(arn, stages{two: {"AWSPREVIOUS"}, three: {"AWSCURRENT", "AWSPENDING"}})
	}},
	{"moving AWSCURRENT back exchanges it with AWSPREVIOUS", func(k *kit) {
		arn, one := k.secret()
		two := id()
		k.must(k.put(arn, two, "two"))
		k.must(k.move(arn, "AWSCURRENT", two, one))
		k.wantStages(arn, stages{one: {"AWSCURRENT"}, two: {"AWSPREVIOUS"}})
	}},
	{"UpdateSecretVersionStage fails without RemoveFromVersionId where another version has the label", func(k *kit) {
		arn, one := k.secret()
		two := id()
		k.must(k.put(arn, two, "two", "AWSPENDING"))
		k.refused(k.move(arn, "AWSCURRENT", "", two), "InvalidParameterException",
			"The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version "+one)
		k.wantStages(arn, stages{one: {"AWSCURRENT"}, two: {"AWSPENDING"}})
	}},
	{"UpdateSecretVersionStage fails where RemoveFromVersionId does not have the label now", func(k *kit) {
		arn, one := k.secret()
		two, three := id(), id()
		k.must(k.put(arn, two, "two"))
		k.must(k.put(arn, three, "three", "AWSPENDING"))
		k.refused(k.move(arn, "AWSCURRENT", one, three), "InvalidParameterException", "RemoveFromVersionId")
		k.refused(k.move(arn, "mine", one, three), "InvalidParameterException", "RemoveFromVersionId")
		k.wantStages(arn, stages{one: {"AWSPREVIOUS"}, two: {"AWSCURRENT"}, three: {"AWSPENDING"}})
	}},
	{"UpdateSecretVersionStage to an unknown version is a ResourceNotFoundException", func(k *kit) {
		arn, one := k.secret()
		k.refused(k.move(arn, "AWSCURRENT", one, id()), "ResourceNotFoundException", "")
	}},
	{"AWSCURRENT can be moved and not removed", func(k *kit) {
		arn, one := k.secret()
		k.refused(k.move(arn, "AWSCURRENT", one, ""), "InvalidParameterException", "AWSCURRENT")
	}},
	{"a version without a label is deprecated: DescribeSecret leaves it out, its ID still reads it", func(k *kit) {
		arn, one := k.secret()
		two := id()
		k.must(k.put(arn, two, "two", "AWSPENDING"))
		k.must(k.move(arn, "AWSPENDING", two, ""))
		k.wantStages(arn, stages{one: {"AWSCURRENT"}})
		k.wantValue(arn, two, "", "two")
		for deprecated, want := range map[bool]int{false: 1, true: 2} {
			out, err := k.Client.ListSecretVersionIds(k.ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: &arn, IncludeDeprecated: &deprecated})
			k.must(err)
			k.equal("the number of versions", want, len(out.Versions))
		}
	}},
	{"a secret has at most 20 labels", func(k *kit) {
		arn, one := k.secret()
		for range 19 {
			k.must(k.move(arn, unique("label"), "", one))
		}
		k.refused(k.move(arn, unique("label"), "", one), "LimitExceededException", "20")
	}},
}
