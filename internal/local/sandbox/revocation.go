package sandbox

import (
	"context"
	"database/sql"
)

// revoked takes a privilege from the original, and shows that it is gone from
// both users with the next rotation.
func (d *demo) revoked(ctx context.Context) error {
	d.title("4. What the tutorials cannot show: a privilege that is revoked, and stays revoked")
	d.say("SELECT on *.* lets mytestuser read everybody's password hashes. It is narrowed while it is current:")
	d.say("REVOKE SELECT ON *.* FROM mytestuser; GRANT SELECT ON myDB.* TO mytestuser. The clone had it too.")
	if err := d.Execute(ctx, "REVOKE SELECT ON *.* FROM mytestuser", "GRANT SELECT ON myDB.* TO mytestuser"); err != nil {
		return err
	}
	d.begin(ctx, testSecret, testUser)
	if err := d.rotate(ctx, testSecret, nil); err != nil {
		return err
	}
	err := d.asBoth(ctx, testSecret, "read myDB, and was denied to read mysql.user", func(ctx context.Context, db *sql.DB) error {
		if err := readOnly(ctx, db); err != nil {
			return err
		}
		return denied(ctx, db, "DO (SELECT COUNT(*) FROM mysql.user)")
	})
	if err != nil {
		return err
	}
	return d.sameGrants(ctx, testUser)
}
