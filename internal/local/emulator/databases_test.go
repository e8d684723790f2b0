package emulator_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/emulator"
)

// keys signs as an access key.
func keys(key, token string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: key, SecretAccessKey: "any", SessionToken: token}, nil
	})
}

func rdsClient(url, region string) *rds.Client {
	return rds.New(rds.Options{Region: region, BaseEndpoint: aws.String(url), Credentials: keys("AKIDRDS", ""), Retryer: aws.NopRetryer{}})
}

func code(err error) string {
	var answered smithy.APIError
	if errors.As(err, &answered) {
		return answered.ErrorCode()
	}
	return ""
}

const rdsARN = "arn:aws:rds:us-east-1:123456789012:"

func databases(t *testing.T, options emulator.Options) (*emulator.Service, string) {
	s, url := serve(t, options)
	s.SetDatabases([]emulator.DBInstance{
		{ID: "shop", Engine: "mysql", Host: "shop.example", Port: 3306},
		{ID: "shop-read", Engine: "mysql", Host: "shop-read.example", Port: 3307, Source: "shop"},
		{ID: "shop-far", Region: "eu-west-1", Engine: "mysql", Host: "shop-far.example", Port: 3306, Source: rdsARN + "db:shop"},
		{ID: "store-1", Engine: "aurora-mysql", Host: "store-1.example", Port: 3306, Cluster: "store"},
		{ID: "store-2", Engine: "aurora-mysql", Status: "creating", Cluster: "store"},
	}, []emulator.DBCluster{{ID: "store", Engine: "aurora-mysql", Host: "store.example", Reader: "ro.example", Port: 3306, Writer: "store-1"}})
	return s, url
}

// What RDS answers of instances, by the unmodified SDK.
func TestDescribeDBInstances(t *testing.T) {
	_, url := databases(t, emulator.Options{})
	client := rdsClient(url, "us-east-1")
	for _, test := range []struct {
		name string
		in   rds.DescribeDBInstancesInput
		want []string
		code string
	}{
		{"all of the region", rds.DescribeDBInstancesInput{}, []string{"shop", "shop-read", "store-1", "store-2"}, ""},
		{"by identifier, letter case aside", rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("Shop")}, []string{"shop"}, ""},
		{"by ARN", rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(rdsARN + "db:shop-read")}, []string{"shop-read"}, ""},
		{"by cluster", rds.DescribeDBInstancesInput{Filters: []types.Filter{{Name: aws.String("db-cluster-id"), Values: []string{"store"}}}}, []string{"store-1", "store-2"}, ""},
		{"unknown", rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("gone")}, nil, "DBInstanceNotFound"},
		{"of another region", rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("shop-far")}, nil, "DBInstanceNotFound"},
		{"of another account", rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("arn:aws:rds:us-east-1:210987654321:db:shop")}, nil, "DBInstanceNotFound"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := client.DescribeDBInstances(t.Context(), &test.in)
			if code(err) != test.code || err != nil && test.code == "" {
				t.Fatalf("error %v, want %s", err, test.code)
			}
			var got []string
			if err == nil {
				for _, instance := range out.DBInstances {
					got = append(got, aws.ToString(instance.DBInstanceIdentifier))
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	out, err := client.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("shop-read")})
	if err != nil {
		t.Fatal(err)
	}
	read := out.DBInstances[0]
	if aws.ToString(read.Endpoint.Address) != "shop-read.example" || aws.ToInt32(read.Endpoint.Port) != 3307 || aws.ToString(read.ReadReplicaSourceDBInstanceIdentifier) != "shop" ||
		aws.ToString(read.Engine) != "mysql" || aws.ToString(read.DBInstanceStatus) != "available" {
		t.Errorf("got %+v", read)
	}
	source, err := client.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("shop")})
	if err != nil || !slices.Equal(source.DBInstances[0].ReadReplicaDBInstanceIdentifiers, []string{"shop-read", "arn:aws:rds:eu-west-1:123456789012:db:shop-far"}) {
		t.Errorf("replicas %v, error %v", source, err)
	}
	far, err := rdsClient(url, "eu-west-1").DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("shop-far")})
	if err != nil || aws.ToString(far.DBInstances[0].DBInstanceArn) != "arn:aws:rds:eu-west-1:123456789012:db:shop-far" {
		t.Errorf("got %+v, error %v", far, err)
	}
}

func TestDescribeDBClusters(t *testing.T) {
	_, url := databases(t, emulator.Options{})
	client := rdsClient(url, "us-east-1")
	for _, name := range []string{"store", rdsARN + "cluster:store"} {
		out, err := client.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String(name)})
		if err != nil {
			t.Fatal(err)
		}
		cluster := out.DBClusters[0]
		if aws.ToString(cluster.Endpoint) != "store.example" || aws.ToString(cluster.ReaderEndpoint) != "ro.example" || aws.ToInt32(cluster.Port) != 3306 || aws.ToString(cluster.DBClusterArn) != rdsARN+"cluster:store" {
			t.Errorf("got %+v", cluster)
		}
		writers := map[string]bool{}
		for _, member := range cluster.DBClusterMembers {
			writers[aws.ToString(member.DBInstanceIdentifier)] = aws.ToBool(member.IsClusterWriter)
		}
		if diff := cmp.Diff(map[string]bool{"store-1": true, "store-2": false}, writers); diff != "" {
			t.Errorf("members, -want +got:\n%s", diff)
		}
	}
	if _, err := client.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String("gone")}); code(err) != "DBClusterNotFoundFault" {
		t.Errorf("error %v", err)
	}
}

// RDS fails as Secrets Manager can be made to, under the names of its own protocol.
func TestRDSFails(t *testing.T) {
	for want, options := range map[string]emulator.Options{
		"AccessDenied": {Authorize: func(_, operation, _ string) error { return errors.New("denied: " + operation) }},
		"Throttling": {Fault: func(emulator.Call) emulator.Fault {
			return emulator.Fault{Error: &emulator.Error{Code: "ThrottlingException", Message: "Rate exceeded"}}
		}},
		"InternalFailure": {Fault: func(emulator.Call) emulator.Fault {
			return emulator.Fault{Error: &emulator.Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: "x"}}
		}},
	} {
		s, url := databases(t, options)
		_, err := rdsClient(url, "us-east-1").DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("shop")})
		if code(err) != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if calls := s.Calls(); len(calls) != 1 || calls[0].Operation != "DescribeDBInstances" || calls[0].Parameter("DBInstanceIdentifier") != "shop" || calls[0].Identity != "AKIDRDS" {
			t.Errorf("calls %+v", calls)
		}
	}
}
