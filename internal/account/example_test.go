package account_test

import (
	"fmt"
	"log"

	"tandem/internal/account"
	"tandem/internal/redact"
)

// parse reads one account from what a server prints.
func parse(server account.Server, name account.Name, create string, grants ...string) account.Account {
	rows := account.Rows{CreateUser: []redact.Secret{redact.New(create)}}
	for _, grant := range grants {
		rows.Grants = append(rows.Grants, redact.New(grant))
	}
	parsed, err := account.Parse(server, name, rows)
	if err != nil {
		log.Fatal(err)
	}
	return parsed
}

// On the clone's turn a plan makes it the original's equal: it gains, and loses.
func ExamplePair_Plan() {
	server, err := account.ParseServer("11.8.6-MariaDB", "MariaDB Server")
	if err != nil {
		log.Fatal(err)
	}
	const verifier = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"
	app, clone := account.Name{User: "app", Host: "%"}, account.Name{User: "app_clone", Host: "%"}
	pair := account.Pair{
		Server: server, Known: true,
		Original: account.User{Name: "app", Accounts: []account.Account{parse(server, app,
			"CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '"+verifier+"'",
			"GRANT SELECT, INSERT ON `shop`.* TO `app`@`%`")}},
		Clone: account.User{Name: "app_clone", Accounts: []account.Account{parse(server, clone,
			"CREATE USER `app_clone`@`%` IDENTIFIED BY PASSWORD '"+verifier+"'",
			"GRANT SELECT, DELETE ON `shop`.* TO `app_clone`@`%`")}},
	}
	plan, err := pair.Plan(account.Merge, account.TurnOfClone, func(string) (redact.Secret, error) { return redact.New(verifier), nil })
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range plan.Statements() {
		fmt.Println(s)
	}
	lacks, beyond := pair.Drift()
	fmt.Println("lacks", lacks)
	fmt.Println("beyond", beyond)
	// Output:
	// REVOKE DELETE ON `shop`.* FROM 'app_clone'@'%'
	// GRANT INSERT ON `shop`.* TO 'app_clone'@'%'
	// lacks [INSERT ON `shop`.*]
	// beyond [DELETE ON `shop`.*]
}
