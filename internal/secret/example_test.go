package secret_test

import (
	"fmt"
	"log"

	"tandem/internal/redact"
	"tandem/internal/secret"
)

// An edit replaces two values, and leaves every other byte where it was.
func ExampleDocument_WithCredentials() {
	document, err := secret.Parse(redact.New(`{ "engine":"mysql", "host":"db.example.com",  "username":"app", "password":"old", "team": {"id": 1.0} }`))
	if err != nil {
		log.Fatal(err)
	}
	pending, err := document.WithCredentials(secret.Other(document.Username()), redact.New("new"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pending)
	fmt.Println(pending.Raw().Reveal())
	// Output:
	// <redacted>
	// { "engine":"mysql", "host":"db.example.com",  "username":"app_clone", "password":"new", "team": {"id": 1.0} }
}

// The two names of a pair lead to each other.
func ExampleOther() {
	fmt.Println(secret.Other("app"), secret.Other("app_clone"))
	// Output: app_clone app
}
