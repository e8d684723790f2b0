package tutorial

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/lambdahost"
	"tandem/internal/repotest/template"
)

// What EC2, RDS, CloudFormation, Lambda, CloudWatch Logs and S3 answer in the account.

func (c *awsAccount) hostOf(f *function) *lambdahost.Host {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return f.host
}

// serveLambda is Lambda's Invoke, UpdateFunctionCode and GetFunctionConfiguration.
func (c *awsAccount) serveLambda(w http.ResponseWriter, r *http.Request, path string) {
	name, what, _ := strings.Cut(path, "/")
	f := c.function(functionARN(name))
	body, err := io.ReadAll(r.Body)
	if f == nil || err != nil {
		http.Error(w, fmt.Sprintf("there is no function %s, or no payload: %v", name, err), http.StatusNotFound)
		return
	}
	switch what {
	case "invocations":
		result, err := c.hostOf(f).Invoke(r.Context(), body)
		if err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			result.Payload = []byte(err.Error())
		}
		_, _ = w.Write(result.Payload)
	case "code":
		if err := c.updateCode(name, f, body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"State": "Active", "LastUpdateStatus": "InProgress"}`)
	case "configuration":
		_, _ = io.WriteString(w, `{"State": "Active", "LastUpdateStatus": "Successful"}`)
	default:
		http.Error(w, "Lambda has no "+what, http.StatusNotFound)
	}
}

// updateCode unpacks what is deployed, and has the function be that.
func (c *awsAccount) updateCode(name string, f *function, body []byte) error {
	var request struct{ ZipFile []byte }
	if err := json.Unmarshal(body, &request); err != nil {
		return err
	}
	archive, err := zip.NewReader(bytes.NewReader(request.ZipFile), int64(len(request.ZipFile)))
	if err != nil {
		return err
	}
	folder := c.t.TempDir()
	if err := os.CopyFS(folder, archive); err != nil {
		return err
	}
	for _, file := range archive.File {
		if err := os.Chmod(filepath.Join(folder, file.Name), file.Mode()); err != nil {
			return err
		}
	}
	return c.run(name, f, filepath.Join(folder, "bootstrap"))
}

// serveTarget is CloudWatch Logs, and the API by which resources are found by a tag.
func (c *awsAccount) serveTarget(w http.ResponseWriter, r *http.Request, target string) {
	var request struct{ LogGroupName, LogGroupNamePrefix, FilterPattern, ResourceArn string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := any(map[string]any{})
	missing := false
	switch target {
	case "Logs_20140328.DeleteLogGroup":
		missing = !c.remove(request.LogGroupName)
	case "Logs_20140328.FilterLogEvents":
		missing = !c.stands(request.LogGroupName)
		answer = map[string]any{"events": c.logged(strings.TrimPrefix(request.LogGroupName, "/aws/lambda/"), request.FilterPattern)}
	case "Logs_20140328.DescribeLogGroups":
		groups := []map[string]string{}
		if c.stands(request.LogGroupNamePrefix) {
			groups = append(groups, map[string]string{"logGroupName": request.LogGroupNamePrefix, "arn": "arn:aws:logs:" + template.Region + ":" + template.AccountID + ":log-group:" + request.LogGroupNamePrefix + ":*"})
		}
		answer = map[string]any{"logGroups": groups}
	case "Logs_20140328.ListTagsForResource":
		_, name, _ := strings.Cut(request.ResourceArn, "log-group:")
		answer = map[string]any{"tags": c.tags(name)}
	case "ResourceGroupsTaggingAPI_20170126.GetResources":
		answer = map[string]any{"ResourceTagMappingList": []any{}}
	default:
		missing = true
	}
	if missing {
		http.Error(w, `{"__type": "ResourceNotFoundException", "message": "The specified log group does not exist."}`, http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// logged are a function's lines that a pattern matches: words in quotation marks, or
// a field's value.
func (c *awsAccount) logged(function, pattern string) []map[string]string {
	if word, is := strings.CutPrefix(pattern, "{ $.message = "); is {
		pattern = strings.TrimSuffix(word, " }")
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	found := []map[string]string{}
	for _, line := range c.lines {
		if line.function == function && strings.Contains(line.text, strings.Trim(pattern, `"`)) {
			found = append(found, map[string]string{"message": line.text})
		}
	}
	return found
}

