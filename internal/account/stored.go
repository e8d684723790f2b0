package account

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Stored is what the servers' tables hold of an account that SHOW CREATE USER prints
// with losses: its result goes through utf8mb3, and what lies outside the Basic
// Multilingual Plane comes out as question marks, on MySQL and on MariaDB (tried on
// MySQL 9.7, MariaDB 10.5 and 11.8). Names, and what is kept for a plugin, are stored
// through utf8mb3 already, so that nothing of theirs is lost in between.
type Stored struct {
	Subject, Issuer, Cipher string // of REQUIRE
	Attribute               string // the JSON object of ATTRIBUTE, COMMENT included (MySQL); empty where there is none
}

// restore puts what the tables hold in place of what was printed. Where the two
// cannot be the same account the error is ErrUnsupported.
func (a *Account) restore(server Server, stored Stored) error {
	if server.Flavor == MySQL {
		attribute, err := canonicalObject(stored.Attribute)
		if err != nil {
			return fmt.Errorf("the attributes of %s in mysql.user are no JSON object: %w", a.Name, ErrUnsupported)
		}
		a.Attributes.Attribute = attribute
	}
	r := &a.Attributes.Requirement
	if r.Kind != RequireSpecified {
		return nil
	}
	for _, text := range []struct {
		word    string
		printed *string
		stored  string
	}{{"SUBJECT", &r.Subject, stored.Subject}, {"ISSUER", &r.Issuer, stored.Issuer}, {"CIPHER", &r.Cipher, stored.Cipher}} {
		switch {
		case !utf8.ValidString(text.stored):
			return fmt.Errorf("the %s that %s requires is no text in UTF-8, and cannot be copied: set it anew, by ALTER USER ... REQUIRE: %w", text.word, a.Name, ErrUnsupported)
		case *text.printed != text.stored && *text.printed != printed(text.stored):
			// MariaDB keeps a text with such a character in memory, and writes none.
			return fmt.Errorf("the %s that %s requires is %q to SHOW CREATE USER and %q in mysql.user, and cannot be copied: set it anew, without characters of four bytes, by ALTER USER ... REQUIRE: %w",
				text.word, a.Name, *text.printed, text.stored, ErrUnsupported)
		}
		*text.printed = text.stored
	}
	return nil
}

// printed is a text of REQUIRE as SHOW CREATE USER prints it: a question mark for each
// byte of a character outside the BMP.
func printed(text string) string {
	var out strings.Builder
	for _, c := range text {
		if c > 0xFFFF {
			out.WriteString("????")
		} else {
			out.WriteRune(c)
		}
	}
	return out.String()
}
