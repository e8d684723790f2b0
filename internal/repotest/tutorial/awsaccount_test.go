package tutorial

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/lambdahost"
	"tandem/internal/repotest/template"
)

// awsAccount is the account of the tutorials. Secrets Manager is the emulator; the
// function is the compiled one, with the variables and within the role that
// template.yaml comes to; an instance of RDS is an administrator on a real
// server. Of EC2 and CloudFormation there are the answers that the tutorials ask
// for, and a list of what stands there, so that what they leave behind shows.
type awsAccount struct {
	t       *testing.T
	binary  string
	server  *dbserver.Server
	root    *sql.DB
	secrets *secretsmanager.Client
	url     string      // of Secrets Manager
	failed  func(error) // is told of a step that failed

	mutex     sync.Mutex
	standing  map[string]bool
	functions map[string]*function // by ARN
	outputs   map[string]map[string]string
	lines     []string // that functions wrote
}

// function is a deployed function.
type function struct {
	host   *lambdahost.Host
	role   []template.Statement
	source string // the secret for which it may be invoked, "" for any
}

const administrator = "ADMINISTRATOR"

func newAWSAccount(t *testing.T, binary string, on *dbserver.Server, failed func(error)) *awsAccount {
	t.Helper()
	c := &awsAccount{t: t, binary: binary, server: on, failed: failed, standing: map[string]bool{}, functions: map[string]*function{}, outputs: map[string]map[string]string{}}
	var err error
	if c.root, err = on.DB(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.root.Close() })
	service := emulator.New(emulator.Options{
		Region: template.Region, Account: template.AccountID, Attempts: 1, Pause: -1,
		KnowsFunction: func(arn string) bool { return c.function(arn) != nil },
		Invoker:       emulator.InvokerFunc(c.invoke),
		Authorize:     c.authorize,
	})
	t.Cleanup(service.Close)
	if c.url, err = service.Listen(t.Context(), "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c.secrets = secretsmanager.New(secretsmanager.Options{
		Region: template.Region, BaseEndpoint: aws.String(c.url), Credentials: credentials.NewStaticCredentialsProvider(administrator, administrator, ""),
	})
	return c
}

func (c *awsAccount) function(arn string) *function {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.functions[arn]
}

func (c *awsAccount) invoke(ctx context.Context, arn string, payload []byte) error {
	f := c.function(arn)
	var event struct{ SecretId string }
	if err := json.Unmarshal(payload, &event); err != nil {
		return err
	}
	err := fmt.Errorf("%s may not be invoked for %s", arn, event.SecretId)
	if f.source == "" || f.source == event.SecretId {
		err = f.host.Invoker().Invoke(ctx, arn, payload)
	}
	if err != nil {
		c.failed(err)
	}
	return err
}

// authorize lets a function do what its role allows, and everybody else all.
func (c *awsAccount) authorize(identity, operation, secret string) error {
	f := c.function(functionARN(identity))
	if f == nil {
		return nil
	}
	attached := ""
	if described, err := c.secrets.DescribeSecret(c.t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(secret)}); err == nil {
		attached = aws.ToString(described.RotationLambdaARN)
	}
	for _, s := range f.role {
		if !slices.Contains(s.Action, "secretsmanager:"+operation) || !slices.ContainsFunc(s.Resource, func(pattern string) bool { return like(pattern, secret) }) {
			continue
		}
		holds := true
		for operator, keys := range s.Condition {
			for key, values := range keys {
				holds = holds && operator == "StringEquals" && key == "secretsmanager:resource/AllowRotationLambdaArn" && slices.Contains(values, attached)
			}
		}
		if holds {
			return nil
		}
	}
	return fmt.Errorf("the role does not allow %s on %s", operation, secret)
}

func like(pattern, text string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(text)
}

func functionARN(name string) string {
	return "arn:aws:lambda:" + template.Region + ":" + template.AccountID + ":function:" + name
}

func (c *awsAccount) stand(what string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.standing[what] = true
}

// remove reports whether it stood there.
func (c *awsAccount) remove(what string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	stood := c.standing[what]
	delete(c.standing, what)
	return stood
}

func (c *awsAccount) stands(what string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.standing[what]
}

func (c *awsAccount) left() []string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return slices.Sorted(maps.Keys(c.standing))
}

func (c *awsAccount) log() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return strings.Join(c.lines, "\n")
}

