package statement_test

import (
	"fmt"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// Whatever varies goes through a quoter, and a secret part does not print.
func ExampleBuilder() {
	s := statement.New("ALTER USER ").Account("o'brien", "10.%").SQL(" IDENTIFIED BY ").Secret(redact.New("pass'word")).Statement()
	fmt.Println(s)
	fmt.Println(s.Reveal())
	// Output:
	// ALTER USER 'o''brien'@'10.%' IDENTIFIED BY <redacted>
	// ALTER USER 'o''brien'@'10.%' IDENTIFIED BY 'pass''word'
}