// serveBucket is S3.
func (c *awsAccount) serveBucket(w http.ResponseWriter, r *http.Request) {
	bucket := "bucket " + strings.Trim(r.URL.Path, "/")
	_, tagging := r.URL.Query()["tagging"]
	switch {
	case r.Method == http.MethodPut && tagging:
		body, _ := io.ReadAll(r.Body)
		_, key, _ := strings.Cut(string(body), "<Key>")
		key, rest, _ := strings.Cut(key, "</Key>")
		_, value, _ := strings.Cut(rest, "<Value>")
		value, _, _ = strings.Cut(value, "</Value>")
		c.stand(bucket, map[string]string{key: value})
	case r.Method == http.MethodPut:
		c.stand(bucket, nil)
	case !c.stands(bucket):
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>")
	case r.Method == http.MethodGet && tagging:
		_, _ = io.WriteString(w, "<Tagging><TagSet>"+elements(c.tags(bucket), "<Tag><Key>%s</Key><Value>%s</Value></Tag>")+"</TagSet></Tagging>")
	case r.Method == http.MethodGet:
		_, _ = io.WriteString(w, "<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>")
	case r.Method == http.MethodDelete:
		c.remove(bucket)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (c *awsAccount) tags(what string) map[string]string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.standing[what]
}

func elements(tags map[string]string, form string) string {
	var b strings.Builder
	for key, value := range tags {
		fmt.Fprintf(&b, form, key, value)
	}
	return b.String()
}

// tagsOf are the tags of a request that makes something, in RDS's form and in EC2's.
func tagsOf(form url.Values) map[string]string {
	tags := map[string]string{}
	for _, prefix := range []string{"Tags.Tag.1.", "Tags.member.1.", "TagSpecification.1.Tag.1."} {
		if key := form.Get(prefix + "Key"); key != "" {
			tags[key] = form.Get(prefix + "Value")
		}
	}
	return tags
}

// ofEC2 are EC2's resources: the beginning of their IDs, the element that describes
// one, the element of its ID, and the parameters that name one.
var ofEC2 = map[string]struct{ prefix, element, id, list, one string }{
	"Vpc":             {"vpc-0", "vpc", "vpcId", "VpcId.1", "VpcId"},
	"Subnet":          {"subnet-0", "subnet", "subnetId", "SubnetId.1", "SubnetId"},
	"InternetGateway": {"igw-0", "internetGateway", "internetGatewayId", "InternetGatewayId.1", "InternetGatewayId"},
	"VpcEndpoint":     {"vpce-0", "vpcEndpoint", "vpcEndpointId", "VpcEndpointId.1", "VpcEndpointId.1"},
	"SecurityGroup":   {"sg-0", "securityGroup", "groupId", "GroupId.1", "GroupId"},
}

func (c *awsAccount) createInEC2(kind string, form url.Values) (answer, code string) {
	how := ofEC2[kind]
	for _, needed := range []string{"VpcId", "SecurityGroupId.1", "SubnetId.1"} {
		if id := form.Get(needed); id != "" && !c.stands(id) && !slices.Contains([]string{"vpc-0a", "subnet-0a", "subnet-0b"}, id) {
			return id + " is not there", "InvalidParameter"
		}
	}
	c.mutex.Lock()
	c.next++
	id := how.prefix + strconv.Itoa(c.next)
	c.standing[id] = tagsOf(form)
	c.mutex.Unlock()
	element := "<" + how.id + ">" + id + "</" + how.id + ">"
	if kind == "SecurityGroup" {
		return element, ""
	}
	return "<" + how.element + ">" + element + "</" + how.element + ">", ""
}

func (c *awsAccount) describeInEC2(kind string, form url.Values) (answer, code string) {
	how := ofEC2[kind]
	id := form.Get(how.list)
	switch {
	case id == "" && kind == "Vpc":
		return "<vpcSet><item><vpcId>vpc-0a</vpcId></item></vpcSet>", ""
	case id == "" && kind == "Subnet":
		return "<subnetSet><item><subnetId>subnet-0a</subnetId></item><item><subnetId>subnet-0b</subnetId></item><item><subnetId>subnet-0c</subnetId></item></subnetSet>", ""
	case !c.stands(id):
		return "there is no " + id, "Invalid" + kind + "Id.NotFound"
	}
	set := how.element + "Set"
	if kind == "SecurityGroup" {
		set = "securityGroupInfo"
	}
	return "<" + set + "><item><" + how.id + ">" + id + "</" + how.id + "><tagSet>" + elements(c.tags(id), "<item><key>%s</key><value>%s</value></item>") + "</tagSet></item></" + set + ">", ""
}

// deleteInEC2 refuses what something else is in: a group first of all, and a VPC.
func (c *awsAccount) deleteInEC2(kind string, form url.Values) (answer, code string) {
	id := form.Get(ofEC2[kind].one)
	if id == "" {
		id = form.Get(ofEC2[kind].list)
	}
	in := map[string][]string{"SecurityGroup": {"vpce-", "DB ", "stack "}, "Vpc": {"subnet-", "sg-", "vpce-"}}[kind]
	for _, other := range c.left() {
		if slices.ContainsFunc(in, func(prefix string) bool { return strings.HasPrefix(other, prefix) }) {
			return other + " is in it", "DependencyViolation"
		}
	}
	if !c.remove(id) {
		return "there is no " + id, "Invalid" + kind + "Id.NotFound"
	}
	return "<return>true</return>", ""
}

// answer is what an operation of EC2, RDS, STS or CloudFormation answers, or an
// error's message and code.
func (c *awsAccount) answer(action string, form url.Values) (answer, code string) {
	for kind := range ofEC2 {
		switch action {
		case "Create" + kind:
			return c.createInEC2(kind, form)
		case "Describe" + kind + "s":
			return c.describeInEC2(kind, form)
		case "Delete" + kind, "Delete" + kind + "s":
			return c.deleteInEC2(kind, form)
		}
	}
	switch action {
	case "GetCallerIdentity":
		return "<GetCallerIdentityResult><Account>" + template.AccountID + "</Account></GetCallerIdentityResult>", ""
	case "AuthorizeSecurityGroupIngress":
		if !c.stands(form.Get("GroupId")) {
			return "there is no such group", "InvalidGroup.NotFound"
		}
		return "<return>true</return>", ""
	case "ModifyVpcAttribute", "AttachInternetGateway", "DetachInternetGateway", "CreateRoute":
		return "<return>true</return>", ""
	case "DescribeRouteTables":
		return "<routeTableSet><item><routeTableId>rtb-0a</routeTableId></item></routeTableSet>", ""
	case "DescribeAvailabilityZones":
		return "<availabilityZoneInfo><item><zoneName>eu-west-1a</zoneName></item><item><zoneName>eu-west-1b</zoneName></item></availabilityZoneInfo>", ""
	case "DescribeStacks":
		stack := form.Get("StackName")
		if !c.stands("stack " + stack) {
			return "Stack with id " + stack + " does not exist", "ValidationError"
		}
		return "<DescribeStacksResult><Stacks><member><StackName>" + stack + "</StackName><StackStatus>CREATE_COMPLETE</StackStatus><Tags>" +
			elements(c.tags("stack "+stack), "<member><Key>%s</Key><Value>%s</Value></member>") + "</Tags><Outputs>" +
			elements(c.outputs[stack], "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>") + "</Outputs></member></Stacks></DescribeStacksResult>", ""
	case "DeleteStack":
		c.remove("stack " + form.Get("StackName"))
		return "", ""
	}
	return c.answerOfRDS(action, form)
}

// rdsSuffix ends the host names that RDS gives.
const rdsSuffix = ".c9akciq32rs1." + template.Region + ".rds.amazonaws.com"

func (c *awsAccount) answerOfRDS(action string, form url.Values) (answer, code string) {
	id := form.Get("DBInstanceIdentifier")
	switch action {
	case "CreateDBSubnetGroup":
		c.stand("subnets "+form.Get("DBSubnetGroupName"), tagsOf(form))
	case "DescribeDBSubnetGroups":
		if !c.stands("subnets " + form.Get("DBSubnetGroupName")) {
			return "there is no such group", "DBSubnetGroupNotFoundFault"
		}
		return "<DescribeDBSubnetGroupsResult><DBSubnetGroups><DBSubnetGroup><DBSubnetGroupArn>" + form.Get("DBSubnetGroupName") + "</DBSubnetGroupArn></DBSubnetGroup></DBSubnetGroups></DescribeDBSubnetGroupsResult>", ""
	case "ListTagsForResource":
		return "<ListTagsForResourceResult>" + c.tagList("subnets "+form.Get("ResourceName")) + "</ListTagsForResourceResult>", ""
	case "DeleteDBSubnetGroup":
		c.remove("subnets " + form.Get("DBSubnetGroupName"))
	case "CreateDBCluster":
		return c.createCluster(form)
	case "CreateDBInstance":
		return c.createInstance(id, form)
	case "CreateDBInstanceReadReplica":
		return c.createReplica(id, form)
	case "ModifyDBInstance":
		return c.manage(action, "db", id)
	case "ModifyDBCluster":
		return c.manage(action, "cluster", form.Get("DBClusterIdentifier"))
	case "DescribeDBInstances":
		return c.describeInstance(id)
	case "DescribeDBClusters":
		return c.describeCluster(form.Get("DBClusterIdentifier"))
	case "DeleteDBInstance":
		c.removeDatabase(id)
	case "DeleteDBCluster":
		c.removeDatabase(form.Get("DBClusterIdentifier"))
	default:
		return "the tutorials' account has no " + action, "InvalidAction"
	}
	return "<" + action + "Result/>", ""
}

func (c *awsAccount) tagList(what string) string {
	return "<TagList>" + elements(c.tags(what), "<Tag><Key>%s</Key><Value>%s</Value></Tag>") + "</TagList>"
}

// administrator makes the user that RDS makes with an instance.
func (c *awsAccount) administrator(form url.Values) error {
	user, password := form.Get("MasterUsername"), form.Get("MasterUserPassword")
	return c.execute(c.source, "CREATE USER '"+user+"'@'%' IDENTIFIED BY '"+password+"'", "GRANT ALL PRIVILEGES ON *.* TO '"+user+"'@'%' WITH GRANT OPTION")
}

func (c *awsAccount) execute(on *dbserver.Server, statements ...string) error {
	db, err := on.DB()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, sent := range statements {
		if _, err := db.ExecContext(c.t.Context(), sent); err != nil {
			return err
		}
	}
	return nil
}

// database adds an instance, whose name leads to a server.
func (c *awsAccount) database(one emulator.DBInstance, on *dbserver.Server, tags map[string]string) {
	one.Host, one.Port = one.ID+rdsSuffix, 3306
	c.lead(one.Host, on)
	c.stand("DB "+one.ID, tags)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.instances = append(c.instances, one)
	c.service.SetDatabases(c.instances, c.clusters)
}

// lead has a name, at the port that RDS uses, lead to a server.
func (c *awsAccount) lead(host string, to *dbserver.Server) {
	if err := c.names.Lead(host, 3306, net.JoinHostPort(to.Host, strconv.Itoa(to.Port))); err != nil {
		c.t.Error(err)
	}
}

func (c *awsAccount) removeDatabase(id string) {
	c.remove("DB " + id)
	c.mutex.Lock()
	c.instances = slices.DeleteFunc(c.instances, func(one emulator.DBInstance) bool { return one.ID == id })
	c.clusters = slices.DeleteFunc(c.clusters, func(one emulator.DBCluster) bool { return one.ID == id })
	c.service.SetDatabases(c.instances, c.clusters)
	secret := c.managed[id]
	delete(c.managed, id)
	c.mutex.Unlock()
	if secret == "" {
		return
	}
	if _, err := c.secrets.DeleteSecret(c.t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String(secret), ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		c.t.Error(err)
	}
}

const failure = "InternalFailure"

func (c *awsAccount) createInstance(id string, form url.Values) (answer, code string) {
	one, on := emulator.DBInstance{ID: id, Engine: form.Get("Engine"), Cluster: form.Get("DBClusterIdentifier")}, c.source
	switch {
	case one.Cluster == "":
		if !c.stands("subnets " + form.Get("DBSubnetGroupName")) {
			return "there is no such group of subnets", "DBSubnetGroupNotFoundFault"
		}
		if err := c.administrator(form); err != nil {
			return err.Error(), failure
		}
	case c.isReader(one):
		on = c.replica
		if err := c.replicate(); err != nil {
			return err.Error(), failure
		}
	}
	c.database(one, on, tagsOf(form))
	return "<CreateDBInstanceResult><DBInstance/></CreateDBInstanceResult>", ""
}

// isReader makes the first instance of a cluster its writer, and reports whether one is
// another.
func (c *awsAccount) isReader(one emulator.DBInstance) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	i := slices.IndexFunc(c.clusters, func(cluster emulator.DBCluster) bool { return cluster.ID == one.Cluster })
	if i >= 0 && c.clusters[i].Writer == "" {
		c.clusters[i].Writer = one.ID
		return false
	}
	return true
}

