package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/go-sql-driver/mysql"

	"tandem/internal/redact"
)

// The names of the tutorials, and those of what comes after them.
const (
	adminSecret  = "SecretsManagerTutorialAdmin"
	appSecret    = "SecretsManagerTutorialAppuser"
	appUser      = "appuser"
	appDatabase  = "myDB"
	masterSecret = "MyTestDatabaseMasterSecret"
	masterUser   = "adminuser"
	testSecret   = "MyTestDatabaseUserSecret"
	testUser     = "mytestuser"
	shopSecret   = "Shop"
	shopUser     = "shopuser"
	shopDatabase = "shop"
)

// What the demo creates on a server, clones aside.
var (
	demoUsers     = []string{Admin, masterUser, appUser, testUser, shopUser}
	demoDatabases = []string{appDatabase, shopDatabase}
)

// createApplication makes myDB and appuser, as tutorial 1 does, and both secrets.
func (s *Sandbox) createApplication(ctx context.Context) (admin, app string, password redact.Secret, err error) {
	if admin, err = s.administrator(ctx, adminSecret, Admin); err != nil {
		return "", "", password, err
	}
	password = redact.New(NewPassword())
	if err = s.Execute(ctx, "CREATE DATABASE "+appDatabase); err != nil {
		return "", "", password, err
	}
	if err = s.CreateUser(ctx, appUser, "%", password.Reveal()); err != nil {
		return "", "", password, err
	}
	if err = s.Execute(ctx, "GRANT ALL PRIVILEGES ON "+appDatabase+".* TO '"+appUser+"'@'%'"); err != nil {
		return "", "", password, err
	}
	app, err = s.CreateSecret(ctx, appSecret, appUser, password.Reveal(), map[string]any{"dbname": appDatabase, "masterarn": admin})
	return admin, app, password, err
}

// alternatingUsers is the tutorial "Set up alternating users rotation".
func (d *demo) alternatingUsers(ctx context.Context) error {
	d.title("1. \"Set up alternating users rotation for AWS Secrets Manager\"")
	admin, app, password, err := d.createApplication(ctx)
	if err != nil {
		return err
	}
	d.admin = admin
	d.keep(aPassword, password)
	administrator, err := d.prerequisite(ctx, admin)
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	d.say("CREATE DATABASE myDB; CREATE USER 'appuser'@'%%'; GRANT ALL PRIVILEGES ON myDB.* TO 'appuser'@'%%'")
	d.say("Its credentials are stored in the secret %s, and rotated by those in", appSecret)
	d.say("%s: at once, then twice more. Between these, the admin is rotated again.", adminSecret)
	d.begin(ctx, app, appUser)
	rules := &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(2), Duration: aws.String("2h")}
	for i := range 3 {
		if i > 0 {
			if err := administrator.again(ctx); err != nil {
				return err
			}
		}
		if err := d.rotate(ctx, app, rules); err != nil {
			return err
		}
		rules = nil
		if err := d.asBoth(ctx, app, "created, filled, read and dropped a table in myDB", useAll); err != nil {
			return err
		}
	}
	return d.sameGrants(ctx, appUser)
}

// useAll uses privileges of all kinds on the database.
func useAll(ctx context.Context, db *sql.DB) error {
	for _, sent := range []string{
		"CREATE TABLE visits (id INT PRIMARY KEY, page VARCHAR(20))",
		"INSERT INTO visits VALUES (1, 'home'), (2, 'cart')",
		"UPDATE visits SET page = 'shop' WHERE id = 2",
	} {
		if _, err := db.ExecContext(ctx, sent); err != nil {
			return err
		}
	}
	var count int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM visits WHERE page IN ('home', 'shop')").Scan(&count); err != nil {
		return err
	}
	if count != 2 {
		return fmt.Errorf("read %d rows of 2", count)
	}
	_, err := db.ExecContext(ctx, "DROP TABLE visits")
	return err
}

// userWithMasterSecret is the tutorial "Rotating a User Secret with a Master
// Secret".
func (d *demo) userWithMasterSecret(ctx context.Context) error {
	d.title("2. \"Rotating a User Secret with a Master Secret\"")
	d.say("CREATE USER mytestuser; GRANT SELECT ON *.* TO mytestuser")
	d.say("Its credentials are stored in the secret %s, and rotated by those of %s in", testSecret, masterUser)
	d.say("%s: twice, so that both users have their turn.", masterSecret)
	master, err := d.administrator(ctx, masterSecret, masterUser)
	if err != nil {
		return err
	}
	if err := d.keepCurrent(ctx, master); err != nil {
		return err
	}
	password := redact.New(NewPassword())
	d.keep(aPassword, password)
	if err := d.CreateUser(ctx, testUser, "%", password.Reveal()); err != nil {
		return err
	}
	if err := d.Execute(ctx, "GRANT SELECT ON *.* TO mytestuser",
		"CREATE TABLE myDB.orders (id INT PRIMARY KEY, total INT)", "INSERT INTO myDB.orders VALUES (1, 20), (2, 22)"); err != nil {
		return err
	}
	user, err := d.CreateSecret(ctx, testSecret, testUser, password.Reveal(), map[string]any{"masterarn": master})
	if err != nil {
		return err
	}
	d.begin(ctx, user, testUser)
	rules := &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)}
	for range 2 {
		if err := d.rotate(ctx, user, rules); err != nil {
			return err
		}
		rules = nil
		if err := d.asBoth(ctx, user, "read a table, and was denied to write to it", readOnly); err != nil {
			return err
		}
	}
	return d.sameGrants(ctx, testUser)
}

// readOnly reads, and expects to be denied to write.
func readOnly(ctx context.Context, db *sql.DB) error {
	var total int
	if err := db.QueryRowContext(ctx, "SELECT SUM(total) FROM myDB.orders").Scan(&total); err != nil {
		return err
	}
	if total != 42 {
		return fmt.Errorf("read %d, and 42 was written", total)
	}
	return denied(ctx, db, "INSERT INTO myDB.orders VALUES (3, 1)")
}

// The numbers of the errors by which a server refuses a statement for want of a
// privilege.
//
// Source: MySQL 8.4 Error Message Reference; MariaDB Error Codes.
var deniedNumbers = []uint16{
	1044, // ER_DBACCESS_DENIED_ERROR
	1142, // ER_TABLEACCESS_DENIED_ERROR
	1143, // ER_COLUMNACCESS_DENIED_ERROR
}

// denied expects the server to refuse a statement for want of a privilege.
func denied(ctx context.Context, db *sql.DB, sent string) error {
	_, err := db.ExecContext(ctx, sent)
	if err == nil {
		return fmt.Errorf("was allowed %s", sent)
	}
	var refused *mysql.MySQLError
	if errors.As(err, &refused) && slices.Contains(deniedNumbers, refused.Number) {
		return nil
	}
	return err
}

// keepCurrent notes the password of a secret.
func (d *demo) keepCurrent(ctx context.Context, secretID string) error {
	document, err := d.Current(ctx, secretID)
	if err == nil {
		d.keep(aPassword, document.Password())
	}
	return err
}
