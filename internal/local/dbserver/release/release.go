// Package release names the releases of database servers.
package release

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Flavor tells the two families of servers apart.
type Flavor string

// The flavors.
const (
	MariaDB Flavor = "mariadb"
	MySQL   Flavor = "mysql"
)

// String returns the flavor's name as people write it.
func (f Flavor) String() string {
	switch f {
	case MariaDB:
		return "MariaDB"
	case MySQL:
		return "MySQL"
	}
	return "MariaDB or MySQL"
}

// Release says which server is wanted. The zero value is any server.
type Release struct {
	// Flavor is the family, or empty for either.
	Flavor Flavor
	// Series is the beginning of a version, whole numbers between dots: "9",
	// "10.5". Empty is any version.
	Series string
}

var releaseForm = regexp.MustCompile(`^(mariadb|mysql)(?:-([0-9]+(?:\.[0-9]+)*))?$`)

// Parse reads "mariadb", "mysql", "mariadb-10.5", "mysql-9"; the empty
// string is any server.
func Parse(text string) (Release, error) {
	if text == "" {
		return Release{}, nil
	}
	parts := releaseForm.FindStringSubmatch(text)
	if parts == nil {
		return Release{}, fmt.Errorf("%q names no server release: write mariadb, mysql, mariadb-10.5 or mysql-9", text)
	}
	return Release{Flavor(parts[1]), parts[2]}, nil
}

// String returns the release as Parse reads it, and "any server" for the
// zero value.
func (r Release) String() string {
	switch {
	case r.Flavor == "":
		return "any server"
	case r.Series == "":
		return string(r.Flavor)
	}
	return string(r.Flavor) + "-" + r.Series
}

// Title returns the release as people write it: "MariaDB 10.5".
func (r Release) Title() string {
	return strings.TrimSpace(r.Flavor.String() + " " + r.Series)
}

// Matches reports whether a server of this flavor and version is what r asks for.
func (r Release) Matches(flavor Flavor, version string) bool {
	if r.Flavor != "" && r.Flavor != flavor {
		return false
	}
	if r.Series == "" {
		return true
	}
	rest, found := strings.CutPrefix(version, r.Series)
	return found && (rest == "" || rest[0] < '0' || rest[0] > '9')
}

// Series shortens a version to what is named a release series: "10.11", "9.7".
func Series(version string) string {
	major, minor, found := strings.Cut(version, ".")
	if !found {
		return version
	}
	end := strings.IndexFunc(minor, func(c rune) bool { return c < '0' || c > '9' })
	if end >= 0 {
		minor = minor[:end]
	}
	return major + "." + minor
}

var programVersion = regexp.MustCompile(`Ver\s+([0-9]+\.[0-9]+\.[0-9]+[^\s,]*)`)

// ParseProgramVersion reads what mariadbd or mysqld prints for --version.
func ParseProgramVersion(output string) (Flavor, string, error) {
	parts := programVersion.FindStringSubmatch(output)
	if parts == nil {
		return "", "", fmt.Errorf("no version in %q", strings.TrimSpace(output))
	}
	if strings.Contains(output, "MariaDB") {
		return MariaDB, parts[1], nil
	}
	return MySQL, parts[1], nil
}

// oldest are the oldest series that the function supports, and so the oldest
// that is of use here.
var oldest = map[Flavor][2]int{MariaDB: {10, 4}, MySQL: {5, 7}}

// TooOld reports whether a version is older than the function supports.
func TooOld(flavor Flavor, version string) bool {
	major, minor, _ := strings.Cut(Series(version), ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	limit := oldest[flavor]
	return errA != nil || errB != nil || a < limit[0] || a == limit[0] && b < limit[1]
}

// Usual are the releases that the tests run against: one MariaDB, and MySQL 9.
func Usual() []Release { return []Release{{MariaDB, ""}, {MySQL, "9"}} }

// Matrix are the releases that the project answers for.
func Matrix() []Release {
	return []Release{{MariaDB, "10.5"}, {MariaDB, "10.11"}, {MariaDB, "11.8"}, {MySQL, "9"}}
}

// Wanted reads TEST_MATRIX: nothing is Usual, 1 is Matrix, and else it names releases, as
// Parse reads them, with spaces between. exact: no other series will do for one.
func Wanted(matrix string) (wanted []Release, exact bool, err error) {
	if matrix == "" {
		return Usual(), false, nil
	}
	if all, err := strconv.ParseBool(matrix); err == nil {
		if all {
			return Matrix(), true, nil
		}
		return Usual(), false, nil
	}
	for _, name := range strings.Fields(matrix) {
		one, err := Parse(name)
		if err != nil || one.Flavor == "" {
			return nil, false, fmt.Errorf("TEST_MATRIX is %q: set it to 1 or to releases (mariadb-10.5 mysql-9), or not at all", matrix)
		}
		wanted = append(wanted, one)
	}
	return wanted, true, nil
}

// Compare tells which of two versions is the newer: less than 0 where it is b.
func Compare(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		if errX != nil || errY != nil {
			return strings.Compare(a, b)
		}
		if x != y {
			return x - y
		}
	}
	return len(as) - len(bs)
}