// replicate makes the second server a reader of the first.
func (c *awsAccount) replicate() error {
	if err := c.replica.Replicate(c.t.Context(), c.source, dbserver.Replication{}); err != nil {
		return err
	}
	return c.execute(c.replica, "SET GLOBAL read_only = ON")
}

func (c *awsAccount) createReplica(id string, form url.Values) (answer, code string) {
	source := form.Get("SourceDBInstanceIdentifier")
	if !c.stands("DB " + source) {
		return "there is no such instance", "DBInstanceNotFound"
	}
	if err := c.replicate(); err != nil {
		return err.Error(), failure
	}
	c.database(emulator.DBInstance{ID: id, Engine: c.instances[0].Engine, Source: source}, c.replica, tagsOf(form))
	return "<CreateDBInstanceReadReplicaResult><DBInstance/></CreateDBInstanceReadReplicaResult>", ""
}

func (c *awsAccount) createCluster(form url.Values) (answer, code string) {
	if err := c.administrator(form); err != nil {
		return err.Error(), failure
	}
	id := form.Get("DBClusterIdentifier")
	cluster := emulator.DBCluster{ID: id, Engine: form.Get("Engine"), Host: id + ".cluster-c9akciq32rs1." + template.Region + ".rds.amazonaws.com", Reader: id + ".cluster-ro-c9akciq32rs1." + template.Region + ".rds.amazonaws.com", Port: 3306}
	c.lead(cluster.Host, c.source)
	c.lead(cluster.Reader, c.replica)
	c.stand("DB "+id, tagsOf(form))
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.clusters = append(c.clusters, cluster)
	return "<CreateDBClusterResult><DBCluster/></CreateDBClusterResult>", ""
}

