package rotation

import (
	"context"

	"tandem/internal/failure"
)

// ErrServerNotFound is returned by a Whereabouts, wrapped, where RDS knows no
// instance or cluster of that name.
var ErrServerNotFound = failure.New(failure.RDSServerNotFound, "RDS knows no such server")

// RDS is Amazon RDS, as far as a rotation needs it: it tells where a
// server is and which one it replicates from. It is asked only where the secrets'
// documents do not decide.
//
// A server is named by its identifier in a region, or by its ARN.
type RDS interface {
	// Instance reads a DB instance.
	Instance(ctx context.Context, name ServerName) (Instance, error)
	// Cluster reads a DB cluster.
	Cluster(ctx context.Context, name ServerName) (Cluster, error)
	// Members reads the instances of a cluster, which is named by its identifier.
	Members(ctx context.Context, cluster ServerName) ([]Instance, error)
}

// ServerName names an instance or a cluster.
type ServerName struct {
	// ID is the identifier, or the ARN.
	ID     string
	Region string
}

// Endpoint is where a server listens.
type Endpoint struct {
	// Host is empty while RDS has not given the server a name yet.
	Host string
	Port int
}

// Instance is a DB instance.
type Instance struct {
	ID, ARN string
	Engine  string
	// Status is RDS's word for it, such as "available".
	Status   string
	Endpoint Endpoint
	// Cluster is the identifier of the cluster that it belongs to; empty for none.
	Cluster string
	// Source is the instance that it is a read replica of: an identifier, or an ARN
	// where that is in another region; empty for none.
	Source string
	// Replicas are the read replicas of it, each named as Source names one.
	Replicas []string
}

// Cluster is a DB cluster.
type Cluster struct {
	ID, ARN string
	Engine  string
	Status  string
	// Writer is its endpoint, which leads to the instance that writes.
	Writer Endpoint
	// Reader is the host name of its reader endpoint, which leads to any of the
	// others; empty where it has none.
	Reader string
	// WriterID is the identifier of the instance that writes now; empty where RDS
	// names none.
	WriterID string
}
