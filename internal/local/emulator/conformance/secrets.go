package conformance

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

var identifierRules = []rule{
	{"an ARN ends in the name, a hyphen and six random characters", func(k *kit) {
		arn, _ := k.secret()
		name := *k.describe(arn).Name
		if !regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:` + regexp.QuoteMeta(name) + `-[A-Za-z0-9]{6}$`).MatchString(arn) {
			k.Errorf("the ARN of %s is %s", name, arn)
		}
	}},
	{"a secret is found by its ARN, its name and its partial ARN", func(k *kit) {
		arn, _ := k.secret()
		for _, secretID := range []string{arn, *k.describe(arn).Name, arn[:len(arn)-7]} {
			k.wantValue(secretID, "", "", first)
		}
	}},
	{"an ARN of another account, Region or suffix finds nothing", func(k *kit) {
		arn, _ := k.secret()
		parts := strings.SplitN(arn, ":", 7)
		for i, other := range map[int]string{3: "mars-north-1", 4: "000000000000", 6: parts[6][:len(parts[6])-6] + "aaaaaa"} {
			changed := slices.Clone(parts)
			changed[i] = other
			other := strings.Join(changed, ":")
			_, err := k.get(other, "", "")
			k.refused(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
			if i != 6 {
				_, err := k.get(other[:len(other)-7], "", "")
				k.refused(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
			}
		}
	}},
	{"a partial ARN that ends like a complete one is taken for a complete one", func(k *kit) {
		out, err := k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{Name: aws.String(unique("partial") + "-a1b2c3"), SecretString: aws.String("x")})
		k.must(err)
		k.forget(*out.ARN)
		_, err = k.get((*out.ARN)[:len(*out.ARN)-7], "", "")
		k.refused(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
		k.wantValue(*out.Name, "", "", "x")
	}},
}

var listRules = []rule{
	{"ListSecrets answers page by page, each secret once", func(k *kit) {
		prefix := unique("page")
		var want, got []string
		for range 5 {
			out, err := k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{Name: aws.String(unique(prefix)), SecretString: aws.String("x")})
			k.must(err)
			k.forget(*out.ARN)
			want = append(want, *out.Name)
		}
		pages := secretsmanager.NewListSecretsPaginator(k.Client, &secretsmanager.ListSecretsInput{
			MaxResults: aws.Int32(2), SortBy: types.SortByTypeCreatedDate, SortOrder: types.SortOrderTypeAsc,
			Filters: []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{prefix}}},
		})
		sizes := []int{}
		for pages.HasMorePages() {
			page, err := pages.NextPage(k.ctx)
			k.must(err)
			sizes = append(sizes, len(page.SecretList))
			for _, s := range page.SecretList {
				got = append(got, *s.Name)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		k.equal("the names", want, got)
		k.equal("the sizes of the pages", []int{2, 2, 1}, sizes)
	}},
	{"ListSecrets lists what is marked for deletion where that is asked for, and not otherwise", func(k *kit) {
		arn, _ := k.secret()
		_, err := k.Client.DeleteSecret(k.ctx, &secretsmanager.DeleteSecretInput{SecretId: &arn, RecoveryWindowInDays: aws.Int64(7)})
		k.must(err)
		if k.listed(arn, false) != nil {
			k.Error("it is listed though nobody asked for it")
		}
		if found := k.listed(arn, true); found == nil || found.DeletedDate == nil {
			k.Errorf("it is listed as %+v", found)
		}
	}},
	{"ListSecrets tells of a secret without a rotation that there is none", func(k *kit) {
		arn, _ := k.secret()
		if found := k.listed(arn, false); found == nil || found.RotationLambdaARN != nil || aws.ToBool(found.RotationEnabled) || found.NextRotationDate != nil {
			k.Errorf("it is listed as %+v", found)
		}
	}},
	{"MaxResults is 1 to 100", func(k *kit) {
		for _, n := range []int32{0, 101} {
			_, err := k.Client.ListSecrets(k.ctx, &secretsmanager.ListSecretsInput{MaxResults: &n})
			k.refused(err, "ValidationException", "'maxResults'")
		}
	}},
	{"ListSecretVersionIds answers page by page", func(k *kit) {
		arn, one := k.secret()
		two, three := id(), id()
		k.must(k.put(arn, two, "two"))
		k.must(k.put(arn, three, "three"))
		in := &secretsmanager.ListSecretVersionIdsInput{SecretId: &arn, MaxResults: aws.Int32(2), IncludeDeprecated: aws.Bool(true)}
		got := map[string][]string{}
		for range 2 {
			out, err := k.Client.ListSecretVersionIds(k.ctx, in)
			k.must(err)
			for _, v := range out.Versions {
				got[*v.VersionId] = v.VersionStages
			}
			in.NextToken = out.NextToken
		}
		if in.NextToken != nil {
			k.Error("the last page has a NextToken")
		}
		k.equal("the versions", stages{one: nil, two: {"AWSPREVIOUS"}, three: {"AWSCURRENT"}}, got)
	}},
	{"a NextToken of another list is an InvalidNextTokenException", func(k *kit) {
		_, err := k.Client.ListSecrets(k.ctx, &secretsmanager.ListSecretsInput{NextToken: aws.String("nonsense")})
		k.refused(err, "InvalidNextTokenException", "")
	}},
	{"BatchGetSecretValue answers what it can read, and an error for each of the rest", func(k *kit) {
		arn, _ := k.secret()
		nobody := unique("nobody")
		out, err := k.Client.BatchGetSecretValue(k.ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{arn, nobody}})
		k.must(err)
		if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != first {
			k.Errorf("%d values", len(out.SecretValues))
		}
		if len(out.Errors) != 1 || *out.Errors[0].SecretId != nobody || *out.Errors[0].ErrorCode != "ResourceNotFoundException" {
			k.Errorf("errors: %+v", out.Errors)
		}
	}},
	{"tags are added, replaced and removed by their keys", func(k *kit) {
		arn, _ := k.secret()
		tag := func(tags ...types.Tag) {
			k.Helper()
			_, err := k.Client.TagResource(k.ctx, &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags})
			k.must(err)
		}
		tag(types.Tag{Key: aws.String("a"), Value: aws.String("1")}, types.Tag{Key: aws.String("b"), Value: aws.String("2")})
		tag(types.Tag{Key: aws.String("a"), Value: aws.String("3")})
		_, err := k.Client.UntagResource(k.ctx, &secretsmanager.UntagResourceInput{SecretId: &arn, TagKeys: []string{"b"}})
		k.must(err)
		got := map[string]string{}
		for _, t := range k.describe(arn).Tags {
			got[*t.Key] = *t.Value
		}
		k.equal("the tags", map[string]string{"a": "3"}, got)
	}},
}

var deletionRules = []rule{
	{"a secret marked for deletion can be described and restored, and nothing else", func(k *kit) {
		arn, version := k.secret()
		_, err := k.Client.DeleteSecret(k.ctx, &secretsmanager.DeleteSecretInput{SecretId: &arn, RecoveryWindowInDays: aws.Int64(7)})
		k.must(err)
		if k.describe(arn).DeletedDate == nil {
			k.Error("DescribeSecret has no DeletedDate")
		}
		const marked = "You can't perform this operation on the secret because it was marked for deletion."
		_, err = k.get(arn, "", "")
		k.refused(err, "InvalidRequestException", marked)
		k.refused(k.put(arn, id(), "x"), "InvalidRequestException", marked)
		k.refused(k.move(arn, "mine", "", version), "InvalidRequestException", marked)
		_, err = k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{Name: k.describe(arn).Name, SecretString: aws.String("x")})
		k.refused(err, "InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.")
		_, err = k.Client.RestoreSecret(k.ctx, &secretsmanager.RestoreSecretInput{SecretId: &arn})
		k.must(err)
		k.wantValue(arn, "", "", first)
	}},
	{"a recovery window has 7 to 30 days, and none where deletion is forced", func(k *kit) {
		arn, _ := k.secret()
		for _, days := range []int64{6, 31} {
			_, err := k.Client.DeleteSecret(k.ctx, &secretsmanager.DeleteSecretInput{SecretId: &arn, RecoveryWindowInDays: &days})
			k.refused(err, "InvalidParameterException", "between 7 and 30 days")
		}
		_, err := k.Client.DeleteSecret(k.ctx, &secretsmanager.DeleteSecretInput{SecretId: &arn, RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)})
		k.refused(err, "InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	}},
	{"a forced deletion is at once, frees the name, and succeeds for what is not there", func(k *kit) {
		arn, _ := k.secret()
		name := k.describe(arn).Name
		for range 2 {
			_, err := k.Client.DeleteSecret(k.ctx, &secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true)})
			k.must(err)
		}
		_, err := k.get(arn, "", "")
		k.refused(err, "ResourceNotFoundException", "")
		out, err := k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{Name: name, SecretString: aws.String("x")})
		k.must(err)
		k.forget(*out.ARN)
		if *out.ARN == arn {
			k.Error("the new secret has the old one's ARN")
		}
	}},
}
