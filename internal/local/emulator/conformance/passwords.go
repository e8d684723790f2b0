package conformance

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	number = "0123456789"
	punct  = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

func (k *kit) password(in *secretsmanager.GetRandomPasswordInput) string {
	k.Helper()
	out, err := k.Client.GetRandomPassword(k.ctx, in)
	k.must(err)
	return *out.RandomPassword
}

var passwordRules = []rule{
	{"GetRandomPassword gives 32 characters, each class among them", func(k *kit) {
		password := k.password(&secretsmanager.GetRandomPasswordInput{})
		k.equal("the length", 32, len(password))
		for _, class := range []string{lower, upper, number, punct} {
			if !strings.ContainsAny(password, class) {
				k.Errorf("the password has none of %s", class)
			}
		}
		if strings.Trim(password, lower+upper+number+punct) != "" {
			k.Error("the password has a character of no class")
		}
	}},
	{"GetRandomPassword takes 1 to 4096 characters", func(k *kit) {
		for _, length := range []int64{1, 4096} {
			password := k.password(&secretsmanager.GetRandomPasswordInput{PasswordLength: &length, RequireEachIncludedType: aws.Bool(false)})
			k.equal("the length", int(length), len(password))
		}
		for _, length := range []int64{0, 4097} {
			_, err := k.Client.GetRandomPassword(k.ctx, &secretsmanager.GetRandomPasswordInput{PasswordLength: &length})
			k.refused(err, "ValidationException", "'passwordLength'")
		}
	}},
	{"GetRandomPassword leaves out what is excluded, class by class and character by character", func(k *kit) {
		const all = lower + upper + number + punct
		for left, in := range map[string]*secretsmanager.GetRandomPasswordInput{
			upper + number + punct: {ExcludeLowercase: aws.Bool(true)},
			lower + number + punct: {ExcludeUppercase: aws.Bool(true)},
			lower + upper + punct:  {ExcludeNumbers: aws.Bool(true)},
			lower + upper + number: {ExcludePunctuation: aws.Bool(true)},
			strings.NewReplacer("a", "", "'", "", `\`, "").Replace(all): {ExcludeCharacters: aws.String(`a'\`)},
			all + " ": {IncludeSpace: aws.Bool(true)},
		} {
			in.PasswordLength = aws.Int64(4096)
			password := k.password(in)
			// Of 4096 characters of at most 95 none is missing by chance: the
			// probability is below 1e-16.
			for _, c := range all + " " {
				if strings.ContainsRune(password, c) != strings.ContainsRune(left, c) {
					k.Errorf("%q: in the password %v, want %v", c, !strings.ContainsRune(left, c), strings.ContainsRune(left, c))
				}
			}
		}
	}},
	{"GetRandomPassword puts the required classes in any place", func(k *kit) {
		starts := map[bool]bool{}
		for range 64 { // all alike by chance: below 1e-8
			starts[strings.ContainsAny(k.password(&secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(4)})[:1], lower)] = true
		}
		k.equal("the number of ways to start", 2, len(starts))
	}},
	{"GetRandomPassword refuses what cannot be", func(k *kit) {
		for what, in := range map[string]*secretsmanager.GetRandomPasswordInput{
			"nothing left":         {ExcludeLowercase: aws.Bool(true), ExcludeUppercase: aws.Bool(true), ExcludeNumbers: aws.Bool(true), ExcludePunctuation: aws.Bool(true)},
			"four types in three":  {PasswordLength: aws.Int64(3)},
			"a type with no space": {ExcludeCharacters: aws.String(number)},
		} {
			_, err := k.Client.GetRandomPassword(k.ctx, in)
			if err == nil {
				k.Errorf("%s: succeeded", what)
				continue
			}
			k.refused(err, "InvalidParameterException", "")
		}
	}},
}
