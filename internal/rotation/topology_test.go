package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tandem/internal/rotation"
)

type fakeRDS struct{ *memory }

func (w fakeRDS) Instance(_ context.Context, name rotation.ServerName) (rotation.Instance, error) {
	if err := w.do("instance %s", name.ID); err != nil {
		return rotation.Instance{}, err
	}
	found, ok := w.instances[name]
	if !ok {
		return found, fmt.Errorf("asking for %s in %s: %w", name.ID, name.Region, rotation.ErrServerNotFound)
	}
	return found, nil
}

func (w fakeRDS) Cluster(_ context.Context, name rotation.ServerName) (rotation.Cluster, error) {
	if err := w.do("cluster %s", name.ID); err != nil {
		return rotation.Cluster{}, err
	}
	found, ok := w.clusters[name]
	if !ok {
		return found, fmt.Errorf("asking for %s in %s: %w", name.ID, name.Region, rotation.ErrServerNotFound)
	}
	return found, nil
}

func (w fakeRDS) Members(_ context.Context, name rotation.ServerName) ([]rotation.Instance, error) {
	if err := w.do("members %s", name.ID); err != nil {
		return nil, err
	}
	var members []rotation.Instance
	for at, instance := range w.instances {
		if instance.Cluster == name.ID && at.ID == instance.ID && at.Region == name.Region {
			members = append(members, instance)
		}
	}
	slices.SortFunc(members, func(a, b rotation.Instance) int { return strings.Compare(a.ID, b.ID) })
	return members, nil
}

const (
	region     = "eu-west-1"
	suffix     = ".c9akciq32.eu-west-1.rds.amazonaws.com"
	arnPrefix  = "arn:aws:rds:eu-west-1:123456789012:"
	writerHost = "store.cluster-c9akciq32.eu-west-1.rds.amazonaws.com"
	readerHost = "store.cluster-ro-c9akciq32.eu-west-1.rds.amazonaws.com"
)

// aws fills RDS with an instance that has a replica here and one in another
// region, and with a cluster of three instances.
func (w *memory) aws() {
	w.instances = map[rotation.ServerName]rotation.Instance{}
	add := func(region, suffix string, i rotation.Instance) {
		i.ARN = "arn:aws:rds:" + region + ":123456789012:db:" + i.ID
		i.Endpoint = rotation.Endpoint{Host: i.ID + suffix, Port: 3306}
		i.Status = "available"
		w.instances[rotation.ServerName{ID: i.ID, Region: region}] = i
		w.instances[rotation.ServerName{ID: i.ARN, Region: region}] = i
	}
	add(region, suffix, rotation.Instance{ID: "shop", Engine: "mariadb", Replicas: []string{"shop-read", "arn:aws:rds:us-east-1:123456789012:db:shop-far"}})
	add(region, suffix, rotation.Instance{ID: "other", Engine: "mariadb"})
	add(region, suffix, rotation.Instance{ID: "shop-read", Engine: "mariadb", Source: "shop"})
	add(region, suffix, rotation.Instance{ID: "shop-read-read", Engine: "mariadb", Source: "shop-read"})
	far := ".c9akciq32.us-east-1.rds.amazonaws.com"
	add("us-east-1", far, rotation.Instance{ID: "shop-far", Engine: "mariadb", Source: arnPrefix + "db:shop"})
	add("us-east-1", far, rotation.Instance{ID: "shop", Engine: "mariadb"})
	add("us-east-1", far, rotation.Instance{ID: "shop-near", Engine: "mariadb", Source: "shop"})
	for _, id := range []string{"store-1", "store-2", "store-3"} {
		add(region, suffix, rotation.Instance{ID: id, Engine: "aurora-mysql", Cluster: "store"})
	}
	add(region, suffix, rotation.Instance{ID: "depot-1", Engine: "aurora-mysql", Cluster: "depot"})
	store := rotation.Cluster{
		ID: "store", ARN: arnPrefix + "cluster:store", Engine: "aurora-mysql", Status: "available",
		Writer: rotation.Endpoint{Host: writerHost, Port: 3306}, Reader: readerHost, WriterID: "store-1",
	}
	depot := rotation.Cluster{ID: "depot", ARN: arnPrefix + "cluster:depot", Engine: "aurora-mysql", WriterID: "depot-1",
		Writer: rotation.Endpoint{Host: "depot.cluster-c9akciq32.eu-west-1.rds.amazonaws.com", Port: 3306}}
	w.clusters = map[rotation.ServerName]rotation.Cluster{
		{ID: "store", Region: region}: store, {ID: store.ARN, Region: region}: store, {ID: "depot", Region: region}: depot,
	}
	// The readers of a writer are other servers than it is.
	w.identity = map[string]string{}
	for _, host := range []string{"shop-read" + suffix, "Shop-Read" + suffix, "shop-far" + far, readerHost, "store-2" + suffix, "store-3" + suffix} {
		w.identity[host] = "the server of " + host
	}
}

