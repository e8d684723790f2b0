package dbserver

import "tandem/internal/local/dbserver/release"

// The words of package release, which users of a server need.
type (
	Flavor  = release.Flavor
	Release = release.Release
)

// The flavors.
const (
	MariaDB = release.MariaDB
	MySQL   = release.MySQL
)

// ParseRelease reads "mariadb", "mysql", "mariadb-10.5", "mysql-9"; the empty
// string is any server.
func ParseRelease(text string) (Release, error) { return release.Parse(text) }

// Usual are the releases that the tests run against: one MariaDB, and MySQL 9.
func Usual() []Release { return release.Usual() }

// Matrix are the releases that the project answers for.
func Matrix() []Release { return release.Matrix() }

// WantedReleases are those that TEST_MATRIX asks for, see release.Wanted.
func WantedReleases(matrix string) (wanted []Release, exact bool, err error) {
	return release.Wanted(matrix)
}
