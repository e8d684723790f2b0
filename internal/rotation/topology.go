package rotation

import (
	"context"
	"fmt"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/secret"
)

// topology is where a rotation changes its users.
type topology struct {
	// writer is the admin's server.
	writer Endpoint
	// viaReader is true where the application logs in at another address than the
	// adminLogin: at a reader, which gets by replication what is changed at the writer.
	viaReader bool
}

// topology finds out where the admin's server is, and that the application's is the
// same one or a reader of it. RDS is asked where the documents do not say: for an
// adminLogin secret that RDS manages, and for hosts that differ. Nothing is guessed: a
// host counts as an instance's or a cluster's when RDS answers with this very name.
func (s step) topology(ctx context.Context, admin secret.Document, adminARN string, application secret.Document) (topology, error) {
	writer := Endpoint{admin.Host(), admin.Port()}
	if admin.ManagedByRDS() {
		var err error
		if writer, err = s.managed(ctx, adminARN, application.Engine()); err != nil {
			return topology{}, fmt.Errorf("finding the server of the admin secret %s, which RDS manages: %w", adminARN, err)
		}
	}
	host := Endpoint{application.Host(), application.Port()}
	if writer.Port == host.Port && strings.EqualFold(writer.Host, host.Host) {
		return topology{writer: writer}, nil
	}
	reason, err := s.whyNotReader(ctx, host, writer)
	if err == nil && reason == "" {
		return topology{writer: writer, viaReader: true}, nil
	}
	if err == nil {
		err = failure.New(failure.AdminSecretMismatch, reason)
	}
	return topology{}, fmt.Errorf("the admin secret %s is for %s:%d and the secret is for %s:%d: %w; name the admin secret of the secret's own server, or the same host in both",
		adminARN, writer.Host, writer.Port, host.Host, host.Port, err)
}

// The tags by which RDS marks the secret of a master user that it manages. Their
// letter case differs from place to place.
const (
	tagInstance = "aws:rds:primaryDBInstanceArn"
	tagCluster  = "aws:rds:primaryDBClusterArn"
)

// managed asks RDS where the instance or cluster is whose admin secret this is.
func (s step) managed(ctx context.Context, adminARN string, engine secret.Engine) (Endpoint, error) {
	labels, err := s.Secrets.Describe(ctx, adminARN)
	if err != nil {
		return Endpoint{}, err
	}
	instance, cluster := labels.tag(tagInstance), labels.tag(tagCluster)
	arn := instance + cluster
	switch {
	case arn == "":
		return Endpoint{}, failure.Errorf(failure.AdminSecretMismatch, "it has only a username and a password, and neither of the tags %s and %s, so that nothing says where its server is: "+
			"name an admin secret with engine, host, username and password", tagInstance, tagCluster)
	case instance != "" && cluster != "":
		return Endpoint{}, failure.Errorf(failure.AdminSecretMismatch, "it has both tags, %s and %s, which name two servers: remove the one that is not its own", tagInstance, tagCluster)
	}
	name, _, ok := parseARN(arn)
	if !ok {
		return Endpoint{}, failure.Errorf(failure.AdminSecretMismatch, "its tag names %q, which is not the ARN of an instance or cluster of RDS: correct the tag", arn)
	}
	var found struct {
		arn, engine, status string
		at                  Endpoint
	}
	if instance != "" {
		read, err := s.RDS.Instance(ctx, name)
		if err != nil {
			return Endpoint{}, err
		}
		found.arn, found.engine, found.status, found.at = read.ARN, read.Engine, read.Status, read.Endpoint
	} else {
		read, err := s.RDS.Cluster(ctx, name)
		if err != nil {
			return Endpoint{}, err
		}
		found.arn, found.engine, found.status, found.at = read.ARN, read.Engine, read.Status, read.Writer
	}
	switch {
	case !strings.EqualFold(found.arn, arn):
		return Endpoint{}, failure.Errorf(failure.RDSFailed, "asked for %s, RDS answered with %s: look at the tag", arn, found.arn)
	case found.at.Host == "":
		return Endpoint{}, failure.Errorf(failure.RDSServerNotReady, "%s has no endpoint, and its status is %s: wait until it is available", arn, found.status)
	case !sameFamily(found.engine, engine):
		return Endpoint{}, failure.Errorf(failure.AdminSecretMismatch, "the engine of %s is %s, and the secret's is %s: correct engine in the secret's document, or name another admin secret", arn, found.engine, engine)
	}
	return found.at, nil
}

// sameFamily reports whether a document's engine may be RDS's. Secrets of Aurora
// MySQL say mysql or aurora-mysql.
func sameFamily(ofRDS string, engine secret.Engine) bool {
	read := secret.Engine(ofRDS)
	return read.Valid() && (read == secret.MariaDB) == (engine == secret.MariaDB)
}

