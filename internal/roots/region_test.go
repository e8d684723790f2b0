package roots

import (
	"crypto/x509"
	"regexp"
	"testing"
)

// Each embedded authority verifies what is from its own region: by the pool of a
// host there, and not by that of a host elsewhere.
func TestForHostsOfRDS(t *testing.T) {
	all, err := parse(embedded)
	if err != nil {
		t.Fatal(err)
	}
	var r Roots
	region := regexp.MustCompile(`^Amazon RDS (\S+) Root CA `)
	for _, authority := range all {
		match := region.FindStringSubmatch(authority.Subject.CommonName)
		if match == nil {
			t.Fatalf("an authority of no region: %s", authority.Subject)
		}
		for host, trusted := range map[string]bool{
			"db.c9akciq32." + match[1] + ".rds.amazonaws.com":             true,
			"DB.cluster-ro-c9akciq32." + match[1] + ".rds.amazonaws.com.": true,
			"db.c9akciq32." + elsewhere(match[1]) + ".rds.amazonaws.com":  false,
			"db.c9akciq32.mars-north-1.rds.amazonaws.com":                 true, // not in the file
			"db.global-c9akciq32.global.rds.amazonaws.com":                true,
			"db.c9akciq32.rds.cn-north-1.amazonaws.com.cn":                true,
			"db.c9akciq32.eusc-de-east-1.rds.amazonaws.eu":                true,
			"db.c9akciq32." + match[1] + ".rds.amazonaws.eu":              true,
			"db.c9akciq32." + elsewhere(match[1]) + ".rds.amazonaws.eu":   false,
			"db.c9akciq32.rds." + match[1] + ".amazonaws.eu":              true,
			"db.c9akciq32.rds." + elsewhere(match[1]) + ".amazonaws.eu.":  false,
			"pool.proxy-c9akciq32.mars-north-1.rds.amazonaws.eu":          true,
			// RDS gives its servers no certificate for a name of somebody's own.
			"db.example.com":                           false,
			"10.1.2.3":                                 false,
			match[1] + ".rds.amazonaws.com.example":    false,
			"db." + match[1] + ".rds.notamazonaws.com": false,
			"db.c9akciq32.mars-north-1.rds.amazonaws":  false,
			"db.example.amazonaws.com":                 false,
		} {
			pool, err := r.For(host)
			if err != nil {
				t.Fatal(err)
			}
			_, err = authority.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			if (err == nil) != trusted {
				t.Errorf("%s, for %s: %v", authority.Subject.CommonName, host, err)
			}
		}
	}
}

func elsewhere(region string) string {
	if region == "eu-west-1" {
		return "eu-west-2"
	}
	return "eu-west-1"
}

// A host that is none of AWS's is verified by the system's authorities, by the same pool
// each time.
func TestForOtherHosts(t *testing.T) {
	var r Roots
	pool, err := r.For("db.example.com")
	if err != nil {
		t.Fatal(err)
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if !pool.Equal(system) {
		t.Error("not the system's")
	}
	if again, _ := r.For("db.example.org"); again != pool {
		t.Error("another pool for another host")
	}
}

// The system's authorities are among those of a region, and a region is parsed once.
func TestForKeepsTheSystems(t *testing.T) {
	var r Roots
	const host = "db.c9akciq32.eu-west-1.rds.amazonaws.com"
	pool, err := r.For(host)
	if err != nil {
		t.Fatal(err)
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	own, err := parse(ofRegion("eu-west-1"))
	if err != nil || len(own) != 3 {
		t.Fatalf("%d authorities, %v", len(own), err)
	}
	for _, authority := range own {
		system.AddCert(authority)
	}
	if !pool.Equal(system) {
		t.Error("not the system's and the region's")
	}
	if again, _ := r.For(host); again != pool {
		t.Error("another pool for the same region")
	}
}
