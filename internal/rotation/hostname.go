package rotation

import "strings"

// hostKind is what a host name says of what is behind it.
type hostKind int

// The kinds. Only the first is not a name that RDS gives.
//
// Source: Amazon Aurora User Guide, "Amazon Aurora endpoint connections"; Amazon
// RDS User Guide, "Working with Amazon RDS Proxy endpoints".
const (
	otherHost    hostKind = iota
	instanceHost          // db.c9akciq32.eu-west-1.rds.amazonaws.com
	clusterHost           // db.cluster-c9akciq32...: the instance that writes
	readerHost            // db.cluster-ro-c9akciq32...: any of the others
	customHost            // name.cluster-custom-c9akciq32...: those that somebody chose
	proxyHost             // name.proxy-c9akciq32...
	globalHost            // name.global-c9akciq32.global...: the writer, in whichever region
)

// hostName is a host name of RDS, taken apart.
type hostName struct {
	kind hostKind
	name ServerName // of the instance or cluster
}

// parseHost takes a host name apart. What it finds is what the name says, which
// RDS has to confirm.
func parseHost(host string) hostName {
	var labels, rest []string
	all := strings.Split(strings.ToLower(host), ".")
	for i, label := range all {
		if label == "rds" {
			labels, rest = all[:i], all[i+1:]
		}
	}
	// In China the region comes behind: db.c9akciq32.rds.cn-north-1.amazonaws.com.cn.
	region := ""
	switch {
	case len(labels) >= 3 && len(rest) >= 2 && rest[0] == "amazonaws":
		region, labels = labels[len(labels)-1], labels[:len(labels)-1]
	case len(labels) >= 2 && len(rest) >= 3 && rest[1] == "amazonaws":
		region = rest[0]
	default:
		return hostName{}
	}
	own := labels[len(labels)-1]
	if strings.HasPrefix(own, "proxy-") { // also in front of an endpoint's name of its own
		return hostName{kind: proxyHost}
	}
	if len(labels) != 2 || labels[0] == "" || own == "" {
		return hostName{}
	}
	kind := instanceHost
	for _, known := range []struct {
		prefix string
		kind   hostKind
	}{
		{"cluster-ro-", readerHost}, {"cluster-custom-", customHost}, {"cluster-", clusterHost}, {"global-", globalHost},
	} {
		if strings.HasPrefix(own, known.prefix) {
			kind = known.kind
			break
		}
	}
	return hostName{kind: kind, name: ServerName{ID: labels[0], Region: region}}
}

// parseARN names the instance or cluster of an ARN of RDS, as in
// arn:aws:rds:eu-west-1:123456789012:db:name.
//
// Source: Amazon RDS User Guide, "Amazon Resource Names (ARNs) in Amazon RDS".
func parseARN(arn string) (name ServerName, id string, ok bool) {
	fields := strings.Split(arn, ":")
	if len(fields) != 7 || fields[0] != "arn" || fields[2] != "rds" || fields[3] == "" || fields[6] == "" {
		return ServerName{}, "", false
	}
	return ServerName{ID: arn, Region: fields[3]}, fields[6], true
}
