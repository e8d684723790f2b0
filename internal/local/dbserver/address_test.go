package dbserver

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestConnect(t *testing.T) {
	started := mustStart(t, find(t, "mariadb"), Options{})
	execute(t, mustOpen(t, started), "CREATE USER plain@'%' IDENTIFIED BY 'p?a/s&s@:1'")
	execute(t, mustOpen(t, started), "GRANT ALL ON *.* TO plain@'%'")
	address := func(parameters string) string {
		return fmt.Sprintf("plain:p?a/s&s@:1@tcp(127.0.0.1:%d)/%s", started.Port, parameters)
	}
	ca := "ssl-ca=" + url.QueryEscape(started.CAFile)
	for _, test := range []struct {
		parameters string
		tls        bool
		ca         bool
	}{
		{"", false, false},
		{"?tls=skip-verify", true, false},
		{"?" + ca, true, true},
		{"?tls=true&" + ca, true, true},
		{"?" + ca + "&timeout=5s", true, true},
		{"?charset=utf8mb4&" + ca + "&timeout=5s", true, true},
	} {
		t.Run(test.parameters, func(t *testing.T) {
			server, err := Connect(t.Context(), address(test.parameters))
			if err != nil {
				t.Fatal(err)
			}
			var name, cipher string
			if err := mustOpen(t, server).QueryRowContext(t.Context(), "SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil || (cipher != "") != test.tls {
				t.Errorf("cipher %q, error %v", cipher, err)
			}
			if (server.CAFile == started.CAFile && string(server.CAPEM) == string(started.CAPEM)) != test.ca {
				t.Errorf("the CA's file is %q", server.CAFile)
			}
			if server.Flavor != MariaDB || server.Version != started.Version || server.Host != "127.0.0.1" || server.Port != started.Port ||
				server.Username != "plain" || server.Password.Reveal() != "p?a/s&s@:1" || server.Managed() {
				t.Errorf("connected to %s as %s", server, server.Username)
			}
			if server.Kill() == nil || server.Stop(t.Context()) == nil || server.Restart(t.Context()) == nil || server.DataDir() != "" || server.Pid() != 0 {
				t.Error("a server that was not started here is treated as one that was")
			}
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if started.Pid() == 0 {
		t.Error("closing a given server ended it")
	}

	t.Run("Start prefers the address", func(t *testing.T) {
		finder := Finder{Getenv: environment(AddressVariable, address(""))}
		server, err := finder.Start(t.Context(), Release{Flavor: MariaDB, Series: ""}, Options{})
		if err != nil || server.Port != started.Port {
			t.Errorf("%v, %v", server, err)
		}
		if _, err := finder.Start(t.Context(), Release{Flavor: MySQL, Series: ""}, Options{}); err == nil || !strings.Contains(err.Error(), "not MySQL") {
			t.Errorf("another flavor: %v", err)
		}
		if _, err := finder.Start(t.Context(), Release{}, Options{Args: []string{"--log-bin"}}); err == nil || !strings.Contains(err.Error(), "--log-bin") {
			t.Errorf("options: %v", err)
		}
	})
}

func TestConnectRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"root:sec%zz@tcp(127.0.0.1:3306":             "not of the form",
		"root:secret@unix(/run/mysqld.sock)/":        "only tcp",
		"root:secret@tcp(127.0.0.1:99999)/":          "not a port",
		"root:secret@tcp(127.0.0.1:1)/":              "logging in as root at 127.0.0.1:1",
		"root:secret@tcp(h:1)/?ssl-ca=%2Fno%2Ffile":  "/no/file",
		"root:secret@tcp(h:1)/?ssl-ca=%2Fdev%2Fnull": "holds no certificate",
		"root:secret@tcp(h:1)/?ssl-ca=%zz":           "not escaped",
		"root:secret@tcp(h:1)/?tls=secret":           "not of the form",
	} {
		_, err := Connect(t.Context(), address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: %v, want %q and no password", address, err, want)
		}
	}
}
