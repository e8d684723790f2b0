package secret

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// maxHost is how long a host name may be: a name of DNS has 253 characters.
//
// Source: RFC 1035, 2.3.4 "Size limits".
const maxHost = 253

// errNotAHost is the error for a host in which there is something else, or more
// than one meaning.
var errNotAHost = fmt.Errorf("key %q is not a host name or an IP address: set it to the server's name or address alone", keyHost)

// endpoint reads host and port. What has one meaning is taken as meant, since
// people copy endpoints together with what is around them: white space, a line's
// end, the brackets of an IPv6 address, or the port, where the key port says the
// same or nothing.
func (o object) endpoint() (host string, port int, err error) {
	text, err := o.requiredText(keyHost)
	if err != nil {
		return "", 0, err
	}
	host, digits, err := splitHost(text)
	if err != nil {
		return "", 0, err
	}
	port, err = o.port()
	if err != nil {
		return "", 0, err
	}
	if digits == "" {
		if own := lastGroup(strings.TrimSpace(text)); own != 0 && (!o.namesPort() || own == port) {
			return "", 0, fmt.Errorf("key %q is an IPv6 address, or one with a port behind it: put the address in brackets", keyHost)
		}
		return host, port, nil
	}
	own, ok := parsePort(digits)
	switch {
	case !ok:
		return "", 0, fmt.Errorf("key %q has a port in it that is no whole number from 1 to 65535: set it to the server's name or address alone", keyHost)
	case o.namesPort() && own != port:
		return "", 0, fmt.Errorf("key %q has another port in it than key %q: set it to the server's name or address alone", keyHost, keyPort)
	}
	return host, own, nil
}

// splitHost takes a host apart, and a port that is in it; empty for none.
func splitHost(text string) (host, port string, err error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", "", fmt.Errorf("key %q is empty: give it a value", keyHost)
	case strings.Contains(text, "://"):
		return "", "", fmt.Errorf("key %q is a URL: set it to the server's name or address alone", keyHost)
	case strings.HasPrefix(text, "["):
		inside, behind, closed := strings.Cut(text[1:], "]")
		address, err := netip.ParseAddr(inside)
		port, separated := strings.CutPrefix(behind, ":")
		if err != nil || !closed || !address.Is6() || behind != "" && (!separated || port == "") {
			return "", "", errNotAHost
		}
		return inside, port, checkCharacters(inside)
	}
	if address, err := netip.ParseAddr(text); err == nil && address.Is6() { // with colons of its own
		return text, "", checkCharacters(text)
	}
	host, port, separated := strings.Cut(text, ":")
	if separated && port == "" || strings.Contains(port, ":") {
		return "", "", errNotAHost
	}
	return host, port, checkHost(host)
}

// lastGroup is the last group of an IPv6 address without brackets that is one without it, too,
// where that group may be a port; or else 0.
func lastGroup(text string) int {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return 0
	}
	if _, err := netip.ParseAddr(text[:at]); err != nil {
		return 0
	}
	port, ok := parsePort(text[at+1:])
	if !ok {
		return 0
	}
	return port
}

// checkHost refuses what is no name of DNS, and no IPv4 address. A name may end in a dot.
func checkHost(host string) error {
	if strings.Contains(host, "%") || slices.Contains(strings.Split(strings.TrimSuffix(host, "."), "."), "") {
		return errNotAHost
	}
	return checkCharacters(host)
}

// checkCharacters refuses what no host has in it, such as a path, a user, a list or a
// line's end.
func checkCharacters(host string) error {
	if len(host) > maxHost {
		return fmt.Errorf("key %q has %d bytes, and a host name at most %d: set it to the server's name or address alone", keyHost, len(host), maxHost)
	}
	if host == "" || strings.ContainsFunc(host, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._:%", r)
	}) {
		return errNotAHost
	}
	return nil
}

// namesPort reports whether the key port says which.
func (o object) namesPort() bool {
	switch o.kind(keyPort) {
	case kindAbsent, kindNull:
		return false
	case kindString:
		text, err := o.text(keyPort)
		return err != nil || text != ""
	}
	return true
}

// parsePort reads plain decimal digits.
func parsePort(digits string) (port int, ok bool) {
	if digits == "" || len(digits) > len("65535") || strings.Trim(digits, "0123456789") != "" || digits[0] == '0' {
		return 0, false
	}
	for _, digit := range digits {
		port = 10*port + int(digit-'0')
	}
	return port, port <= 65535
}

// maxSecretID is how long the name or ARN of a secret may be.
//
// Source: AWS Secrets Manager API Reference, GetSecretValue, SecretId.
const maxSecretID = 2048

// adminARN reads the name of the admin's secret, without white space around it.
func (o object) adminARN() (string, error) {
	text, err := o.optionalText(keyAdminARN)
	if err != nil {
		return "", err
	}
	text = strings.TrimSpace(text)
	if len(text) > maxSecretID || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("key \"" + keyAdminARN + "\" is not the ARN of a secret: set it to the ARN alone")
	}
	return text, nil
}
