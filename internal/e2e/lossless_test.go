package e2e

import (
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
)

// What SHOW CREATE USER and SHOW GRANTS print as question marks, or as what it is not,
// is copied as it is, or refused: the oracle reads bytes.
func TestWhatIsPrintedWithLosses(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		p := l.mustPair(t, mightyAdmin, "%", "10.%", "10.1.%")
		if on.Flavor == dbserver.MariaDB {
			// It keeps such a text in memory and writes none.
			l.must(t, "ALTER USER "+p.at("10.%")+" REQUIRE SUBJECT '/CN=😀'")
			if err := p.rotate(t.Context()); err == nil || !strings.Contains(err.Error(), "SUBJECT that "+p.at("10.%")+" requires") || !strings.Contains(err.Error(), "ALTER USER ... REQUIRE") {
				t.Fatalf("error %v", err)
			}
			l.must(t, "ALTER USER "+p.at("10.%")+" REQUIRE SUBJECT '/CN=é?' AND ISSUER '??''\\\\'") // as the error says
			p.mustRotate(t)
			p.mustEqual(t)
			return
		}
		for _, object := range []string{"DATABASE `losses😀`", "TABLE `losses😀`.`t😀` (`c😀` INT)", "PROCEDURE `losses😀`.`p😀`() BEGIN END", "ROLE `losses😀r`"} {
			l.must(t, "CREATE "+object)
		}
		t.Cleanup(func() { l.must(t, "DROP DATABASE `losses😀`"); l.must(t, "DROP ROLE `losses😀r`") })
		for _, change := range []string{
			"ALTER USER USER() ATTRIBUTE '{\"k😀\": 1, \"k😁\": {\"x\": \"😀\"}, \"k????\": \"????\"}'", "ALTER USER USER() COMMENT 'hello 😀?'",
			"GRANT SELECT ON `losses😀`.* TO USER()", "GRANT SELECT (`c😀`), INSERT ON `losses😀`.`t😀` TO USER()", "GRANT EXECUTE ON PROCEDURE `losses😀`.`p😀` TO USER()",
			"GRANT `losses😀r` TO USER()", "GRANT PROXY ON 'q😀'@'h😀' TO USER()",
		} {
			l.must(t, strings.ReplaceAll(change, "USER()", p.at("%")))
		}
		l.must(t, "ALTER USER "+p.at("10.%")+" REQUIRE SUBJECT '/CN=😀?' AND ISSUER '😁' AND CIPHER '?'")
		l.must(t, "ALTER USER "+p.at("10.1.%")+" REQUIRE ISSUER '😀'' CIPHER ''😁'")
		p.mustRotate(t)
		p.mustEqual(t)
		for _, change := range []string{
			"ALTER USER USER() ATTRIBUTE '{\"k😀\": null, \"k😁\": {\"x\": \"😁\"}, \"k????\": \"???😀\"}'", "ALTER USER USER() COMMENT 'hello ????'",
		} {
			l.must(t, strings.ReplaceAll(change, "USER()", p.at("%")))
		}
		l.must(t, "ALTER USER "+p.at("10.%")+" REQUIRE SUBJECT '/CN=?????' AND ISSUER '😀'")
		p.mustRotate(t)
		p.mustRotate(t)
		p.mustEqual(t)
	})
}