// managedSecret is the admin's, as RDS keeps it.
const managedSecret = `{"username":"admin","password":"x","comment":{"engine":"none"}}`

// Where the admin's host is not the application's: what RDS says decides, and what
// it does not say is refused.
func TestPlaces(t *testing.T) {
	instance, cluster := "aws:rds:primaryDBInstanceArn", "aws:rds:primaryDBClusterArn"
	for _, test := range []struct {
		name              string
		host, admin       string // the admin's is managed by RDS where empty
		tags              map[string]string
		application, more map[string]any // of the application's document, and of the admin's
		arrange           func(*memory)
		at                string // where the change is made
		want              string // in the error; none for success
	}{
		{name: "managed, an instance's", host: "shop" + suffix, tags: map[string]string{instance: arnPrefix + "db:shop"}, at: "shop" + suffix},
		{name: "managed, other letter case, other tags", host: "SHOP" + suffix, at: "shop" + suffix,
			tags: map[string]string{"AWS:RDS:primarydbinstancearn": arnPrefix + "db:shop", "aws:secretsmanager:owningService": "rds", "Name": "x"}},
		{name: "managed, a cluster's", host: writerHost, tags: map[string]string{cluster: arnPrefix + "cluster:store"},
			application: map[string]any{"engine": "aurora-mysql"}, at: writerHost},
		{name: "managed, a cluster's, for mysql", host: writerHost, tags: map[string]string{cluster: arnPrefix + "cluster:store"},
			application: map[string]any{"engine": "mysql"}, at: writerHost},
		{name: "managed, another engine", host: writerHost, tags: map[string]string{cluster: arnPrefix + "cluster:store"}, want: "is aurora-mysql, and the secret's is mariadb"},
		{name: "managed, no database's engine", host: "shop" + suffix, tags: map[string]string{instance: arnPrefix + "db:shop"},
			arrange: func(w *memory) { w.engine("shop", "postgres") }, want: "is postgres"},
		{name: "managed, without tags", host: "shop" + suffix, want: "only a username and a password"},
		{name: "managed, both tags", host: "shop" + suffix, tags: map[string]string{instance: arnPrefix + "db:shop", cluster: arnPrefix + "cluster:store"}, want: "both tags"},
		{name: "managed, the tag is no ARN", host: "shop" + suffix, tags: map[string]string{instance: "shop"}, want: `names "shop"`},
		{name: "managed, unknown", host: "shop" + suffix, tags: map[string]string{instance: arnPrefix + "db:gone"}, want: "RDS knows no such server"},
		{name: "managed, RDS answers with another", host: "shop" + suffix, tags: map[string]string{instance: arnPrefix + "db:shop"},
			arrange: func(w *memory) {
				w.instances[rotation.ServerName{ID: arnPrefix + "db:shop", Region: region}] = w.instances[rotation.ServerName{ID: "other", Region: region}]
			}, want: "RDS answered with " + arnPrefix + "db:other"},
		{name: "managed, still being made", host: "shop" + suffix, tags: map[string]string{instance: arnPrefix + "db:shop"},
			arrange: func(w *memory) {
				name := rotation.ServerName{ID: arnPrefix + "db:shop", Region: region}
				made := w.instances[name]
				made.Endpoint, made.Status = rotation.Endpoint{}, "creating"
				w.instances[name] = made
			}, want: "its status is creating"},
		{name: "managed, of another server", host: "other" + suffix, tags: map[string]string{instance: arnPrefix + "db:shop"}, want: "neither a read replica nor part of a cluster"},
		{name: "managed, and a replica", host: "shop-read" + suffix, tags: map[string]string{instance: arnPrefix + "db:shop"}, at: "shop" + suffix},
		{name: "managed, and a reader endpoint", host: readerHost, tags: map[string]string{cluster: arnPrefix + "cluster:store"},
			application: map[string]any{"engine": "aurora-mysql"}, at: writerHost},
		{name: "managed, and RDS denies", host: "shop" + suffix, tags: map[string]string{instance: arnPrefix + "db:shop"},
			arrange: failing("instance", "allow rds:DescribeDBInstances"), want: "allow rds:DescribeDBInstances"},

		{name: "a replica", host: "shop-read" + suffix, admin: "shop" + suffix, at: "shop" + suffix},
		{name: "a replica, letter case", host: "Shop-Read" + suffix, admin: "SHOP" + suffix, at: "SHOP" + suffix},
		{name: "a replica in another region", host: "shop-far.c9akciq32.us-east-1.rds.amazonaws.com", admin: "shop" + suffix, at: "shop" + suffix},
		{name: "a replica of that name in its own region", host: "shop-near.c9akciq32.us-east-1.rds.amazonaws.com", admin: "shop" + suffix, want: "is not shop" + suffix},
		{name: "another's replica", host: "shop-read" + suffix, admin: "other" + suffix, want: "is a read replica of shop"},
		{name: "a replica's replica", host: "shop-read-read" + suffix, admin: "shop" + suffix, want: "is a read replica of shop-read"},
		{name: "the replica is the admin's", host: "shop" + suffix, admin: "shop-read" + suffix, want: "neither a read replica nor part of a cluster"},
		{name: "two ports", host: "shop" + suffix, admin: "shop" + suffix, more: map[string]any{"port": 3307}, want: "two ports"},
		{name: "a replica at another port", host: "shop-read" + suffix, admin: "shop" + suffix, application: map[string]any{"port": 3307}, want: "not the address of the instance shop-read"},
		{name: "another server of that identifier", host: "shop-read.zzzzzz.eu-west-1.rds.amazonaws.com", admin: "shop" + suffix, want: "is not the address of the instance shop-read"},
		{name: "the source's name is another's", host: "shop-read" + suffix, admin: "shop.zzzzzz.eu-west-1.rds.amazonaws.com", want: "is not the address of the instance shop"},
		{name: "an unknown instance", host: "gone" + suffix, admin: "shop" + suffix, want: "RDS knows no such server"},

		{name: "a reader endpoint", host: readerHost, admin: writerHost, at: writerHost},
		{name: "a reader endpoint, the admin at the writing instance", host: readerHost, admin: "store-1" + suffix, at: "store-1" + suffix},
		{name: "a reader endpoint, the admin at a reading instance", host: readerHost, admin: "store-2" + suffix, want: "does not write in the cluster store, but store-1"},
		{name: "a reader endpoint, the admin at another cluster", host: readerHost, admin: "depot.cluster-c9akciq32.eu-west-1.rds.amazonaws.com", want: "not the address of the cluster store"},
		{name: "a reader endpoint, the admin at another cluster's instance", host: readerHost, admin: "depot-1" + suffix, want: "not of the cluster store"},
		{name: "a reader instance", host: "store-2" + suffix, admin: writerHost, at: writerHost},
		{name: "the writing instance by its own name", host: "store-1" + suffix, admin: writerHost, at: writerHost},
		{name: "a reader instance, the admin at the writing one", host: "store-3" + suffix, admin: "store-1" + suffix, at: "store-1" + suffix},
		{name: "the admin at the reader endpoint", host: "store-2" + suffix, admin: readerHost, want: "is a reader endpoint"},
		{name: "the application at the writer, the admin elsewhere", host: writerHost, admin: "store-1" + suffix, want: "the endpoint of a cluster's writer"},
		{name: "a cluster that is gone", host: readerHost, admin: writerHost, arrange: func(w *memory) { w.clusters = nil }, want: "RDS knows no such server"},
		{name: "RDS denies", host: readerHost, admin: writerHost, arrange: failing("cluster", "allow rds:DescribeDBClusters"), want: "allow rds:DescribeDBClusters"},

		{name: "a proxy", host: "pool.proxy-c9akciq32.eu-west-1.rds.amazonaws.com", admin: writerHost, want: "is RDS Proxy's"},
		{name: "a proxy's own endpoint", host: "pool.endpoint.proxy-c9akciq32.eu-west-1.rds.amazonaws.com", admin: writerHost, want: "is RDS Proxy's"},
		{name: "a custom endpoint", host: "some.cluster-custom-c9akciq32.eu-west-1.rds.amazonaws.com", admin: writerHost, want: "is a custom endpoint"},
		{name: "a global endpoint", host: "all.global-c9akciq32.global.rds.amazonaws.com", admin: writerHost, want: "is a global database's endpoint"},
		{name: "a name of one's own", host: "db.example", admin: writerHost, want: "db.example is not a name that RDS gives"},
		{name: "an address", host: "shop-read" + suffix, admin: "10.0.0.7", want: "10.0.0.7 is not a name that RDS gives"},
		{name: "a name in China", host: "shop-read.c9akciq32.rds.cn-north-1.amazonaws.com.cn", admin: "shop.c9akciq32.rds.cn-north-1.amazonaws.com.cn",
			arrange: func(w *memory) {
				for _, id := range []string{"shop", "shop-read"} {
					i := w.instances[rotation.ServerName{ID: id, Region: region}]
					i.Endpoint.Host = id + ".c9akciq32.rds.cn-north-1.amazonaws.com.cn"
					w.instances[rotation.ServerName{ID: id, Region: "cn-north-1"}] = i
				}
				w.identity["shop-read.c9akciq32.rds.cn-north-1.amazonaws.com.cn"] = "another"
			}, at: "shop.c9akciq32.rds.cn-north-1.amazonaws.com.cn"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newMemory(t)
			w.aws()
			if test.arrange != nil {
				test.arrange(w)
			}
			more := map[string]any{"host": test.host}
			for key, value := range test.application {
				more[key] = value
			}
			w.values[oldToken] = document("app", "old password", more)
			w.values[token] = document("app_clone", "pending password", more)
			w.admin, w.tags = managedSecret, test.tags
			if test.admin != "" {
				adminMore := map[string]any{"host": test.admin}
				for key, value := range test.more {
					adminMore[key] = value
				}
				w.admin = document("admin", "x", adminMore)
			}
			err := w.step(rotation.SetSecret)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				if changed := w.mutating(); len(changed) > 0 {
					t.Errorf("it changed something: %v", changed)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wanted := []string{"connect app at " + test.host, "connect admin at " + test.at, "lock at " + test.at, "apply"}
			if !strings.EqualFold(test.host, test.at) {
				wanted = append(wanted, "connect app at "+test.at)
			}
			// Where finishSecret takes it: at a reader, and not where it is taken already.
			if another := w.identity[test.host] != "" && test.host != readerHost; another != (w.position("lock at "+test.host) >= 0) && !strings.EqualFold(test.host, test.at) {
				t.Errorf("locked at the application's host: %v, want %v: %q", !another, another, w.trace)
			}
			for _, what := range wanted {
				if w.position(what) < 0 {
					t.Errorf("it did not %s: %q", what, w.trace)
				}
			}
		})
	}
}

