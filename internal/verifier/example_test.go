package verifier_test

import (
	"crypto/rand"
	"fmt"
	"log"

	"tandem/internal/redact"
	"tandem/internal/verifier"
)

// A verifier tells whether a password is the one that a server has, without a login.
// It does not print.
func ExampleMatches() {
	stored, err := verifier.New("mysql_native_password", redact.New("secret"), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	for _, password := range []string{"secret", "Secret"} {
		matches, err := verifier.Matches("mysql_native_password", stored, redact.New(password))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(stored, matches)
	}
	// Output:
	// <redacted> true
	// <redacted> false
}
