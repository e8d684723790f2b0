package rotation

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// renew is what a rotation makes of the current document: it has other credentials, in its
// connection strings too, unless CONNECTION_STRINGS is keep. It depends on nothing but
// what it is given, so that each step can make the document again and compare.
func (s Settings) renew(current secret.Document, username string, password redact.Secret) (secret.Renewal, error) {
	if s.KeepConnectionStrings {
		next, err := current.WithCredentials(username, password)
		return secret.Renewal{Document: next}, err
	}
	return current.Renew(username, password)
}

// makes reports whether a pending document is what comes of the current one.
func (s Settings) makes(current, pending secret.Document) bool {
	want, err := s.renew(current, pending.Username(), pending.Password())
	return err == nil && want.Raw().Equal(pending.Raw())
}

// differences are the keys in which a pending document is not what comes of the current
// one.
func (s Settings) differences(current, pending secret.Document) []string {
	want, err := s.renew(current, pending.Username(), pending.Password())
	if err != nil {
		want.Document = current
	}
	return want.Differences(pending, current.Password())
}

// connectionStrings is the value of CONNECTION_STRINGS.
func (s Settings) connectionStrings() string {
	if s.KeepConnectionStrings {
		return "keep"
	}
	return "renew"
}

// moreTries is how often another password is asked for where one cannot be written into a
// connection string. Without the characters in the way the next one fits.
const moreTries = 3

// renewWithFitting is renew with a password that fits into each connection string which can
// have one. Where the given one does not, Secrets Manager is asked for another. unfit is
// what stood in the way.
func (s step) renewWithFitting(ctx context.Context, current secret.Document, username string, password redact.Secret) (next secret.Renewal, unfit secret.Unfit, err error) {
	next, err = s.Settings.renew(current, username, password)
	if err != nil || next.Unwritten.Count == 0 {
		return next, unfit, err
	}
	unfit = current.Unfit(username, s.Settings.PasswordCharacters)
	without := unfit.Characters
	if !s.Settings.canDoWithout(without) {
		without = "" // it may fit by chance
	}
	for try := 0; try < moreTries && next.Unwritten.Count > unfit.Never.Count; try++ {
		if password, err = s.Secrets.RandomPassword(ctx, without); err != nil {
			return secret.Renewal{}, unfit, fmt.Errorf("making another password, as the first cannot be written in the connection strings %s: %w", strings.Join(next.Unwritten.Listed(), ", "), err)
		}
		if next, err = s.Settings.renew(current, username, password); err != nil {
			return secret.Renewal{}, unfit, err
		}
	}
	return next, unfit, nil
}

// canDoWithout reports whether a password may be made without these characters: where one
// character of each kind is asked for, Secrets Manager makes none without any punctuation.
func (s Settings) canDoWithout(characters string) bool {
	return characters == "" || !s.PasswordOfEachKind && strings.Trim(s.PasswordCharacters, characters) != "" || strings.ContainsFunc(s.PasswordCharacters, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(characters, r)
	})
}

// stringsLeft is what there is to say of strings that will have an old password.
type stringsLeft struct {
	secret.Names
	text, remedy string
}

// copiesLeft are the strings that a renewal leaves since it cannot tell whose they are.
func copiesLeft(next secret.Renewal) stringsLeft {
	return stringsLeft{next.Left, "strings in the secret that contain the password will keep it, as they are no connection strings with exactly the current username and password, " +
		"or the document has no room for the new ones", warning.Remedy(warning.OldPasswordLeft)}
}

// unwritten are connection strings that a renewal leaves since these characters are in the
// way, or since no password can be written in them, where there are none.
func unwritten(names secret.Names, characters string) stringsLeft {
	left := stringsLeft{names, "connection strings will keep the username and password that they have, which end with the rotation after that, as a new password cannot be written in them",
		"write them so that all who read them find the same user and password, or have the application take username and password, and take them out of the secret"}
	if characters != "" {
		left.remedy = "put the current username and password into them, which later rotations renew once these characters are excluded, by EXCLUDE_CHARACTERS where it leaves other punctuation, or else by EXCLUDE_PUNCTUATION=true: " + characters
	}
	return left
}

// outdated says which connection strings have had an old password before. before are
// documents that were current.
func (s Settings) outdated(current secret.Document, before ...secret.Document) (found stringsLeft, doubtful int) {
	if s.KeepConnectionStrings {
		return stringsLeft{}, 0
	}
	names, doubtful := current.Outdated([]string{current.Username(), s.next(current.Username())}, before...)
	return stringsLeft{
		names, "connection strings have another password than the one under " + Current + ", which the server does not take once the next password is set, if it does now",
		"put the current username and password into them, which later rotations renew, or take them out of the secret",
	}, doubtful
}

// warnOfPasswordsLeft names, for whoever looks after the secret, the strings in it that
// will have an old password, or have one already.
func (s step) warnOfPasswordsLeft(ctx context.Context, current secret.Document, next secret.Renewal, unfit secret.Unfit) {
	outdated, _ := s.Settings.outdated(current)
	hindered := next.Unwritten.Without(unfit.Never)
	for _, left := range []stringsLeft{copiesLeft(next), unwritten(unfit.Never, ""), unwritten(hindered, unfit.Characters), outdated} {
		if left.Count > 0 {
			s.warn(ctx, warning.OldPasswordLeft, left.text+": "+left.remedy, "keys", left.Listed(), "keysCount", left.Count)
		}
	}
}

// foretell adds to what a check says of the document what the next rotation makes of its
// connection strings, whatever its password will be.
func (i *inspection) foretell(ctx context.Context, o outcome, labels Labels, current secret.Document) outcome {
	username := i.Settings.next(current.Username())
	next, err := i.Settings.renew(current, username, redact.New(strings.Repeat("x", max(1, len(i.unused.Reveal())))))
	if err != nil || i.Settings.KeepConnectionStrings {
		return o // the check "admin" reports an error
	}
	if next.Renewed.Count > 0 {
		o.detail += fmt.Sprintf("; a rotation renews the connection strings %s", strings.Join(next.Renewed.Listed(), ", "))
	}
	unfit := current.Unfit(username, i.Settings.PasswordCharacters)
	hindered := stringsLeft{}
	if unfit.Characters != "" && i.Settings.canDoWithout(unfit.Characters) {
		o.detail += fmt.Sprintf("; its password is made without the characters that cannot be written in %s: %s", strings.Join(unfit.Strings.Listed(), ", "), unfit.Characters)
	} else if unfit.Characters != "" {
		hindered = unwritten(unfit.Strings, unfit.Characters)
		hindered.text = "those in which its password cannot be written stay as they are"
	}
	outdated, doubtful := i.Settings.outdated(current)
	if doubtful > 0 {
		previous, unread := i.labelled(ctx, labels, Previous)
		if outdated, _ = i.Settings.outdated(current, previous.Document); unread != nil {
			o.detail += fmt.Sprintf("; whether connection strings of other hosts have the credentials under %s is not known: %v", Previous, unread)
		}
	}
	var remedies []string
	for _, left := range []stringsLeft{copiesLeft(next), unwritten(next.Unwritten, ""), hindered, outdated} {
		if left.Count > 0 {
			o.detail += fmt.Sprintf("; %s: %s", left.text, strings.Join(left.Listed(), ", "))
			remedies = append(remedies, left.remedy)
		}
	}
	if len(remedies) > 0 {
		o.result, o.kind, o.remedy = ResultAttention, warning.OldPasswordLeft, strings.Join(remedies, "; ")
	}
	return o
}
