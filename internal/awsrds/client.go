// Package awsrds is the way to Amazon RDS: two operations, which tell where a
// server is and which one it replicates from.
//
// Most rotations never ask. So the SDK's client is made by the first question.
package awsrds

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"tandem/internal/awssdk"
	"tandem/internal/rotation"
)

// operations are those of the SDK's client that a rotation uses. A test derives
// from them what the function's role must allow.
type operations interface {
	DescribeDBInstances(context.Context, *rds.DescribeDBInstancesInput, ...func(*rds.Options)) (*rds.DescribeDBInstancesOutput, error)
	DescribeDBClusters(context.Context, *rds.DescribeDBClustersInput, ...func(*rds.Options)) (*rds.DescribeDBClustersOutput, error)
}

// Client is Amazon RDS. It implements rotation.Whereabouts.
type Client struct {
	service func() operations
}

var _ rotation.RDS = (*Client)(nil)

// New makes a client. It costs nothing until it is asked something. The address is
// the SDK's, and with it AWS_ENDPOINT_URL_RDS, the FIPS and the dual-stack variables.
func New(sdk aws.Config, roots awssdk.Roots) *Client {
	return &Client{service: sync.OnceValue(func() operations {
		return rds.NewFromConfig(sdk, func(o *rds.Options) { o.HTTPClient = roots.Client(o.HTTPClient) })
	})}
}

// in sends a question to the region that the server's name tells.
func in(region string) func(*rds.Options) {
	return func(o *rds.Options) {
		if region != "" {
			o.Region = region
		}
	}
}

// Instance implements rotation.Whereabouts by DescribeDBInstances.
func (c *Client) Instance(ctx context.Context, name rotation.ServerName) (rotation.Instance, error) {
	out, err := c.service().DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(name.ID)}, in(name.Region))
	if err == nil && len(out.DBInstances) != 1 {
		err = &types.DBInstanceNotFoundFault{}
	}
	if err != nil {
		return rotation.Instance{}, explain(err, "DescribeDBInstances", name)
	}
	return instance(out.DBInstances[0]), nil
}

func instance(from types.DBInstance) rotation.Instance {
	found := rotation.Instance{
		ID: aws.ToString(from.DBInstanceIdentifier), ARN: aws.ToString(from.DBInstanceArn),
		Engine: aws.ToString(from.Engine), Status: aws.ToString(from.DBInstanceStatus),
		Cluster: aws.ToString(from.DBClusterIdentifier), Source: aws.ToString(from.ReadReplicaSourceDBInstanceIdentifier), Replicas: append([]string(nil), from.ReadReplicaDBInstanceIdentifiers...),
	}
	if from.Endpoint != nil {
		found.Endpoint = rotation.Endpoint{Host: aws.ToString(from.Endpoint.Address), Port: int(aws.ToInt32(from.Endpoint.Port))}
	}
	return found
}

// Cluster implements rotation.Whereabouts by DescribeDBClusters.
func (c *Client) Cluster(ctx context.Context, name rotation.ServerName) (rotation.Cluster, error) {
	out, err := c.service().DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String(name.ID)}, in(name.Region))
	if err == nil && len(out.DBClusters) != 1 {
		err = &types.DBClusterNotFoundFault{}
	}
	if err != nil {
		return rotation.Cluster{}, explain(err, "DescribeDBClusters", name)
	}
	from := out.DBClusters[0]
	found := rotation.Cluster{
		ID: aws.ToString(from.DBClusterIdentifier), ARN: aws.ToString(from.DBClusterArn),
		Engine: aws.ToString(from.Engine), Status: aws.ToString(from.Status),
		Writer: rotation.Endpoint{Host: aws.ToString(from.Endpoint), Port: int(aws.ToInt32(from.Port))},
		Reader: aws.ToString(from.ReaderEndpoint),
	}
	for _, member := range from.DBClusterMembers {
		if aws.ToBool(member.IsClusterWriter) {
			found.WriterID = aws.ToString(member.DBInstanceIdentifier)
		}
	}
	return found, nil
}

// Members implements rotation.Whereabouts by DescribeDBInstances. The answer is one
// page: a cluster has at most 16 instances, a page 100.
//
// Source: Amazon Aurora User Guide, "Quotas and constraints for Amazon Aurora".
func (c *Client) Members(ctx context.Context, cluster rotation.ServerName) ([]rotation.Instance, error) {
	filter := types.Filter{Name: aws.String("db-cluster-id"), Values: []string{cluster.ID}}
	out, err := c.service().DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{Filters: []types.Filter{filter}}, in(cluster.Region))
	if err == nil && len(out.DBInstances) == 0 {
		err = &types.DBClusterNotFoundFault{}
	}
	if err != nil {
		return nil, explain(err, "DescribeDBInstances", cluster)
	}
	var members []rotation.Instance
	for _, from := range out.DBInstances {
		members = append(members, instance(from))
	}
	return members, nil
}
