package awsrds_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/awsrds"
	"tandem/internal/failure"
	"tandem/internal/local/emulator"
	"tandem/internal/rotation"
)

const arn = "arn:aws:rds:us-east-1:123456789012:"

// client asks an emulator, as the function's configuration has it.
func client(t *testing.T, options emulator.Options) *awsrds.Client {
	t.Helper()
	s := emulator.New(options)
	t.Cleanup(s.Close)
	url, err := s.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.SetDatabases([]emulator.DBInstance{
		{ID: "shop", Engine: "mysql", Host: "shop.example", Port: 3306},
		{ID: "shop-read", Region: "eu-west-1", Engine: "mysql", Host: "read.example", Port: 3307, Source: arn + "db:shop"},
		{ID: "store-1", Engine: "aurora-mysql", Host: "one.example", Port: 3306, Cluster: "store"},
		{ID: "store-2", Engine: "aurora-mysql", Cluster: "store", Status: "creating"},
	}, []emulator.DBCluster{
		{ID: "store", Engine: "aurora-mysql", Host: "store.example", Reader: "ro.example", Port: 3306, Writer: "store-1"},
		{ID: "alone", Engine: "mysql", Host: "alone.example", Port: 3306},
	})
	return at(url)
}

func at(url string) *awsrds.Client {
	return awsrds.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(url),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "any"}, nil
		}),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}, nil)
}

func name(id, region string) rotation.ServerName { return rotation.ServerName{ID: id, Region: region} }

func TestAnswers(t *testing.T) {
	c := client(t, emulator.Options{})
	shop := rotation.Instance{ID: "shop", ARN: arn + "db:shop", Engine: "mysql", Status: "available", Endpoint: rotation.Endpoint{Host: "shop.example", Port: 3306}, Replicas: []string{"arn:aws:rds:eu-west-1:123456789012:db:shop-read"}}
	read := rotation.Instance{
		ID: "shop-read", ARN: "arn:aws:rds:eu-west-1:123456789012:db:shop-read", Engine: "mysql", Status: "available",
		Endpoint: rotation.Endpoint{Host: "read.example", Port: 3307}, Source: arn + "db:shop",
	}
	for asked, want := range map[rotation.ServerName]rotation.Instance{
		name("shop", "us-east-1"):        shop,
		name("shop", ""):                 shop, // the function's own region
		name(arn+"db:shop", "us-east-1"): shop,
		name("shop-read", "eu-west-1"):   read,
		name(read.ARN, "eu-west-1"):      read,
		name("store-2", "us-east-1"):     {ID: "store-2", ARN: arn + "db:store-2", Engine: "aurora-mysql", Status: "creating", Cluster: "store"},
	} {
		got, err := c.Instance(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v, -want +got:\n%s", asked, diff)
		}
	}
	store := rotation.Cluster{
		ID: "store", ARN: arn + "cluster:store", Engine: "aurora-mysql", Status: "available",
		Writer: rotation.Endpoint{Host: "store.example", Port: 3306}, Reader: "ro.example", WriterID: "store-1",
	}
	for _, asked := range []rotation.ServerName{name("store", "us-east-1"), name(store.ARN, "us-east-1")} {
		got, err := c.Cluster(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(store, got); diff != "" {
			t.Errorf("%v, -want +got:\n%s", asked, diff)
		}
	}
	members, err := c.Members(t.Context(), name("store", "us-east-1"))
	if err != nil || len(members) != 2 || members[0].ID != "store-1" || members[1].ID != "store-2" {
		t.Errorf("members %+v, error %v", members, err)
	}
}

// What RDS does not know, denies, throttles or does not answer is an error that
// names the server, the type and the remedy.
func TestErrors(t *testing.T) {
	fault := func(status int, code string) emulator.Options {
		return emulator.Options{Fault: func(emulator.Call) emulator.Fault {
			return emulator.Fault{Error: &emulator.Error{Status: status, Code: code, Message: "for a reason\nof its own"}}
		}}
	}
	denied := emulator.Options{Authorize: func(string, string, string) error { return errors.New("no") }}
	for _, test := range []struct {
		name    string
		options emulator.Options
		ask     func(*awsrds.Client) error
		want    failure.Type
		words   []string
	}{
		{"unknown instance", emulator.Options{}, instance("gone"), failure.RDSServerNotFound, []string{"DescribeDBInstances on gone in us-east-1", "DBInstanceNotFound", "correct host"}},
		{"unknown ARN", emulator.Options{}, instance("arn:aws:rds:us-east-1:210987654321:db:shop"), failure.RDSServerNotFound, []string{"210987654321", "another account"}},
		{"unknown cluster", emulator.Options{}, cluster("gone"), failure.RDSServerNotFound, []string{"DescribeDBClusters on gone in us-east-1", "DBClusterNotFoundFault"}},
		{"unknown cluster's members", emulator.Options{}, members("gone"), failure.RDSServerNotFound, []string{"DescribeDBInstances on gone"}},
		{"denied instance", denied, instance("shop"), failure.RDSAccessDenied, []string{"allow rds:DescribeDBInstances to the function's role"}},
		{"denied cluster", denied, cluster("store"), failure.RDSAccessDenied, []string{"allow rds:DescribeDBClusters to the function's role"}},
		{"throttled", fault(0, "ThrottlingException"), instance("shop"), failure.RDSThrottled, []string{"Throttling: for a reason of its own", "longer window"}},
		{"no credentials", fault(0, "UnrecognizedClientException"), instance("shop"), failure.RDSCredentialsRejected, []string{"look at the function's role"}},
		{"broken", fault(http.StatusInternalServerError, "InternalFailure"), cluster("store"), failure.RDSFailed, []string{"InternalFailure"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.ask(client(t, test.options))
			if failure.Of(err) != test.want || errors.Is(err, rotation.ErrServerNotFound) != (test.want == failure.RDSServerNotFound) {
				t.Errorf("%s: %v, want %s", failure.Of(err), err, test.want)
			}
			for _, word := range test.words {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("error %v lacks %q", err, word)
				}
			}
		})
	}
}

func instance(id string) func(*awsrds.Client) error {
	return func(c *awsrds.Client) error {
		_, err := c.Instance(context.Background(), name(id, "us-east-1"))
		return err
	}
}

func cluster(id string) func(*awsrds.Client) error {
	return func(c *awsrds.Client) error {
		_, err := c.Cluster(context.Background(), name(id, "us-east-1"))
		return err
	}
}

func members(id string) func(*awsrds.Client) error {
	return func(c *awsrds.Client) error {
		_, err := c.Members(context.Background(), name(id, "us-east-1"))
		return err
	}
}

func TestUnreached(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is it noticed that the caller is gone
		<-r.Context().Done()
	}))
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := at(silent.URL).Instance(ctx, name("shop", "us-east-1")); failure.Of(err) != failure.RDSUnreachable || !strings.Contains(err.Error(), "did not answer in time") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent: %s: %v", failure.Of(err), err)
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, err := at(gone.URL).Cluster(t.Context(), name("store", "us-east-1")); failure.Of(err) != failure.RDSUnreachable || !strings.Contains(err.Error(), "interface endpoint for RDS") {
		t.Errorf("gone: %s: %v", failure.Of(err), err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := at(gone.URL).Cluster(ended, name("store", "us-east-1")); failure.Of(err) != failure.OutOfTime {
		t.Errorf("cancelled: %s: %v", failure.Of(err), err)
	}
}