// failing has RDS answer questions of a kind by an error.
func failing(question, text string) func(*memory) {
	return func(w *memory) {
		w.before = func(what string) error {
			if strings.HasPrefix(what, question) {
				return errors.New(text)
			}
			return nil
		}
	}
}

func (w *memory) engine(id, engine string) {
	for name, instance := range w.instances {
		if instance.ID == id {
			instance.Engine = engine
			w.instances[name] = instance
		}
	}
}

// Where the documents decide, RDS is not asked, nor the admin secret for its tags.
func TestDocumentsDecide(t *testing.T) {
	w := newMemory(t)
	for _, step := range steps {
		if err := w.step(step); err != nil {
			t.Fatal(err)
		}
	}
	for _, what := range []string{"instance", "cluster", "members", "describe admin"} {
		if w.position(what) >= 0 {
			t.Errorf("it asked: %q", w.trace)
		}
	}
}

// The account that is proven is the writer's, by a login there.
func TestNoProofAtTheWriterNoChange(t *testing.T) {
	for _, test := range []struct {
		name, want string
		arrange    func(*memory)
	}{
		{"current is refused at the writer", "at the writer", func(w *memory) {
			w.before = func(what string) error {
				if what == "connect app at "+writerHost {
					return errors.New("access denied")
				}
				return nil
			}
		}},
		{"the writer's name leads to two servers", "two servers", func(w *memory) { w.identity["admin"] = "another" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newMemory(t)
			w.aws()
			for version, user := range map[string]string{oldToken: "app", token: "app_clone"} {
				w.values[version] = document(user, "a password", map[string]any{"host": readerHost})
			}
			w.admin = document("admin", "x", map[string]any{"host": writerHost})
			test.arrange(w)
			if err := w.step(rotation.SetSecret); err == nil || !strings.Contains(err.Error(), test.want) || len(w.mutating()) > 0 {
				t.Errorf("error %v after %q, want %q", err, w.trace, test.want)
			}
		})
	}
}
