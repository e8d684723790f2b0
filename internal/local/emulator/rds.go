package emulator

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Amazon RDS, as far as somebody needs it who asks where a server is: what
// SetDatabases has said, by two operations.

// DBInstance is a DB instance of RDS.
type DBInstance struct {
	ID string
	// Account and Region are those of its ARN, and where it is found; the Service's if
	// empty.
	Account, Region string
	Engine          string
	Status          string // "available" if empty
	// Host is empty for one that has no endpoint yet.
	Host string
	Port int
	// Cluster is the identifier of its cluster, in its region; empty for none.
	Cluster string
	// Source is what it is a read replica of: an identifier, or an ARN; empty for none.
	Source string
}

// DBCluster is a DB cluster of RDS.
type DBCluster struct {
	ID              string
	Account, Region string // as an instance's
	Engine          string
	Status          string // "available" if empty
	Host, Reader    string // the two endpoints
	Port            int
	Writer          string // the identifier of the instance that writes
	Custom          []string
}

// SetDatabases says which instances and clusters there are, in the place of
// earlier ones.
func (s *Service) SetDatabases(instances []DBInstance, clusters []DBCluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances, s.clusters = slices.Clone(instances), slices.Clone(clusters)
}

// rdsARN is an instance's or a cluster's ("db", "cluster").
func (s *Service) rdsARN(account, region, kind, id string) string {
	return "arn:aws:rds:" + cmp.Or(region, s.options.Region) + ":" + cmp.Or(account, s.options.Account) + ":" + kind + ":" + id
}

// The answers' elements, of which the services' own have many more.
type (
	dbEndpoint struct {
		Address string
		Port    int
	}
	dbInstanceElement struct {
		DBInstanceIdentifier                  string
		DBInstanceArn                         string
		DBClusterIdentifier                   string `xml:",omitempty"`
		Engine                                string
		DBInstanceStatus                      string
		Endpoint                              *dbEndpoint
		ReadReplicaSourceDBInstanceIdentifier string   `xml:",omitempty"`
		ReadReplicaDBInstanceIdentifiers      []string `xml:"ReadReplicaDBInstanceIdentifiers>ReadReplicaDBInstanceIdentifier,omitempty"`
	}
	dbClusterMember struct {
		DBInstanceIdentifier string
		IsClusterWriter      bool
	}
	dbClusterElement struct {
		DBClusterIdentifier string
		DBClusterArn        string
		Engine              string
		Status              string
		Endpoint            string            `xml:",omitempty"`
		ReaderEndpoint      string            `xml:",omitempty"`
		CustomEndpoints     []string          `xml:"CustomEndpoints>member,omitempty"`
		Port                int               `xml:",omitempty"`
		Members             []dbClusterMember `xml:"DBClusterMembers>DBClusterMember"`
	}
)

func (s *Service) describeDBInstances(by caller, form url.Values) (any, error) {
	name := form.Get("DBInstanceIdentifier")
	if err := s.authorize(by, "rds", "DescribeDBInstances", s.named(by, "db", name)); err != nil {
		return nil, err
	}
	clusters, filtered := filterOf(form, "db-cluster-id")
	s.mu.Lock()
	defer s.mu.Unlock()
	var result struct {
		Instances []dbInstanceElement `xml:"DBInstances>DBInstance"`
	}
	for _, instance := range s.instances {
		arn := s.rdsARN(instance.Account, instance.Region, "db", instance.ID)
		switch {
		case !s.answersTo(by, arn, instance.ID, name):
		case filtered && !slices.ContainsFunc(clusters, func(c string) bool {
			return strings.EqualFold(c, instance.Cluster) || strings.EqualFold(c, s.rdsARN(instance.Account, instance.Region, "cluster", instance.Cluster))
		}):
		default:
			result.Instances = append(result.Instances, s.instanceElement(instance, arn))
		}
	}
	if name != "" && len(result.Instances) == 0 {
		return nil, &Error{Status: http.StatusNotFound, Code: "DBInstanceNotFound", Message: "DBInstance " + name + " not found."}
	}
	return result, nil
}