// ServeHTTP answers the AWS CLI, and the stand-in of SAM's.
func (c *awsAccount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/sam" {
		var words []string
		if err := json.NewDecoder(r.Body).Decode(&words); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		} else if err := c.deploy(words); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		return
	}
	if name, found := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/"); found {
		c.serveInvoke(w, r, strings.TrimSuffix(name, "/invocations"))
		return
	}
	if r.Header.Get("X-Amz-Target") == "Logs_20140328.DeleteLogGroup" {
		c.serveDeleteLogGroup(w, r)
		return
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, code := c.answer(r.Form.Get("Action"), r.Form.Get)
	if code != "" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, answer)
		return
	}
	action := r.Form.Get("Action")
	_, _ = io.WriteString(w, "<"+action+"Response>"+answer+"</"+action+"Response>")
}

func (c *awsAccount) serveDeleteLogGroup(w http.ResponseWriter, r *http.Request) {
	var request struct{ LogGroupName string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || !c.remove(request.LogGroupName) {
		http.Error(w, `{"__type": "ResourceNotFoundException", "message": "The specified log group does not exist."}`, http.StatusBadRequest)
	}
}

// serveInvoke is Lambda's Invoke.
func (c *awsAccount) serveInvoke(w http.ResponseWriter, r *http.Request, name string) {
	f := c.function(functionARN(name))
	payload, err := io.ReadAll(r.Body)
	if f == nil || err != nil {
		http.Error(w, fmt.Sprintf("there is no function %s, or no payload: %v", name, err), http.StatusNotFound)
		return
	}
	result, err := f.host.Invoke(r.Context(), payload)
	if err != nil {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		result.Payload = []byte(err.Error())
	}
	_, _ = w.Write(result.Payload)
}

// answer is what an operation answers, or an error's message and code.
func (c *awsAccount) answer(action string, parameter func(string) string) (answer, code string) {
	switch action {
	case "DescribeVpcs":
		return "<vpcSet><item><vpcId>vpc-0a</vpcId></item></vpcSet>", ""
	case "DescribeSubnets":
		return "<subnetSet><item><subnetId>subnet-0a</subnetId></item><item><subnetId>subnet-0b</subnetId></item><item><subnetId>subnet-0c</subnetId></item></subnetSet>", ""
	case "CreateSecurityGroup":
		c.stand("sg-0a")
		return "<groupId>sg-0a</groupId>", ""
	case "AuthorizeSecurityGroupIngress":
		if !c.stands(parameter("GroupId")) {
			return "there is no such group", "InvalidGroup.NotFound"
		}
		return "<return>true</return>", ""
	case "DeleteSecurityGroup":
		if others := len(c.left()); others > 1 {
			return "the group is in use", "DependencyViolation"
		}
		c.remove(parameter("GroupId"))
		return "<return>true</return>", ""
	case "CreateVpcEndpoint":
		if parameter("SubnetId.1") != "subnet-0a" || parameter("SubnetId.2") != "subnet-0b" || !c.stands(parameter("SecurityGroupId.1")) {
			return "the subnets or the group are not there", "InvalidParameter"
		}
		c.stand("vpce-0a")
		return "<vpcEndpoint><vpcEndpointId>vpce-0a</vpcEndpointId></vpcEndpoint>", ""
	case "DeleteVpcEndpoints":
		if !c.remove(parameter("VpcEndpointId.1")) {
			return "there is no such endpoint", "InvalidVpcEndpointId.NotFound"
		}
		return "<unsuccessful/>", ""
	case "CreateDBInstance":
		user, password := parameter("MasterUsername"), parameter("MasterUserPassword")
		for _, sent := range []string{"CREATE USER '" + user + "'@'%' IDENTIFIED BY '" + password + "'", "GRANT ALL PRIVILEGES ON *.* TO '" + user + "'@'%' WITH GRANT OPTION"} {
			if _, err := c.root.ExecContext(c.t.Context(), sent); err != nil {
				return err.Error(), "InternalFailure"
			}
		}
		c.stand(parameter("DBInstanceIdentifier"))
		return "<CreateDBInstanceResult><DBInstance/></CreateDBInstanceResult>", ""
	case "DescribeDBInstances":
		if !c.stands(parameter("DBInstanceIdentifier")) {
			return "there is no such instance", "DBInstanceNotFound"
		}
		return fmt.Sprintf("<DescribeDBInstancesResult><DBInstances><DBInstance><DBInstanceStatus>available</DBInstanceStatus>"+
			"<Endpoint><Address>%s</Address><Port>%d</Port></Endpoint></DBInstance></DBInstances></DescribeDBInstancesResult>", c.server.Host, c.server.Port), ""
	case "DeleteDBInstance":
		c.remove(parameter("DBInstanceIdentifier"))
		return "<DeleteDBInstanceResult><DBInstance/></DeleteDBInstanceResult>", ""
	case "DescribeStacks":
		stack := parameter("StackName")
		if !c.stands(stack) {
			return "Stack with id " + stack + " does not exist", "ValidationError"
		}
		var outputs strings.Builder
		for name, value := range c.outputs[stack] {
			fmt.Fprintf(&outputs, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", name, value)
		}
		return "<DescribeStacksResult><Stacks><member><StackName>" + stack + "</StackName><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>" + outputs.String() + "</Outputs></member></Stacks></DescribeStacksResult>", ""
	case "DeleteStack":
		c.remove(parameter("StackName"))
		return "", ""
	}
	return "the tutorials' account has no " + action, "InvalidAction"
}

// deploy makes of the template what CloudFormation makes of it.
func (c *awsAccount) deploy(words []string) error {
	i, j := slices.Index(words, "--stack-name"), slices.Index(words, "--parameter-overrides")
	if words[0] != "deploy" || i < 0 || j < 0 {
		return fmt.Errorf("%q is no deployment", words)
	}
	stackName, parameters := words[i+1], map[string]string{}
	for _, assignment := range words[j+1:] {
		name, value, _ := strings.Cut(assignment, "=")
		parameters[name] = value
	}
	tpl, err := template.Read("../../../template.yaml")
	if err != nil {
		return err
	}
	stack, err := tpl.Evaluate(parameters)
	if err != nil {
		return err
	}
	name := parameters["functionName"]
	group, _ := stack.Resources["RotationLogGroup"].Properties["LogGroupName"].(string)
	if c.stands(group) {
		return fmt.Errorf("%s already exists", group)
	}
	f, err := c.start(name, stack)
	if err != nil {
		return err
	}
	c.mutex.Lock()
	c.functions[functionARN(name)] = f
	c.outputs[stackName] = map[string]string{"RotationLambdaARN": functionARN(name), "RotationRoleName": name}
	c.standing[stackName] = true
	if group != "" {
		c.standing[group] = true // a stack leaves it behind when it goes
	}
	c.mutex.Unlock()
	schedule, there := stack.Resources["RotationSchedule"]
	if !there {
		return nil
	}
	rules, _ := schedule.Properties["RotationRules"].(map[string]any)
	in := &secretsmanager.RotateSecretInput{
		SecretId:          aws.String(fmt.Sprint(schedule.Properties["SecretId"])),
		RotationLambdaARN: aws.String(functionARN(name)),
		RotateImmediately: aws.Bool(schedule.Properties["RotateImmediatelyOnUpdate"] == "true"),
		RotationRules:     &types.RotationRulesType{ScheduleExpression: aws.String(fmt.Sprint(rules["ScheduleExpression"]))},
	}
	_, err = c.secrets.RotateSecret(c.t.Context(), in)
	return err
}

// start starts a stack's function, with the variables of the template. Its name
// is the name that it calls by.
func (c *awsAccount) start(name string, stack *template.Stack) (*function, error) {
	var f function
	role := stack.Resources["RotationRole"].Properties
	policies, _ := role["Policies"].([]any)
	for _, policy := range policies {
		text, err := json.Marshal(policy.(map[string]any)["PolicyDocument"])
		if err != nil {
			return nil, err
		}
		var allowed template.Policy
		if err := json.Unmarshal(text, &allowed); err != nil {
			return nil, err
		}
		f.role = append(f.role, allowed.Statement...)
	}
	f.source, _ = stack.Resources["RotationPermission"].Properties["SourceArn"].(string)
	env := []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + c.url, "AWS_ACCESS_KEY_ID=" + name, "AWS_SECRET_ACCESS_KEY=x", "SSL_CERT_FILE=" + c.server.CAFile}
	environment, _ := stack.Resources["RotationFunction"].Properties["Environment"].(map[string]any)
	variables, _ := environment["Variables"].(map[string]any)
	for variable, value := range variables {
		env = append(env, variable+"="+fmt.Sprint(value))
	}
	var err error
	f.host, err = lambdahost.Start(c.t.Context(), lambdahost.Function{
		Binary: c.binary, ARN: functionARN(name), Env: env, Timeout: time.Minute,
		Logs: func(line lambdahost.Line) {
			c.mutex.Lock()
			defer c.mutex.Unlock()
			c.lines = append(c.lines, line.Text)
		},
	})
	if err == nil {
		c.t.Cleanup(f.host.Close)
	}
	return &f, err
}
