package account

import (
	"net/netip"
	"strings"

	"tandem/internal/statement"
)

// Name is an account's name. A role of MariaDB has no host.
type Name struct{ User, Host string }

// String quotes the name as the servers' statements do.
func (n Name) String() string {
	return statement.Literal(n.User) + "@" + statement.Literal(n.Host)
}

// sameHost compares hosts, which servers keep in lower case.
func sameHost(a, b string) bool { return strings.EqualFold(a, b) }

// covers reports whether every client that the host pattern inner lets in is also
// let in by outer. Where it cannot tell it says no.
//
// Source: MySQL 8.4 Reference Manual, 8.2.4 "Specifying Account Names" and 8.2.6
// "Access Control, Stage 1": wildcards % and _, an escaping backslash, and
// addresses with a netmask or a prefix length.
func covers(outer, inner string) bool {
	outer, inner = strings.ToLower(outer), strings.ToLower(inner)
	if outer == "" || outer == "%" || outer == inner {
		return true
	}
	outerNet, outerIsNet := network(outer)
	innerNet, innerIsNet := network(inner)
	switch {
	case strings.Contains(inner, `\`): // an escaped wildcard is too rare to reason about
		return false
	case outerIsNet && innerIsNet:
		return outerNet.Bits() <= innerNet.Bits() && outerNet.Contains(innerNet.Addr())
	case outerIsNet:
		address, err := netip.ParseAddr(inner)
		return err == nil && outerNet.Contains(address)
	case innerIsNet:
		pattern, ok := wildcard(innerNet)
		return ok && matches(outer, pattern)
	}
	return matches(outer, inner)
}

// network reads an address with a netmask or a prefix length.
func network(host string) (netip.Prefix, bool) {
	address, mask, found := strings.Cut(host, "/")
	if !found {
		return netip.Prefix{}, false
	}
	if prefix, err := netip.ParsePrefix(host); err == nil {
		return prefix.Masked(), true
	}
	base, err := netip.ParseAddr(address)
	if err != nil || !base.Is4() {
		return netip.Prefix{}, false
	}
	bits, err := netip.ParseAddr(mask)
	if err != nil || !bits.Is4() {
		return netip.Prefix{}, false
	}
	ones, open := 0, false
	for _, octet := range bits.As4() {
		for bit := 7; bit >= 0; bit-- {
			if octet>>bit&1 == 0 {
				open = true
			} else if open {
				return netip.Prefix{}, false // not contiguous
			} else {
				ones++
			}
		}
	}
	return netip.PrefixFrom(base, ones).Masked(), true
}

// wildcard writes a network of whole octets as a pattern, as 10.0.0.0/8 as "10.%".
func wildcard(net netip.Prefix) (string, bool) {
	if !net.Addr().Is4() || net.Bits()%8 != 0 || net.Bits() == 0 {
		return "", false
	}
	octets := strings.Split(net.Addr().String(), ".")[:net.Bits()/8]
	if net.Bits() == 32 {
		return strings.Join(octets, "."), true
	}
	return strings.Join(octets, ".") + ".%", true
}

// matches matches a host, which may be a pattern itself, against a pattern: a % of
// the host is taken only by a % of the pattern, a _ only by a % or a _.
func matches(pattern, host string) bool {
	p, h := 0, 0
	star, from := -1, 0
	for h < len(host) {
		switch {
		case p < len(pattern) && pattern[p] == '%':
			star, from = p, h
			p++
			continue
		case p < len(pattern) && pattern[p] == '_' && host[h] != '%':
			p, h = p+1, h+1
			continue
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == host[h]:
			p, h = p+2, h+1
			continue
		case p < len(pattern) && pattern[p] == host[h] && pattern[p] != '_':
			p, h = p+1, h+1
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, h = star+1, from
	}
	for p < len(pattern) && pattern[p] == '%' {
		p++
	}
	return p == len(pattern)
}

// specificity orders the patterns that cover a host as servers do: the more text
// before the first wildcard, the earlier a pattern is tried.
func specificity(host string) int {
	if net, ok := network(host); ok {
		return 1<<10 + net.Bits() // servers try networks before wildcards
	}
	if i := strings.IndexAny(host, "%_"); i >= 0 {
		return i
	}
	return 1 << 20
}