func (s *Service) instanceElement(instance DBInstance, arn string) dbInstanceElement {
	element := dbInstanceElement{
		DBInstanceIdentifier: instance.ID, DBInstanceArn: arn, DBClusterIdentifier: instance.Cluster,
		Engine: instance.Engine, DBInstanceStatus: orAvailable(instance.Status),
		ReadReplicaSourceDBInstanceIdentifier: instance.Source,
	}
	if instance.Host != "" {
		element.Endpoint = &dbEndpoint{instance.Host, instance.Port}
	}
	for _, other := range s.instances {
		if other.Region == instance.Region && other.Source == instance.ID {
			element.ReadReplicaDBInstanceIdentifiers = append(element.ReadReplicaDBInstanceIdentifiers, other.ID)
		} else if other.Source == arn {
			element.ReadReplicaDBInstanceIdentifiers = append(element.ReadReplicaDBInstanceIdentifiers, s.rdsARN(other.Account, other.Region, "db", other.ID))
		}
	}
	return element
}

func (s *Service) describeDBClusters(by caller, form url.Values) (any, error) {
	name := form.Get("DBClusterIdentifier")
	if err := s.authorize(by, "rds", "DescribeDBClusters", s.named(by, "cluster", name)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var result struct {
		Clusters []dbClusterElement `xml:"DBClusters>DBCluster"`
	}
	for _, cluster := range s.clusters {
		arn := s.rdsARN(cluster.Account, cluster.Region, "cluster", cluster.ID)
		if !s.answersTo(by, arn, cluster.ID, name) {
			continue
		}
		element := dbClusterElement{
			DBClusterIdentifier: cluster.ID, DBClusterArn: arn, Engine: cluster.Engine, Status: orAvailable(cluster.Status),
			Endpoint: cluster.Host, ReaderEndpoint: cluster.Reader, CustomEndpoints: cluster.Custom, Port: cluster.Port,
		}
		for _, instance := range s.instances {
			if instance.Region == cluster.Region && instance.Cluster == cluster.ID {
				element.Members = append(element.Members, dbClusterMember{instance.ID, instance.ID == cluster.Writer})
			}
		}
		result.Clusters = append(result.Clusters, element)
	}
	if name != "" && len(result.Clusters) == 0 {
		return nil, &Error{Status: http.StatusNotFound, Code: "DBClusterNotFoundFault", Message: "DBCluster " + name + " not found."}
	}
	return result, nil
}

// answersTo reports whether the caller, who asks in a region of its account, means
// this server: by its ARN, by its identifier, whose letter case does not count, or by
// naming none.
func (s *Service) answersTo(by caller, arn, id, name string) bool {
	if fields := strings.Split(arn, ":"); by.region != fields[3] || by.account() != fields[4] {
		return false
	}
	return name == "" || strings.EqualFold(name, id) || name == arn
}

// named is the ARN that a caller's permission has to be for.
func (s *Service) named(by caller, kind, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	if name == "" {
		name = "*"
	}
	return s.rdsARN(by.account(), by.region, kind, strings.ToLower(name))
}

// filterOf are the values of a filter, which the form has as
// Filters.Filter.1.Name and Filters.Filter.1.Values.Value.1.
func filterOf(form url.Values, name string) (values []string, found bool) {
	for key, given := range form {
		prefix, isName := strings.CutSuffix(key, ".Name")
		if !isName || !strings.HasPrefix(key, "Filters.") || given[0] != name {
			continue
		}
		found = true
		for key, given := range form {
			if strings.HasPrefix(key, prefix+".Values.") {
				values = append(values, given...)
			}
		}
	}
	return values, found
}

func orAvailable(status string) string {
	if status == "" {
		return "available"
	}
	return status
}
