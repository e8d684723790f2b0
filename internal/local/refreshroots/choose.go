package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// prefix begins the common name of every authority of Amazon RDS. A source may
// have others beside them, of RDS Proxy for example, whose roots every system has.
const prefix = "Amazon RDS "

// choice is what was taken of a source's certificates, and how many were left out
// and why.
type choice struct {
	roots   []*x509.Certificate
	leftOut map[string]int
}

// choose takes the roots of Amazon RDS that production servers can have: no
// expired ones, none of its beta and preview environments, no intermediate ones,
// each once.
func choose(bundle []byte, now time.Time) (choice, error) {
	chosen := choice{leftOut: map[string]int{}}
	seen := map[string]bool{}
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return choice{}, fmt.Errorf("parsing a certificate of the source: %w", err)
		}
		reason := ""
		switch name := c.Subject.CommonName; {
		case seen[string(c.Raw)]:
			reason = "duplicate"
		case !strings.HasPrefix(name, prefix):
			reason = "not Amazon RDS's"
		case strings.HasPrefix(name, prefix+"Beta ") || strings.HasPrefix(name, prefix+"Preview "):
			reason = "beta or preview"
		case now.After(c.NotAfter):
			reason = "expired"
		case !selfSigned(c):
			reason = "not a root"
		}
		seen[string(c.Raw)] = true
		if reason != "" {
			chosen.leftOut[reason]++
			continue
		}
		chosen.roots = append(chosen.roots, c)
	}
	if len(chosen.roots) == 0 {
		return choice{}, errors.New("the source has no valid root certificate of Amazon RDS: look at what it answered")
	}
	slices.SortFunc(chosen.roots, func(a, b *x509.Certificate) int {
		if order := strings.Compare(a.Subject.CommonName, b.Subject.CommonName); order != 0 {
			return order
		}
		return bytes.Compare(a.Raw, b.Raw)
	})
	return chosen, nil
}

// selfSigned reports whether c is an authority that has signed itself;
// CheckSignatureFrom refuses what is no authority.
func selfSigned(c *x509.Certificate) bool {
	return c.CheckSignatureFrom(c) == nil
}

// lost returns the names of the roots of the file so far that are still good and
// that the new file would not have.
func lost(old []byte, roots []*x509.Certificate, now time.Time) []string {
	kept, err := choose(old, now)
	if err != nil {
		return nil // there is no file yet
	}
	var names []string
	for _, c := range kept.roots {
		if !slices.ContainsFunc(roots, c.Equal) {
			names = append(names, c.Subject.CommonName)
		}
	}
	return names
}

// format writes the file: the same bytes for the same roots, source and day.
func format(roots []*x509.Certificate, source string, now time.Time) []byte {
	var file bytes.Buffer
	fmt.Fprintf(&file, "# The root certificates of Amazon RDS, by region. Made by the refresh program; not to be edited.\n")
	fmt.Fprintf(&file, "# Source: %s\n", source)
	fmt.Fprintf(&file, "# Refreshed: %s\n", now.UTC().Format(time.DateOnly))
	for _, c := range roots {
		fmt.Fprintf(&file, "\n# %s, not after %s\n", c.Subject.CommonName, c.NotAfter.UTC().Format(time.DateOnly))
		file.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return file.Bytes()
}