// whyNotReader says why the host is not known to be a reader of the writer's; nothing
// where it is one. An error means that RDS could not be asked.
func (s step) whyNotReader(ctx context.Context, host, writer Endpoint) (reason string, err error) {
	if strings.EqualFold(host.Host, writer.Host) {
		return "the two ports of one host are two servers", nil
	}
	named, of := parseHost(host.Host), parseHost(writer.Host)
	for _, one := range []struct {
		host string
		kind hostKind
	}{{host.Host, named.kind}, {writer.Host, of.kind}} {
		switch one.kind {
		case proxyHost:
			return one.host + " is RDS Proxy's, which logs in by secrets of its own and cannot be known to lead to the admin's server", nil
		case customHost:
			return one.host + " is a custom endpoint, which leads to whichever instances somebody has chosen", nil
		case globalHost:
			return one.host + " is a global database's endpoint, which leads from region to region", nil
		case otherHost:
			return one.host + " is not a name that RDS gives to a server, so that nothing says how the two hosts belong together", nil
		}
	}
	switch {
	case of.kind == readerHost:
		return writer.Host + " is a reader endpoint, where nothing can be changed: the admin secret has to name the writer's", nil
	case named.kind == clusterHost:
		return host.Host + " is the endpoint of a cluster's writer, which is not a reader of anything", nil
	case named.kind == readerHost:
		cluster, reason, err := s.cluster(ctx, named.name, host, func(c Cluster) string { return c.Reader })
		if err != nil || reason != "" {
			return reason, err
		}
		return s.whyNotWriter(ctx, cluster, of, writer)
	}
	instance, reason, err := s.instance(ctx, named.name, host)
	if err != nil || reason != "" {
		return reason, err
	}
	switch {
	case instance.Source != "":
		return s.whyNotSource(ctx, instance, of, host, writer)
	case instance.Cluster != "":
		cluster, err := s.RDS.Cluster(ctx, ServerName{instance.Cluster, named.name.Region})
		if err != nil {
			return "", err
		}
		return s.whyNotWriter(ctx, cluster, of, writer)
	}
	return host.Host + " is neither a read replica nor part of a cluster", nil
}

// instance reads the instance whose endpoint a host is.
func (s step) instance(ctx context.Context, name ServerName, host Endpoint) (Instance, string, error) {
	instance, err := s.RDS.Instance(ctx, name)
	if err != nil {
		return Instance{}, "", err
	}
	return instance, notTheEndpoint("instance", instance.ID, instance.Endpoint, host), nil
}

// cluster reads the cluster of whose endpoints a host is one.
func (s step) cluster(ctx context.Context, name ServerName, host Endpoint, endpoint func(Cluster) string) (Cluster, string, error) {
	cluster, err := s.RDS.Cluster(ctx, name)
	if err != nil {
		return Cluster{}, "", err
	}
	return cluster, notTheEndpoint("cluster", cluster.ID, Endpoint{endpoint(cluster), cluster.Writer.Port}, host), nil
}

func notTheEndpoint(kind, id string, is, host Endpoint) string {
	if is.Port == host.Port && strings.EqualFold(is.Host, host.Host) {
		return ""
	}
	at := fmt.Sprintf("at %s:%d", is.Host, is.Port)
	if is.Host == "" {
		at = "without such an endpoint"
	}
	return fmt.Sprintf("%s:%d is not the address of the %s %s, which RDS has %s", host.Host, host.Port, kind, id, at)
}

// whyNotWriter says why the writer's host is not the one that writes in the cluster.
func (s step) whyNotWriter(ctx context.Context, cluster Cluster, of hostName, writer Endpoint) (string, error) {
	if of.kind == clusterHost {
		return notTheEndpoint("cluster", cluster.ID, cluster.Writer, writer), nil
	}
	instance, reason, err := s.instance(ctx, of.name, writer)
	switch {
	case err != nil || reason != "":
		return reason, err
	case instance.Cluster != cluster.ID:
		return fmt.Sprintf("%s is not of the cluster %s", writer.Host, cluster.ID), nil
	case instance.ID != cluster.WriterID:
		return fmt.Sprintf("%s does not write in the cluster %s, but %s: the admin secret has to name the cluster's own endpoint, which follows a failover",
			instance.ID, cluster.ID, cluster.WriterID), nil
	}
	return "", nil
}

// whyNotSource says why the writer's host is not the instance that the replica has
// as its source.
func (s step) whyNotSource(ctx context.Context, replica Instance, of hostName, host, writer Endpoint) (string, error) {
	if of.kind != instanceHost {
		return fmt.Sprintf("%s is a read replica of the instance %s, and %s is not an instance's endpoint", host.Host, replica.Source, writer.Host), nil
	}
	source, reason, err := s.instance(ctx, of.name, writer)
	if err != nil || reason != "" {
		return reason, err
	}
	own := source.ID
	if _, _, isARN := parseARN(replica.Source); isARN {
		own = source.ARN
	} else if of.name.Region != parseHost(host.Host).name.Region {
		own = "" // an identifier alone is one of the replica's own region
	}
	if own != replica.Source {
		return fmt.Sprintf("%s is a read replica of %s, which is not %s", host.Host, replica.Source, writer.Host), nil
	}
	return "", nil
}

// sameServer refuses an admin session that stands elsewhere than the proof:
// behind one name there can be several servers.
func (p topology) sameServer(proof, admin Facts) error {
	if proof.Identity == admin.Identity {
		return nil
	}
	return failure.Errorf(failure.ServersDiffer, "two logins to %s:%d reached two servers (%s and %s): nothing was changed; use an address that leads to the writer alone, or try again after a failover",
		p.writer.Host, p.writer.Port, proof.Identity, admin.Identity)
}

// login is a document's, at the writer.
func (p topology) login(d secret.Document) Login {
	there := login(d)
	there.Host, there.Port = p.writer.Host, p.writer.Port
	return there
}
