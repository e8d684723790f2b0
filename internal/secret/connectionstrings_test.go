package secret_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tandem/internal/redact"
	"tandem/internal/secret"
)

// withStrings is a document of app, whose password is given, that has more members.
func withStrings(t *testing.T, password, members string) secret.Document {
	t.Helper()
	document, err := secret.Parse(redact.New(`{"engine":"mysql","host":"h","username":"app","password":` + quoted(password) + members + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// quoted is a JSON string.
func quoted(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// renewed puts app_clone and next into the one string of a document, and returns what
// became of it, and whether it was named as left.
func renewed(t *testing.T, text, former, next string) (got string, left bool) {
	t.Helper()
	document := withStrings(t, former, `,"url":`+quoted(text))
	renewal, err := document.Renew("app_clone", redact.New(next))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := json.Unmarshal([]byte(renewal.Raw().Reveal()), &values); err != nil {
		t.Fatal(err)
	}
	if (values["url"] != text) != (renewal.Renewed.Count == 1) || renewal.Left.Count+renewal.Unwritten.Count > 1 {
		t.Errorf("%q became %q: renewed %v, unwritten %v, left %v", text, values["url"], renewal.Renewed, renewal.Unwritten, renewal.Left)
	}
	return values["url"].(string), renewal.Left.Count+renewal.Unwritten.Count == 1
}

// What has one of the forms and exactly the current credentials is renewed.
func TestRenew(t *testing.T) {
	for _, test := range []struct{ name, text, former, next, want string }{
		{"URL", "mysql://app:OLD@h/db", "OLD", "new", "mysql://app_clone:new@h/db"},
		{"everything around it", "mysql://app:OLD@[::1]:3306/a%20b?x=app&y=%2f#z", "OLD", "new", "mysql://app_clone:new@[::1]:3306/a%20b?x=app&y=%2f#z"},
		{"white space around it", " mysql://app:OLD@h/db\n", "OLD", "new", " mysql://app_clone:new@h/db\n"},
		{"another scheme", "mysql+pymysql://app:OLD@h/db?charset=utf8mb4", "OLD", "new", "mysql+pymysql://app_clone:new@h/db?charset=utf8mb4"},
		{"letter case", "MySQL2://app:OLD@h", "OLD", "new", "MySQL2://app_clone:new@h"},
		{"a new password that is escaped", "mariadb://app:OLD@h/db", "OLD", "p@s/s:w?#%+ é&", "mariadb://app_clone:p%40s%2Fs%3Aw%3F%23%25%2B%20%C3%A9&@h/db"},
		{"any spelling of the old", "mysql://%61pp:%4fL%44@h/db", "OLD", "new", "mysql://app_clone:new@h/db"},
		{"an old password as it stands", "mysql://app:O!$L;D@h/db", "O!$L;D", "new", "mysql://app_clone:new@h/db"},
		{"a colon and an @ in it", "mysql://app:O:L@D@h/db", "O:L@D", "new", "mysql://app_clone:new@h/db"},
		{"a plus sign", "mysql://app:O+LD@h/db", "O+LD", "new", "mysql://app_clone:new@h/db"},
		{"a plus sign that is a space", "mysql://app:O+LD@h/db", "O LD", "new", "mysql://app_clone:new@h/db"},
		{"a percent sign that escapes nothing", "mysql://app:100%@h/db", "100%", "new", "mysql://app_clone:new@h/db"},
		{"what ought to be escaped", "mysql://app:O/L#D?@h/db?x=y@z", "O/L#D?", "new", "mysql://app_clone:new@h/db?x=y@z"},
		{"a DSN of Go behind a scheme", "mysql://app:OLD@tcp(h:3306)/db", "OLD", "n/w", "mysql://app_clone:n%2Fw@tcp(h:3306)/db"},
		{"the password elsewhere too", "mysql://app:app@app/app?app", "app", "new", "mysql://app_clone:new@app/app?app"},
		{"several hosts", "mysqlx://app:OLD@[h1:1,(address=h2,priority=1)]/db", "OLD", "n(w", "mysqlx://app_clone:n%28w@[h1:1,(address=h2,priority=1)]/db"},
		{"several URLs", "mysql://app:OLD@h1/db, mysql://app:OLD@h2/db mysql://ro:x@h3/db", "OLD", "new", "mysql://app_clone:new@h1/db, mysql://app_clone:new@h2/db mysql://ro:x@h3/db"},
		{"several URLs, in the query", "mysql://h1?user=app&password=OLD|mysql://app:OLD@h2", "OLD", "new", "mysql://h1?user=app_clone&password=new|mysql://app_clone:new@h2"},
		{"R2DBC", "r2dbc:pool:mysql://app:OLD@h/db", "OLD", "n@w", "r2dbc:pool:mysql://app_clone:n%40w@h/db"},

		{"JDBC", "jdbc:mysql://app:OLD@h:3306/db?useSSL=true", "OLD", "new", "jdbc:mysql://app_clone:new@h:3306/db?useSSL=true"},
		{"JDBC, in the query", "jdbc:mysql://h/db?a=b&user=app&password=OLD&c=d", "OLD", "!$'()*,;:@/?n=w", "jdbc:mysql://h/db?a=b&user=app_clone&password=!$'()*,;:@/?n=w&c=d"},
		{"JDBC, in the query, what has to be escaped", "jdbc:mysql://h/db?a=b&user=app&password=OLD&c=d", "OLD", "n%w+x&y#z w", "jdbc:mysql://h/db?a=b&user=app_clone&password=n%25w%2Bx%26y%23z%20w&c=d"},
		{"JDBC, in the query, and back", "jdbc:mysql:loadbalance://h/db?user=app&password=a%2Bb%26c", "a+b&c", "new", "jdbc:mysql:loadbalance://h/db?user=app_clone&password=new"},
		{"JDBC, a fragment behind other parameters", "jdbc:mysql://app:OLD@h/db?x=y#z", "OLD", "new", "jdbc:mysql://app_clone:new@h/db?x=y#z"},
		{"JDBC, in the query, escaped", "jdbc:mysql://h/db?user=%61pp&password=O%4CD", "OLD", "n-w", "jdbc:mysql://h/db?user=app_clone&password=n-w"},
		{"JDBC, in the query, a new line behind it", "jdbc:mysql://h/db?user=app&password=OLD\r\n", "OLD", "new", "jdbc:mysql://h/db?user=app_clone&password=new\r\n"},
		{"a new line behind the query", "mysql://h/db?password=OLD&user=app\n", "OLD", "new", "mysql://h/db?password=new&user=app_clone\n"},
		{"JDBC of MariaDB, a new line behind it", "jdbc:mariadb://h/db?user=app&password=OLD\n", "OLD", "new", "jdbc:mariadb://h/db?user=app_clone&password=new\n"},
		{"what RFC 3986 allows before the host", "mysql://app:OLD@h/db", "OLD", "!$&'*;=-._~", "mysql://app_clone:!$&'*;=-._~@h/db"},
		{"what means something to some before the host", "mysql://app:OLD@h/db", "OLD", "(+,)", "mysql://app_clone:%28%2B%2C%29@h/db"},
		{"what looks like a key of the host in a password", "mysql://app:x(user=app)y@h/db", "x(user=app)y", "new", "mysql://app_clone:new@h/db"},
		{"JDBC, the keys in any case", "jdbc:mysql://h/db?USER=app&Password=OLD", "OLD", "new", "jdbc:mysql://h/db?USER=app_clone&Password=new"},
		{"JDBC, in both", "jdbc:mysql://app@h/db?password=OLD", "OLD", "new", "jdbc:mysql://app_clone@h/db?password=new"},
		{"JDBC, an @ in the query", "jdbc:mysql://h/db?user=app&password=O@LD", "O@LD", "new", "jdbc:mysql://h/db?user=app_clone&password=new"},
		{"JDBC of AWS", "jdbc:mysql:aws://h/db?user=app&password=OLD", "OLD", "n=w", "jdbc:mysql:aws://h/db?user=app_clone&password=n=w"},
		{"JDBC of AWS's wrapper", "jdbc:aws-wrapper:mysql://h/db?user=app&password=OLD", "OLD", "new", "jdbc:aws-wrapper:mysql://h/db?user=app_clone&password=new"},
		{"JDBC of AWS's wrapper, for MariaDB", "jdbc:aws-wrapper:mariadb://h/db?user=app&password=O%41D", "OAD", "n&w+%41", "jdbc:aws-wrapper:mariadb://h/db?user=app_clone&password=n%26w%2B%2541"},
		{"JDBC of MariaDB, which escapes nothing", "jdbc:mariadb://h/db?user=app&password=O%41#D", "O%41#D", "n@w%41", "jdbc:mariadb://h/db?user=app_clone&password=n@w%41"},
		{"JDBC of MariaDB behind P6Spy", "jdbc:p6spy:mariadb://h/db?user=app&password=O%41D", "O%41D", "n@w%41+#", "jdbc:p6spy:mariadb://h/db?user=app_clone&password=n@w%41+#"},
		{"JDBC of MariaDB behind OpenTelemetry", "jdbc:otel:mariadb://h/db?user=app&password=OLD", "OLD", "n%w", "jdbc:otel:mariadb://h/db?user=app_clone&password=n%w"},
		{"JDBC of MariaDB behind two, with a kind of hosts", "JDBC:log4jdbc:otel:MariaDB:replication://h/db?user=app&password=OLD", "OLD", "n%w", "JDBC:log4jdbc:otel:MariaDB:replication://h/db?user=app_clone&password=n%w"},
		{"JDBC of MariaDB behind AWS's wrapper and another", "jdbc:otel:aws-wrapper:mariadb://h/db?user=app&password=OLD", "OLD", "n%w", "jdbc:otel:aws-wrapper:mariadb://h/db?user=app_clone&password=n%25w"},
		{"JDBC of MariaDB, by MySQL's name", "jdbc:mysql://h/db?permitMysqlScheme&user=app&password=OLD", "OLD", "n%w", "jdbc:mysql://h/db?permitMysqlScheme&user=app_clone&password=n%w"},
		{"JDBC of MariaDB, kinds of hosts", "jdbc:mariadb:replication://h1,address=(host=h2)(type=replica)/db?user=app&password=OLD", "OLD", "new",
			"jdbc:mariadb:replication://h1,address=(host=h2)(type=replica)/db?user=app_clone&password=new"},
		{"JDBC, credentials of each host", "jdbc:mysql://app:OLD@h1:1,app:OLD@h2/db", "OLD", "n,w", "jdbc:mysql://app_clone:n%2Cw@h1:1,app_clone:n%2Cw@h2/db"},
		{"JDBC, credentials of one of the hosts", "jdbc:mysql:replication://app:OLD@h1,ro:x@h2/db", "OLD", "new", "jdbc:mysql:replication://app_clone:new@h1,ro:x@h2/db"},
		{"JDBC, keys of each host", "jdbc:mysql://[(host=h1,user=app,password=OLD),address=(host=h2)(user=app)(password=OLD)]/db", "OLD", "n)w",
			"jdbc:mysql://[(host=h1,user=app_clone,password=n%29w),address=(host=h2)(user=app_clone)(password=n%29w)]/db"},
		{"JDBC, a comma in an address", "jdbc:mysql://address=(host=h2)(user=app)(password=O,D)/db", "O,D", "new", "jdbc:mysql://address=(host=h2)(user=app_clone)(password=new)/db"},
		{"JDBC, a user for all hosts", "jdbc:mysql://(host=h1,password=OLD),(host=h2,password=OLD)/db?user=app", "OLD", "new",
			"jdbc:mysql://(host=h1,password=new),(host=h2,password=new)/db?user=app_clone"},

		{"MySQL Shell's", "app:OLD@h:3306/db?ssl-mode=REQUIRED", "OLD", "n@w", "app_clone:n%40w@h:3306/db?ssl-mode=REQUIRED"},
		{"MySQL Shell's, the host alone", "app:OLD@db.example.com", "OLD", "new", "app_clone:new@db.example.com"},

		{"Go's", "app:OLD@tcp(h:3306)/db?parseTime=true", "OLD", "new", "app_clone:new@tcp(h:3306)/db?parseTime=true"},
		{"Go's, which escapes nothing", "app:O/L@D%41:@tcp(h)/", "O/L@D%41:", "n/w@:%()?", "app_clone:n/w@:%()?@tcp(h)/"},
		{"Go's, the shortest", "app:OLD@/", "OLD", "n@w", "app_clone:n@w@/"},
		{"Go's, a socket", "app:OLD@unix(/run/mysqld.sock)/db", "OLD", "n@w", "app_clone:n@w@unix(/run/mysqld.sock)/db"},
		{"Go's, a network of one's own", "app:OLD@cloudsql(a:b:c)/db", "OLD", "n@w", "app_clone:n@w@cloudsql(a:b:c)/db"},
		{"Go's, like MySQL Shell's", "app:OLD@tcp/db", "OLD", "new", "app_clone:new@tcp/db"},

		{"PDO", "mysql:host=h;dbname=db;user=app;password=OLD", "OLD", "new", "mysql:host=h;dbname=db;user=app_clone;password=new"},
		{"PDO, a semicolon", "mysql:password=O;;D;user=app; host=h", "O;D", "n;w'\"=@", "mysql:password=n;;w'\"=@;user=app_clone; host=h"},

		{"ADO.NET", "Server=h;Port=3306;Database=db;Uid=app;Pwd=OLD;", "OLD", "new", "Server=h;Port=3306;Database=db;Uid=app_clone;Pwd=new;"},
		{"ADO.NET, other keys", "server = h; user id = app ; PASSWORD = OLD ; x=y", "OLD", "new", "server = h; user id = app_clone ; PASSWORD = new ; x=y"},
		{"ADO.NET, not to be quoted", "Data Source=h;User Id=app;Password=OLD", "OLD", "n!w=#$ {[(%&,:@", "Data Source=h;User Id=app_clone;Password=n!w=#$ {[(%&,:@"},
		{"ADO.NET, an equals sign first", "Server=h;Uid=app;Pwd=OLD", "OLD", "=n", `Server=h;Uid=app_clone;Pwd="=n"`},
		{"ADO.NET, a space first", "Server=h;Uid=app;Pwd=OLD", "OLD", " n", `Server=h;Uid=app_clone;Pwd=" n"`},
		{"ADO.NET, a control character", "Server=h;Uid=app;Pwd=OLD", "OLD", "n\tw", "Server=h;Uid=app_clone;Pwd=\"n\tw\""},
		{"ADO.NET, a quote", "Server=h;Uid=app;Pwd=OLD", "OLD", "n'w", `Server=h;Uid=app_clone;Pwd="n'w"`},
		{"ADO.NET, to be quoted", "Data Source=h;User Id=app;Password=OLD", "OLD", `n;w"'`, `Data Source=h;User Id=app_clone;Password="n;w""'"`},
		{"ADO.NET, quoted", `Server=h;Uid='app';Pwd="O;L""D'"`, `O;L"D'`, `n'"`, `Server=h;Uid='app_clone';Pwd="n'"""`},
		{"ADO.NET, braces quote nothing", `Server=h;Uid=app;Pwd={OLD}`, `{OLD}`, `new`, `Server=h;Uid=app_clone;Pwd=new`},
		{"ODBC", "Driver={MySQL ODBC 9.0 Unicode Driver};Server=h;UID=app;PWD=OLD", "OLD", "new", "Driver={MySQL ODBC 9.0 Unicode Driver};Server=h;UID=app_clone;PWD=new"},
		{"ODBC of MariaDB", "Driver={MariaDB ODBC 3.2 Driver};Server=h;UID=app;PWD=OLD", "OLD", "new", "Driver={MariaDB ODBC 3.2 Driver};Server=h;UID=app_clone;PWD=new"},
		{"ODBC, a driver's file", "Driver=/usr/lib/odbc/libmyodbc9w.so;Server=h;UID=app;PWD=OLD", "OLD", "new", "Driver=/usr/lib/odbc/libmyodbc9w.so;Server=h;UID=app_clone;PWD=new"},
		{"ODBC, a driver that says nothing", "Driver={Shop};Server=h;UID=app;PWD=OLD", "OLD", "new", "Driver={Shop};Server=h;UID=app_clone;PWD=new"},
		{"ODBC, a driver that names this engine and another", "Driver={SQL Server to MySQL};Server=h;UID=app;PWD=OLD", "OLD", "new", "Driver={SQL Server to MySQL};Server=h;UID=app_clone;PWD=new"},
		{"ADO.NET, a provider", "Provider=MySqlConnector;Server=h;UID=app;PWD=OLD", "OLD", "new", "Provider=MySqlConnector;Server=h;UID=app_clone;PWD=new"},
		{"the data API of Aurora", "mysql+auroradataapi://app:OLD@h/db", "OLD", "new", "mysql+auroradataapi://app_clone:new@h/db"},
		{"Aurora's driver", "jdbc:mysql:aurora://h/db?user=app&password=OLD", "OLD", "new", "jdbc:mysql:aurora://h/db?user=app_clone&password=new"},
		{"ODBC, to be quoted", "DSN=x;UID=app;PWD=OLD", "OLD", "n;}w", "DSN=x;UID=app_clone;PWD={n;}}w}"},
		{"ODBC, quoted", "DSN=x;UID={app};PWD={O}}L;D}", "O}L;D", "new", "DSN=x;UID={app_clone};PWD={new}"},
		{"ADO over ODBC", "Provider=MSDASQL;Driver={MySQL};Server=h;Uid=app;Pwd=OLD", "OLD", "new", "Provider=MSDASQL;Driver={MySQL};Server=h;Uid=app_clone;Pwd=new"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, left := renewed(t, test.text, test.former, test.next)
			if got != test.want {
				t.Errorf("%s\nbecame %s\nwant   %s", test.text, got, test.want)
			}
			if wantLeft := test.former == "app"; left != wantLeft {
				t.Errorf("named as left: %v", left)
			}
		})
	}
}

// Everything else stays as it is. It is named where it contains the password, however
// that is spelled.
func TestRenewLeaves(t *testing.T) {
	for _, test := range []struct {
		name, text, former string
		named              bool
	}{
		{"another user", "mysql://ro:OLD@h/db", "OLD", true},
		{"another user, by its case", "mysql://App:OLD@h/db", "OLD", true},
		{"another password", "mysql://app:other@h/db", "OLD", false},
		{"a longer password", "mysql://app:OLDER@h/db", "OLD", true},
		{"no password", "mysql://app@h/db", "OLD", false},
		{"no user", "mysql://:OLD@h/db", "OLD", true},
		{"the other user of the pair", "mysql://app_clone:OLD@h/db", "OLD", true},
		{"one of several", "jdbc:mysql://app:OLD@h/db?user=ro", "OLD", true},
		{"a longer password, with an @", "mysql://app:OLD@x@h/db", "OLD", true},
		{"a longer password, with an @ and what ought to be escaped", "mysql://app:O/D@x@h/db", "O/D", true},
		{"another reading", "mysql://app:x@h1/a@h2/db", "x@h1/a", true},
		{"percent-encoded elsewhere", "https://h/?next=mysql%3A%2F%2Fapp%3AO%2FLD%40h", "O/LD", true},
		{"percent-encoded where nothing is decoded", "jdbc:mariadb://h/db?user=app&password=O%2FLD", "O/LD", true},
		{"the password alone", "OLD", "OLD", true},
		{"a command", "mysql -uapp -pOLD", "OLD", true},
		{"a line of a file", "DATABASE_URL=mysql://app:OLD@h/db", "OLD", true},
		{"JSON in a string", `{"a":["x",{"url":"mysql:\/\/app:O\u0026LD@h"}]}`, "O&LD", true},
		{"JSON in a string, a key", ` {"O\u0026LD":1}`, "O&LD", true},
		{"a quote that is doubled", "Server=h;Pwd='O''LD'", "O'LD", true},
		{"an entity of XML", `<add connectionString="Server=h;Pwd=O&amp;L&lt;D"/>`, "O&L<D", true},
		{"an entity by its number", "Pwd=O&#39;L&#x22;&#X26;D", `O'L"&D`, true},
		{"an entity of an entity", "Pwd=O&amp;lt;D", "O&lt;D", true},
		{"Python's ConfigParser", "url = mysql://ro:O%%LD@h/db", "O%LD", true},
		{"a dollar sign that is doubled", "DB_PASSWORD=O$$LD", "O$LD", true},
		{"several that are doubled", "x='a%%b$$c''d'", "a%b$c'd", true},
		{"a quote behind a backslash", `password = "O\"LD"`, `O"LD`, true},
		{"a backslash behind a backslash", `password=O\\LD\:x`, `O\LD:x`, true},
		{"a character by its number behind a backslash", `password=O\u0026L\x26D`, "O&L&D", true},
		{"a shell's quote", `mysql -p'O'\''LD'`, "O'LD", true},
		{"a shell's quote in double ones", `mysql -p'O'"'"'LD'`, "O'LD", true},
		{"a shell's backslashes", `mysql -pO\&\$LD`, "O&$LD", true},
		{"a shell's line in a file of XML", `<run>mysql -p&apos;O&apos;\&apos;&apos;LD&apos;</run>`, "O'LD", true},
		{"Go's, another network", "app:O/D@host/db", "O/D", true},
		{"MySQL Shell's, a socket", "app:OLD@(/run/mysqld.sock)/db", "OLD", true},
		{"PDO without a user", "mysql:host=h;password=OLD", "OLD", true},
		{"PDO's keys in another case", "mysql:host=h;User=app;Password=OLD", "OLD", true},
		{"ADO, not closed", "Server=h;Uid=app;Pwd='OLD", "OLD", true},
		{"ADO, more behind the quotes", "Server=h;Uid=app;Pwd='OLD'x=y", "OLD", true},
		{"ADO, two equals signs", "Server=h;Uid=app;Pwd==OLD", "=OLD", true},
		{"JSON that looks like ADO", `["Server=h;Uid=app;Pwd=OLD;Port=3306"]`, "OLD", true},
		{"a list that looks like ADO", `[x=1;Server=h;Uid=app;Pwd=OLD`, "OLD", true},
		{"an object that looks like ADO", ` {x=1;Server=h;Uid=app;Pwd=OLD`, "OLD", true},
		{"a string of JSON that looks like ADO", `"x=1;Server=h;Uid=app;Pwd=OLD`, "OLD", true},
		{"an object that looks like ODBC", ` {x=1;Driver=x;Uid=app;Pwd=OLD`, "OLD", true},
		{"a shell's variables", "export X=1;Uid=app;Pwd=OLD;run=x", "OLD", true},
		{"a shell's variables, with a server", "$HOST=1;Server=h;Uid=app;Pwd=OLD", "OLD", true},
		{"a program", "Server=h;if (x<y) z=1;Uid=app;Pwd=OLD", "OLD", true},
		{"lines", "Server=h;a\nb=c;Uid=app;Pwd=OLD", "OLD", true},
		{"ADO without a server", "Uid=app;Pwd=OLD;Database=db", "OLD", true},
		{"the same credentials for Redis", "redis://app:OLD@h:6379/0", "OLD", true},
		{"the same credentials for a site", "https://app:OLD@h/", "OLD", true},
		{"the same credentials for PostgreSQL", "jdbc:postgresql://h/db?user=app&password=OLD", "OLD", true},
		{"PostgreSQL by Aurora's data API", "postgresql+auroradataapi://app:OLD@h/db", "OLD", true},
		{"Aurora for PostgreSQL", "aurora-postgresql://app:OLD@h/db", "OLD", true},
		{"PostgreSQL of Percona", "percona-postgres://app:OLD@h/db", "OLD", true},
		{"MongoDB of Percona", "percona-mongodb+srv://app:OLD@h/db", "OLD", true},
		{"ODBC of PostgreSQL", "Driver={PostgreSQL Unicode};Server=h;UID=app;PWD=OLD", "OLD", true},
		{"ODBC of PostgreSQL, a file", "Driver=/usr/lib/odbc/psqlodbcw.so;Server=h;UID=app;PWD=OLD", "OLD", true},
		{"ODBC of PostgreSQL, a DSN", "DSN=PostgreSQL35W;UID=app;PWD=OLD", "OLD", true},
		{"ODBC of SQL Server", "DRIVER={ODBC Driver 18 for SQL Server};Server=h;UID=app;PWD=OLD", "OLD", true},
		{"ODBC of FreeTDS", "Driver = FreeTDS ;Server=h;UID=app;PWD=OLD", "OLD", true},
		{"ODBC of Oracle", "Driver={Oracle in OraClient19Home1};Server=h;UID=app;PWD=OLD", "OLD", true},
		{"ADO of SQL Server", "Provider=MSOLEDBSQL;Server=h;UID=app;PWD=OLD", "OLD", true},
		{"ADO of SQL Server, quoted", "Provider='SQLNCLI11.1';Data Source=h;User ID=app;Password=OLD", "OLD", true},
		{"ADO of SQL Server over ODBC", "Provider=MSDASQL;Driver={SQL Server};Server=h;UID=app;PWD=OLD", "OLD", true},
		{"JDBC, a fragment", "jdbc:mysql://h/db?user=app&password=OLD#x", "OLD", true},
		{"JDBC, one of several behind a fragment", "jdbc:mysql://app:OLD@h/db?user=ro#x", "OLD", true},
		{"nothing", "", "OLD", false},
		{"something else", "prod", "OLD", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, left := renewed(t, test.text, test.former, "new")
			if got != test.text || left != test.named {
				t.Errorf("%q became %q, named as left: %v", test.text, got, left)
			}
		})
	}
}

// A connection string in whose form the new credentials cannot be written is left.
func TestRenewLeavesWhatCannotBeWritten(t *testing.T) {
	for _, test := range []struct{ name, text, next, unfit string }{
		{"JDBC of MariaDB", "jdbc:mariadb://h/db?user=app&password=OLD", "n&w", "&"},
		{"PDO", "mysql:host=h;user=app;password=OLD", "n\x00w", ""},
		{"ADO.NET", "Server=h;Uid=app;Pwd=OLD", "n\x00w", ""},
		{"ADO.NET, quoted", "Server=h;Uid=app;Pwd='OLD'", "n\x00w", ""},
		{"ADO over ODBC", "Provider=MSDASQL;Driver={MySQL};Server=h;Uid=app;Pwd=OLD", "n;w", "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}"},
		{"Go's or MySQL Shell's", "app:OLD@tcp/db", "n%w", "\"#%()+,/:<>?@[\\]^`{|}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			document := withStrings(t, "OLD", `,"url":`+quoted(test.text))
			got, err := document.Renew("app_clone", redact.New(test.next))
			if alone, failed := document.WithCredentials("app_clone", redact.New(test.next)); err != nil || failed != nil || !got.Raw().Equal(alone.Raw()) {
				t.Errorf("it is another document: %v", err)
			}
			if !slices.Equal(got.Unwritten.First, []string{"url"}) || got.Renewed.Count+got.Left.Count > 0 {
				t.Errorf("renewed %v, unwritten %v, left %v", got.Renewed, got.Unwritten, got.Left)
			}
			unfit := document.Unfit("app_clone", punctuation)
			if (unfit.Strings.Count == 1) != (test.unfit != "") || unfit.Characters != test.unfit || unfit.Never.Count > 0 {
				t.Errorf("unfit are %q in %v, and never %v", unfit.Characters, unfit.Strings, unfit.Never)
			}
		})
	}
}

// punctuation is that of ASCII.
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// What no password can be written in is told apart from what some can; and of a document in
// which all can be written nothing is said.
func TestUnfit(t *testing.T) {
	for _, test := range []struct {
		name, members, allowed string
		strings, never         []string
		characters             string
	}{
		{"none", ``, punctuation, nil, nil, ""},
		{"every character fits", `,"a":"mysql://app:OLD@h","b":"app:OLD@tcp(h)/","c":"mysql:user=app;password=OLD","d":"Server=h;Uid=app;Pwd=OLD","e":"DSN=x;Uid=app;Pwd={OLD}","f":"jdbc:mysql://h/?user=app&password=OLD"`, punctuation, nil, nil, ""},
		{"one does not", `,"a":"jdbc:mariadb://h/?user=app&password=OLD","b":["jdbc:otel:mariadb://h/?user=app&password=OLD"],"c":"mysql://app:OLD@h"`, punctuation, []string{"a", "b[0]"}, nil, "&"},
		{"it is excluded", `,"a":"jdbc:mariadb://h/?user=app&password=OLD"`, "!#", nil, nil, ""},
		{"of several strings", `,"a":"jdbc:mariadb://h/?user=app&password=OLD","b":"app:OLD@tcp/db"`, "&~+ab", []string{"a", "b"}, nil, "&+"},
		{"a copy", `,"a":"OLD","b":"mysql://ro:OLD@h"`, punctuation, nil, nil, ""},
		{"never", `,"a":"mysql://app:OLD@x@h"`, punctuation, nil, []string{"a"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			former := "OLD"
			if test.never != nil {
				former = "O/D" // which ends at the first @ where it ought to be escaped
			}
			got := withStrings(t, former, strings.ReplaceAll(test.members, "OLD", former)).Unfit("app_clone", test.allowed)
			if !slices.Equal(got.Strings.First, test.strings) || !slices.Equal(got.Never.First, test.never) || got.Characters != test.characters {
				t.Errorf("unfit are %q in %v, and never %v", got.Characters, got.Strings, got.Never)
			}
		})
	}
}

// Where no character is unfit, and no string takes none, each password can be written.
func TestUnfitTellsOfEveryPassword(t *testing.T) {
	texts := []string{
		"jdbc:mariadb://h/?user=app&password=OLD", "app:OLD@tcp/db", "app:OLD@h/", "Provider=MSDASQL;Driver={MySQL};Server=h;Uid=app;Pwd=OLD", "mysql://app:OLD@h", "mysql:user=app;password=OLD",
		"Server=h;Uid=app;Pwd=OLD", "DSN=x;Uid=app;Pwd={OLD}", "jdbc:mysql://h/?user=app&password=OLD", "jdbc:mysql://(user=app,password=OLD)/", "mysql://app:OLD@tcp(h)/", "jdbc:mysql://h/?permitMysqlScheme&user=app&password=OLD",
	}
	allowed := punctuation + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for _, text := range texts {
		document := withStrings(t, "OLD", `,"url":`+quoted(text))
		unfit := document.Unfit("app_clone", allowed).Characters
		fit := strings.Map(func(r rune) rune {
			if strings.ContainsRune(unfit, r) {
				return -1
			}
			return r
		}, allowed)
		rapid.Check(t, func(t *rapid.T) {
			password := rapid.StringOfN(rapid.SampledFrom([]rune(fit)), 1, 32, -1).Draw(t, "password")
			if got, err := document.Renew("app_clone", redact.New(password)); err != nil || got.Renewed.Count != 1 {
				t.Fatalf("%q without %q: renewed %v, %v", text, unfit, got.Renewed, err)
			}
		})
		for _, r := range unfit {
			if got, err := document.Renew("app_clone", redact.New("x"+string(r)+"x"+string(r))); err != nil || got.Renewed.Count != 0 {
				t.Errorf("%q with %q: renewed %v, %v", text, r, got.Renewed, err)
			}
		}
	}
}

// Strings are found at any depth, are named by their place in the document, and keep the
// bytes that need not change, escapes too.
func TestRenewInTheDocument(t *testing.T) {
	document := withStrings(t, "OLD", ` , "urls" : [ "mysql:\/\/app:OLD@h\u002fdb", {"primary":"mysql://\u0061pp:\u004fLD@h/\u00e9\ud83d\ude00"} ],`+
		`"a.b": {"": "OLD"}, "é": [["x","OLD"]], "my OLD key": {"again":"OLD"}, "half":"mysql://app:OLD@h/\ud800",`+
		`"n":12345678901234567890.10, "twice":{"k":"OLD","k":"mysql://app:OLD@h"}, "replica":{"username":"app","password":"OLD"},"pdo":"mysql:dbname=\u00e9\ud83d\ude00;user=app;password=OLD"`)
	renewal, err := document.Renew("app_clone", redact.New(`n"w`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"engine":"mysql","host":"h","username":"app_clone","password":"n\"w" , "urls" : [ "mysql:\/\/app_clone:n%22w@h\u002fdb", {"primary":"mysql://app_clone:n%22w@h/\u00e9\ud83d\ude00"} ],` +
		`"a.b": {"": "OLD"}, "é": [["x","OLD"]], "my OLD key": {"again":"OLD"}, "half":"mysql://app:OLD@h/\ud800",` +
		`"n":12345678901234567890.10, "twice":{"k":"OLD","k":"mysql://app_clone:n%22w@h"}, "replica":{"username":"app","password":"OLD"},"pdo":"mysql:dbname=\u00e9\ud83d\ude00;user=app_clone;password=n\"w"}`
	if diff := cmp.Diff(want, renewal.Raw().Reveal()); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"urls[0]", "urls[1].primary", "twice.k", "pdo"}, renewal.Renewed.First); diff != "" {
		t.Errorf("renewed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`"a.b".""`, `"é"[0][1]`, "<redacted>", "<redacted>.again", "half", "twice.k", "replica.password"}, renewal.Left.First); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if renewal.Username() != "app_clone" || renewal.Password().Reveal() != `n"w` {
		t.Errorf("the document has %q", renewal.Username())
	}
}

// The keys that the function itself reads are no copies, whatever the password is.
func TestRenewOwnKeys(t *testing.T) {
	renewal, err := withStrings(t, "password", `,"ssl":true,"note":{"password":"x"}`).Renew("app_clone", redact.New("new"))
	if err != nil || !slices.Equal(renewal.Left.First, []string{"note.<redacted>"}) {
		t.Errorf("%v, %v", renewal.Left, err)
	}
}

// A document in which the renewed strings have no room gets the credentials alone.
func TestRenewWhereThereIsNoRoom(t *testing.T) {
	document := withStrings(t, "OLD", `,"url":"mysql://app:OLD@h","copy":"OLD","dsn":"app:OLD@tcp(h)/"`)
	long := strings.Repeat("x", secret.MaxBytes/2)
	renewal, err := document.Renew("app_clone", redact.New(long))
	if err != nil {
		t.Fatal(err)
	}
	if alone, err := document.WithCredentials("app_clone", redact.New(long)); err != nil || !renewal.Raw().Equal(alone.Raw()) {
		t.Errorf("it is another document: %v", err)
	}
	if renewal.Renewed.Count != 0 || !cmp.Equal(renewal.Left, secret.Names{First: []string{"url", "copy", "dsn"}, Count: 3}) {
		t.Errorf("renewed %v, left %v", renewal.Renewed, renewal.Left)
	}
}

// However many strings there are, and however deep, the first are named, briefly.
func TestRenewNamesTheFirst(t *testing.T) {
	deep := strings.Repeat("[", 9000) + `"OLD"` + strings.Repeat(`,"OLD"`, 5000) + strings.Repeat("]", 9000)
	renewal, err := withStrings(t, "OLD", `,"`+strings.Repeat("k", 70)+`":`+deep).Renew("app_clone", redact.New("new"))
	if err != nil {
		t.Fatal(err)
	}
	if renewal.Left.Count != 5001 || len(renewal.Left.First) != 20 {
		t.Fatalf("%d are left, %d named", renewal.Left.Count, len(renewal.Left.First))
	}
	if want := strings.Repeat("k", 64) + "..." + strings.Repeat("[0]", 11) + "..." + strings.Repeat("[0]", 32) + "[19]"; renewal.Left.First[19] != want {
		t.Errorf("name %q\nwant %q", renewal.Left.First[19], want)
	}
	if listed := renewal.Left.Listed(); len(listed) != 21 || listed[20] != "and 4981 more" {
		t.Errorf("listed %q", listed)
	}
}

// A key with a password in it, or that may have one, is named nowhere.
func TestKeysWithPasswordsAreHidden(t *testing.T) {
	members := func(value string) string {
		return `,"my OLD key":` + value + `,"next key":` + value + `,"mysql://ro:x@h":` + value + `,"a@b":` + value + `,"x://y":` + value + `,"note":` + value
	}
	hidden := []string{redact.Mark, redact.Mark, redact.Mark, redact.Mark}
	current, pending := withStrings(t, "OLD", members(`"OLD"`)), withStrings(t, "next", members(`"other"`))
	got := current.Differences(pending)
	slices.Sort(got)
	if diff := cmp.Diff(append([]string{`"note"`}, append(hidden, redact.Mark)...), got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	got = withStrings(t, "next", members(`"x"`)).Differences(pending, redact.New("OLD"))
	if slices.ContainsFunc(got, func(key string) bool { return strings.Contains(key, "OLD") }) || len(got) != 6 {
		t.Errorf("differences %q", got)
	}
	renewal, err := current.Renew("app_clone", redact.New("new"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(renewal.Left.First)
	if diff := cmp.Diff([]string{`"next key"`, redact.Mark, redact.Mark, redact.Mark, redact.Mark, redact.Mark, "note"}, renewal.Left.First); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	for _, raw := range []string{
		`{"my OLD key":1,"my OLD key":2,"password":"OLD"}`,
		`{"password":"OLD","my O\u004cD key":"` + "\xff" + `"}`,
		`{"password":"x","password":"OLD","my OLD key":1,"my OLD key":2}`,
	} {
		if _, err := secret.Parse(redact.New(raw)); err == nil || strings.Contains(err.Error(), "OLD") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestRenewRefuses(t *testing.T) {
	document := withStrings(t, "OLD", `,"url":"mysql://app:OLD@h"`)
	for _, c := range [][2]string{{"", "new"}, {"app_clone", ""}, {"app\xff", "new"}, {"app_clone", "\xff"}, {"app_clone", strings.Repeat("x", secret.MaxBytes)}} {
		renewal, err := document.Renew(c[0], redact.New(c[1]))
		if err == nil || renewal.Raw().Reveal() != "" {
			t.Errorf("%.20q, %.20q: %v", c[0], c[1], err)
		}
	}
	if renewal, err := document.Renew("app", redact.New("OLD")); err != nil || renewal.Raw().Reveal() != document.Raw().Reveal() {
		t.Errorf("nothing to change: %v", err)
	}
	if _, err := document.Renew("app", redact.New(strings.Repeat("x", secret.MaxBytes))); !strings.Contains(fmt.Sprint(err), "Secrets Manager stores 65536") {
		t.Error(err)
	}
}
