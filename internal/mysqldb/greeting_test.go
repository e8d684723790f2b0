package mysqldb

import (
	"crypto/tls"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A MySQL is offered what it takes, so that it asks for no other key. A MariaDB is
// offered all that Go has.
func TestCurves(t *testing.T) {
	for _, test := range []struct {
		version string
		nist    bool
	}{
		{mysqlVersion, true},
		{"8.0.42", true},
		{"8.4.6-commercial", true},
		{"5.7.44-log", true},
		{"8.0.36-0ubuntu0.22.04.1", true},
		{mariadbVersion, false},
		{"5.5.5-10.5.29-MariaDB-log", false},
		{"10.11.6-mariadb", false},
		{"unknown", false},
		{"", false},
	} {
		t.Run(test.version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				authority := newTestAuthority(t)
				s := newTLSServer(t, &tls.Config{Certificates: []tls.Certificate{authority.serving(t, time.Hour, "db.example")}})
				s.version = test.version
				if test.nist {
					s.config.CurvePreferences = mysqlCurves // as such a server has it
				}
				mustLogIn(t, s.database(one(authority.pool())))
				seen := s.seen[0]
				if seen.retried {
					t.Error("the server had to ask for another key")
				}
				if got := reflect.DeepEqual(seen.curves, mysqlCurves); got != test.nist {
					t.Errorf("offered are %v", seen.curves)
				}
				if !test.nist && (!slices.Contains(seen.curves, tls.X25519) || !slices.Contains(seen.curves, tls.X25519MLKEM768)) {
					t.Errorf("offered are only %v", seen.curves)
				}
			})
		})
	}
}

// A MariaDB that goes by another version is told by what it can do.
func TestCurvesOfDisguisedMariaDB(t *testing.T) {
	greeting := packet(0, tlsGreeting(mysqlVersion))
	if curvesFor(greeting) == nil {
		t.Error("a MySQL was not recognised")
	}
	greeting[packetHeader+1+len(mysqlVersion)+1+4+8+1] &^= 1
	if curves := curvesFor(greeting); curves != nil {
		t.Errorf("offered are %v", curves)
	}
}

// A greeting of any length is no reason to fail: the driver says what is wrong with it.
func TestCurvesOfNoGreeting(t *testing.T) {
	greeting := packet(0, tlsGreeting(mysqlVersion))
	for length := range greeting {
		if curves := curvesFor(greeting[:length]); curves != nil && length < packetHeader+1+len(mysqlVersion)+1+4+8+2 {
			t.Errorf("of %d bytes: %v", length, curves)
		}
	}
	if curves := curvesFor([]byte("HTTP/1.1 400 Bad Request\r\n")); curves != nil {
		t.Errorf("of another protocol: %v", curves)
	}
}
