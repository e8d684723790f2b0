package acceptance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

const (
	accountNumber = "123456789012"
	urlVariable   = "ACCEPTANCE_TEST_ACCOUNT"
)

// account answers the AWS CLI's words, in the place of AWS.
type account struct {
	mutex     sync.Mutex
	resources map[string]*thing // by their kind and name
	calls     [][]string
	next      int
	late      bool // what is made is not seen at the first look
	// before, where set, is told of a call before it is answered, and may fail it with a
	// code.
	before func(words []string) (code string)
	// after is told of a call that was carried out and not answered yet.
	after func(words []string)

	asked     int      // whose the credentials are
	strangers int      // answers to that after the first, which name another account
	early     []string // secrets that were deleted before the stack that rotates them
}

type thing struct {
	tags  map[string]string
	looks int // at it, before it is gone; 0 as long as nobody deletes it
	late  bool
	in    string
}

func newAccount() *account { return &account{resources: map[string]*thing{}} }

// names are what stands there.
func (a *account) names() []string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return slices.Sorted(maps.Keys(a.resources))
}

func (a *account) called() [][]string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return slices.Clone(a.calls)
}

func (a *account) put(name string, tags map[string]string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.resources[name] = &thing{tags: tags}
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var words []string
	if err := json.NewDecoder(r.Body).Decode(&words); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mutex.Lock()
	a.calls = append(a.calls, words)
	a.mutex.Unlock()
	code := ""
	if a.before != nil {
		code = a.before(words)
	}
	out := ""
	if code == "" {
		out, code = a.answer(words)
	}
	if a.after != nil {
		a.after(words)
	}
	if code != "" {
		http.Error(w, fmt.Sprintf("An error occurred (%s) when calling the Some operation: does not exist, or secret-of-somebody at db.example.com %s", code, accountNumber), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, out)
}

func option(words []string, name string) string {
	if i := slices.Index(words, name); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// tagsOf reads the tags of a call that makes something.
func tagsOf(words []string) map[string]string {
	text := option(words, "--tags") + option(words, "--tag-specifications") + option(words, "--tagging")
	_, text, _ = strings.Cut(text, "Key=")
	key, value, _ := strings.Cut(text, ",Value=")
	return map[string]string{key: strings.TrimRight(value, "}]")}
}

// made are the operations that make something: the kind, and the option that names it,
// or the beginning of the ID that it gets.
var made = map[string][2]string{
	"ec2 create-vpc": {"vpc", "vpc-"}, "ec2 create-subnet": {"subnet", "subnet-"}, "ec2 create-internet-gateway": {"internet-gateway", "igw-"},
	"ec2 create-security-group": {"security-group", "sg-"}, "ec2 create-vpc-endpoint": {"vpc-endpoint", "vpce-"},
	"rds create-db-instance": {"db", "--db-instance-identifier"}, "rds create-db-instance-read-replica": {"db", "--db-instance-identifier"},
	"rds create-db-cluster": {"cluster", "--db-cluster-identifier"}, "rds create-db-subnet-group": {"subgrp", "--db-subnet-group-name"},
	"secretsmanager create-secret": {"secret", "--name"},
}

// deleted are those that remove something: the kind, and the option that names it.
var deleted = map[string][2]string{
	"ec2 delete-vpc": {"vpc", "--vpc-id"}, "ec2 delete-subnet": {"subnet", "--subnet-id"}, "ec2 delete-internet-gateway": {"internet-gateway", "--internet-gateway-id"},
	"ec2 delete-security-group": {"security-group", "--group-id"}, "ec2 delete-vpc-endpoints": {"vpc-endpoint", "--vpc-endpoint-ids"},
	"rds delete-db-instance": {"db", "--db-instance-identifier"}, "rds delete-db-cluster": {"cluster", "--db-cluster-identifier"},
	"rds delete-db-subnet-group": {"subgrp", "--db-subnet-group-name"}, "secretsmanager delete-secret": {"secret", "--secret-id"},
	"cloudformation delete-stack": {"stack", "--stack-name"}, "logs delete-log-group": {"log-group", "--log-group-name"},
}

// looked are those that describe one: the kind, and the option that names it.
var looked = map[string][2]string{
	"ec2 describe-vpcs": {"vpc", "--vpc-ids"}, "ec2 describe-subnets": {"subnet", "--subnet-ids"}, "ec2 describe-internet-gateways": {"internet-gateway", "--internet-gateway-ids"},
	"ec2 describe-security-groups": {"security-group", "--group-ids"}, "ec2 describe-vpc-endpoints": {"vpc-endpoint", "--vpc-endpoint-ids"},
	"rds describe-db-instances": {"db", "--db-instance-identifier"}, "rds describe-db-clusters": {"cluster", "--db-cluster-identifier"},
	"rds describe-db-subnet-groups": {"subgrp", "--db-subnet-group-name"}, "secretsmanager describe-secret": {"secret", "--secret-id"},
	"cloudformation describe-stacks": {"stack", "--stack-name"}, "s3api get-bucket-tagging": {"bucket", "--bucket"},
}

// answer is what the CLI prints, or the code of an error.
func (a *account) answer(words []string) (out, code string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	operation := strings.Join(words[:2], " ")
	if how, is := made[operation]; is {
		return a.make(how, words)
	}
	if how, is := deleted[operation]; is {
		return a.delete(how[0]+" "+option(words, how[1]), words)
	}
	if how, is := looked[operation]; is && option(words, "--filters") == "" {
		return a.look(how[0]+" "+option(words, how[1]), words)
	}
	switch operation {
	case "sts get-caller-identity":
		if a.asked++; a.asked > 1 && a.asked <= 1+a.strangers {
			return "210987654321\n", ""
		}
		return accountNumber + "\n", ""
	case "resourcegroupstaggingapi get-resources":
		return a.tagged(words), ""
	case "rds list-tags-for-resource":
		_, name, _ := strings.Cut(option(words, "--resource-name"), "subgrp:")
		return asJSON(map[string]any{"TagList": list(a.resources["subgrp "+name].tags)}), ""
	case "logs describe-log-groups":
		name := option(words, "--log-group-name-prefix")
		if a.resources["log-group "+name] == nil {
			return "[]", ""
		}
		return asJSON([]map[string]string{{"LogGroupName": name + "-other", "Arn": "x"}, {"LogGroupName": name, "Arn": "arn:aws:logs:eu-west-1:" + accountNumber + ":log-group:" + name + ":*"}}), ""
	case "logs list-tags-for-resource":
		_, name, _ := strings.Cut(option(words, "--resource-arn"), "log-group:")
		if a.resources["log-group "+name] == nil {
			return "", "ResourceNotFoundException"
		}
		return asJSON(a.resources["log-group "+name].tags), ""
	case "logs filter-log-events":
		return `["{\"step\": \"setSecret\", \"errorType\": \"StatementRefused\", \"error\": \"db.example.com\"}", "{\"step\": \"setSecret\", \"errorType\": \"secret-of-somebody\"}"]`, ""
	case "s3 mb":
		a.resources["bucket "+strings.TrimPrefix(words[2], "s3://")] = &thing{}
		return "", ""
	case "s3 rb":
		name := "bucket " + strings.TrimPrefix(words[2], "s3://")
		if slices.Contains(words, "--force") != (len(a.resources[name].tags) > 0) {
			return "", "BucketNotEmpty"
		}
		delete(a.resources, name)
		return "", ""
	case "s3api put-bucket-tagging":
		a.resources["bucket "+option(words, "--bucket")].tags = tagsOf(words)
		return "", ""
	case "ec2 attach-internet-gateway":
		a.resources["internet-gateway "+option(words, "--internet-gateway-id")].in = option(words, "--vpc-id")
		return "", ""
	case "ec2 detach-internet-gateway":
		a.resources["internet-gateway "+option(words, "--internet-gateway-id")].in = ""
		return "", ""
	case "secretsmanager get-random-password":
		return "hunter2hunter2\n", ""
	case "sam deploy": // by the stand-in of SAM
		a.resources["stack "+words[2]] = &thing{tags: map[string]string{"tandem-acceptance": words[3]}}
		a.resources["log-group /aws/lambda/"+words[2]] = &thing{tags: map[string]string{"tandem-acceptance": words[3]}}
		return "", ""
	}
	if how, is := looked[operation]; is { // by a filter for the tag
		_, run, _ := strings.Cut(option(words, "--filters"), "tag:tandem-acceptance,Values=")
		ids := []string{}
		for name, one := range a.resources {
			if kind, id, _ := strings.Cut(name, " "); kind == how[0] && one.tags["tandem-acceptance"] == run {
				ids = append(ids, id)
			}
		}
		return asJSON(ids), ""
	}
	return "", "UnknownOperation"
}

func (a *account) make(how [2]string, words []string) (out, code string) {
	name := option(words, how[1])
	if !strings.HasPrefix(how[1], "--") {
		a.next++
		name = fmt.Sprintf("%s%08x", how[1], a.next)
	}
	if a.resources[how[0]+" "+name] != nil {
		return "", "AlreadyExists"
	}
	a.resources[how[0]+" "+name] = &thing{tags: tagsOf(words), in: option(words, "--vpc-id"), late: a.late}
	return name + "\n", ""
}

// A VPC and a security group are in use as long as something is in them; what RDS
// deletes is there for two more looks at it.
func (a *account) delete(name string, _ []string) (out, code string) {
	one := a.resources[name]
	if one == nil {
		return "", "ResourceNotFoundException"
	}
	for other, thing := range a.resources {
		if thing.tags["tandem-acceptance"] != one.tags["tandem-acceptance"] {
			continue
		}
		if name == "vpc "+thing.in || strings.HasPrefix(name, "security-group ") && strings.HasPrefix(other, "vpc-endpoint ") || strings.HasPrefix(name, "subgrp ") && strings.HasPrefix(other, "db ") {
			return "", "DependencyViolation"
		}
	}
	if strings.HasPrefix(name, "db ") || strings.HasPrefix(name, "stack ") {
		one.looks = 2
		return "", ""
	}
	for stack, secret := range rotatedBy {
		if rest, is := strings.CutPrefix(name, "secret "+secret); is && a.resources["stack "+stack+rest] != nil {
			a.early = append(a.early, name)
		}
	}
	delete(a.resources, name)
	return "", ""
}

// rotatedBy has the secret whose rotation is a part of a stack: it could not be deleted with
// the stack once the secret is.
var rotatedBy = map[string]string{"tutorial-admin-rotation": "SecretsManagerTutorialAdmin", "mytest-rotation": "MyTestDatabaseUserSecret"}

func (a *account) look(name string, words []string) (out, code string) {
	one := a.resources[name]
	kind, _, _ := strings.Cut(name, " ")
	if one != nil && one.late {
		one.late, one = false, nil
	}
	switch {
	case one == nil && kind == "stack":
		return "", "ValidationError"
	case one == nil && strings.HasPrefix(words[0], "ec2"):
		return "", "InvalidThing.NotFound"
	case one == nil && kind == "bucket":
		return "", "NoSuchBucket"
	case one == nil:
		return "", "ResourceNotFoundException"
	case kind == "bucket" && len(one.tags) == 0:
		return "", "NoSuchTagSet"
	}
	status := "available"
	if one.looks > 0 {
		status = map[string]string{"stack": "DELETE_IN_PROGRESS", "db": "deleting"}[kind]
		if one.looks--; one.looks == 0 {
			delete(a.resources, name)
		}
	}
	if strings.HasSuffix(option(words, "--query"), "EngineVersion") {
		return "8.4.5\n", ""
	}
	answer := map[string]any{"Tags": list(one.tags), "TagSet": list(one.tags), "Status": status, "DBSubnetGroupArn": "arn:aws:rds:eu-west-1:" + accountNumber + ":" + strings.Replace(name, " ", ":", 1)}
	if kind == "internet-gateway" && one.in != "" {
		answer["Attachments"] = []map[string]string{{"VpcId": one.in}}
	}
	return asJSON(answer), ""
}

func (a *account) tagged(words []string) string {
	found := []map[string]any{}
	for name, one := range a.resources {
		if one.tags["tandem-acceptance"] == "" || strings.Contains(option(words, "--tag-filters"), "Values=") {
			continue
		}
		kind, id, _ := strings.Cut(name, " ")
		arn := map[string]string{
			"secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:" + id + "-AbCdEf", "bucket": "arn:aws:s3:::" + id, "stack": "arn:aws:cloudformation:eu-west-1:123456789012:stack/" + id + "/0a",
			"log-group": "arn:aws:logs:eu-west-1:123456789012:log-group:" + id, "db": "arn:aws:rds:eu-west-1:123456789012:db:" + id,
			"cluster": "arn:aws:rds:eu-west-1:123456789012:cluster:" + id, "subgrp": "arn:aws:rds:eu-west-1:123456789012:subgrp:" + id,
		}[kind]
		if arn == "" {
			arn = "arn:aws:ec2:eu-west-1:123456789012:" + kind + "/" + id
		}
		found = append(found, map[string]any{"ResourceARN": arn, "Tags": list(one.tags)})
	}
	return asJSON(found)
}

func list(tags map[string]string) []map[string]string {
	all := []map[string]string{}
	for key, value := range tags {
		all = append(all, map[string]string{"Key": key, "Value": value})
	}
	return all
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