// manage has RDS keep the password of the admin of an instance or a cluster ("db",
// "cluster"), with a new one.
func (c *awsAccount) manage(action, kind, id string) (answer, code string) {
	const password = "managed-by-RDS-0a1b2c3d"
	if err := c.execute(c.source, "ALTER USER 'adminuser'@'%' IDENTIFIED BY '"+password+"'"); err != nil {
		return err.Error(), failure
	}
	made, err := c.secrets.CreateSecret(c.t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("rds!db-11111111-2222-3333-4444-555555555555"), SecretString: aws.String(`{"username": "adminuser", "password": "` + password + `"}`),
		Tags: []types.Tag{{Key: aws.String(map[string]string{"db": "aws:rds:primaryDBInstanceArn", "cluster": "aws:rds:primaryDBClusterArn"}[kind]), Value: aws.String("arn:aws:rds:" + template.Region + ":" + template.AccountID + ":" + kind + ":" + id)}},
	})
	if err != nil {
		return err.Error(), failure
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.managed[id] = aws.ToString(made.ARN)
	return "<" + action + "Result/>", ""
}

func (c *awsAccount) describeInstance(id string) (answer, code string) {
	tags := c.tagList("DB " + id)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	i := slices.IndexFunc(c.instances, func(one emulator.DBInstance) bool { return one.ID == id })
	if i < 0 {
		return "there is no such instance", "DBInstanceNotFound"
	}
	version, _, _ := strings.Cut(c.source.Version, "-")
	return fmt.Sprintf("<DescribeDBInstancesResult><DBInstances><DBInstance><DBInstanceIdentifier>%s</DBInstanceIdentifier><DBInstanceStatus>available</DBInstanceStatus><EngineVersion>%s</EngineVersion>"+
		"<Endpoint><Address>%s</Address><Port>%d</Port></Endpoint><MasterUserSecret><SecretArn>%s</SecretArn><SecretStatus>active</SecretStatus></MasterUserSecret>%s</DBInstance></DBInstances></DescribeDBInstancesResult>",
		id, version, c.instances[i].Host, c.instances[i].Port, c.managed[id], tags), ""
}

func (c *awsAccount) describeCluster(id string) (answer, code string) {
	tags := c.tagList("DB " + id)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	i := slices.IndexFunc(c.clusters, func(one emulator.DBCluster) bool { return one.ID == id })
	if i < 0 {
		return "there is no such cluster", "DBClusterNotFoundFault"
	}
	one := c.clusters[i]
	return fmt.Sprintf("<DescribeDBClustersResult><DBClusters><DBCluster><DBClusterIdentifier>%s</DBClusterIdentifier><Status>available</Status><Endpoint>%s</Endpoint><ReaderEndpoint>%s</ReaderEndpoint><Port>%d</Port><MasterUserSecret><SecretArn>%s</SecretArn><SecretStatus>active</SecretStatus></MasterUserSecret>%s</DBCluster></DBClusters></DescribeDBClustersResult>",
		id, one.Host, one.Reader, one.Port, c.managed[id], tags), ""
}
