package emulator

import (
	"strings"
)

// The classes of characters that GetRandomPassword draws from (API Reference).
const (
	lowercase   = "abcdefghijklmnopqrstuvwxyz"
	uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits      = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

const defaultPasswordLength = 32

type getRandomPasswordInput struct {
	PasswordLength          *int64
	ExcludeCharacters       *string
	ExcludeNumbers          bool
	ExcludePunctuation      bool
	ExcludeUppercase        bool
	ExcludeLowercase        bool
	IncludeSpace            bool
	RequireEachIncludedType *bool // true if absent
}

type getRandomPasswordOutput struct {
	RandomPassword string
}

func (s *Service) getRandomPassword(_ *request, in getRandomPasswordInput) (any, error) {
	var v validation
	v.between("passwordLength", in.PasswordLength, 1, 4096)
	if in.ExcludeCharacters != nil {
		v.size("excludeCharacters", "", len(*in.ExcludeCharacters), 0, 4096)
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	length := defaultPasswordLength
	if in.PasswordLength != nil {
		length = int(*in.PasswordLength)
	}
	without := func(class string) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(deref(in.ExcludeCharacters), r) {
				return -1
			}
			return r
		}, class)
	}

	var all, password string
	required := in.RequireEachIncludedType == nil || *in.RequireEachIncludedType
	for _, class := range []struct {
		name, characters string
		excluded         bool
	}{
		{"lowercase letter", lowercase, in.ExcludeLowercase},
		{"uppercase letter", uppercase, in.ExcludeUppercase},
		{"number", digits, in.ExcludeNumbers},
		{"punctuation character", punctuation, in.ExcludePunctuation},
	} {
		if class.excluded {
			continue
		}
		left := without(class.characters)
		all += left
		if !required {
			continue
		}
		if left == "" {
			return nil, invalidParameter("RequireEachIncludedType requires at least one %s, and ExcludeCharacters leaves none.", class.name)
		}
		password += randomText(1, left)
	}
	if in.IncludeSpace {
		all += without(" ")
	}
	if all == "" {
		return nil, invalidParameter("The parameters exclude every character that a password could be made of.")
	}
	if len(password) > length {
		return nil, invalidParameter("PasswordLength %d is too short to hold one character of each of the %d included types.", length, len(password))
	}
	password += randomText(length-len(password), all)
	return getRandomPasswordOutput{shuffled(password)}, nil
}

// shuffled hides which places hold the characters that were drawn for their class.
func shuffled(text string) string {
	b := []byte(text)
	for i := len(b) - 1; i > 0; i-- {
		j := randomBelow(i + 1)
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
