package tutorial

import (
	"context"
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
	"github.com/google/go-cmp/cmp"

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
	names   *lambdahost.Names
	source  *dbserver.Server // has all instances that write
	replica *dbserver.Server // replicates from it once there is a reader; may be nil
	secrets *secretsmanager.Client
	service *emulator.Service
	url     string      // of Secrets Manager
	failed  func(error) // is told of a step that failed

	mutex     sync.Mutex
	standing  map[string]map[string]string // resources and their tags
	instances []emulator.DBInstance
	clusters  []emulator.DBCluster
	managed   map[string]string    // the ARN of RDS's secret, by the instance
	next      int                  // the number of the next resource of EC2
	functions map[string]*function // by ARN
	outputs   map[string]map[string]string
	schedules map[string]any // of stacks
	lines     []logLine      // that functions wrote
	clock     *emulator.ManualClock
	windows   map[string]bool // secrets that await their window
}

// logLine is a line of a function's log.
type logLine struct{ function, text string }

// function is a deployed function.
type function struct {
	host   *lambdahost.Host
	env    []string
	role   []template.Statement
	source string // the secret for which it may be invoked, "" for any
}

const administrator = "ADMINISTRATOR"

func newAWSAccount(t *testing.T, binary string, source, replica *dbserver.Server, failed func(error)) *awsAccount {
	t.Helper()
	c := &awsAccount{
		t: t, binary: binary, names: lambdahost.NewNames(t.TempDir()), source: source, replica: replica, failed: failed, standing: map[string]map[string]string{}, managed: map[string]string{},
		functions: map[string]*function{}, outputs: map[string]map[string]string{}, schedules: map[string]any{}, clock: emulator.NewManualClock(time.Now()), windows: map[string]bool{},
	}
	service := emulator.New(emulator.Options{
		Region: template.Region, Account: template.AccountID, Attempts: 1, Pause: -1, Schedule: true, Clock: c.clock, Events: c.event,
		KnowsFunction: func(arn string) bool { return c.function(arn) != nil },
		Invoker:       emulator.InvokerFunc(c.invoke),
		Authorize:     c.authorize,
	})
	c.service = service
	t.Cleanup(service.Close)
	var err error
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
		err = c.hostOf(f).Invoker().Invoke(ctx, arn, payload)
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
		if operation == "GetSecretValue" {
			c.awaited(secret)
		}
		return nil
	}
	attached := ""
	if described, err := c.secrets.DescribeSecret(c.t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(secret)}); err == nil {
		attached = aws.ToString(described.RotationLambdaARN)
	}
	for _, s := range f.role {
		if !slices.Contains(s.Action, "secretsmanager:"+operation) && !slices.Contains(s.Action, "rds:"+operation) || !slices.ContainsFunc(s.Resource, func(pattern string) bool { return like(pattern, secret) }) {
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

// stand has something stand there, with its tags.
func (c *awsAccount) stand(what string, tags map[string]string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.standing[what] = tags
}

// remove reports whether it stood there.
func (c *awsAccount) remove(what string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	_, stood := c.standing[what]
	delete(c.standing, what)
	return stood
}

func (c *awsAccount) stands(what string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	_, stands := c.standing[what]
	return stands
}

func (c *awsAccount) left() []string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return slices.Sorted(maps.Keys(c.standing))
}

func (c *awsAccount) log() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var text strings.Builder
	for _, line := range c.lines {
		text.WriteString(line.text + "\n")
	}
	return text.String()
}

// event notes which secrets have been given a schedule without a rotation.
func (c *awsAccount) event(e emulator.Event) {
	if e.Name == emulator.TestRotationSucceeded {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.windows[e.SecretARN] = true
	}
}

// awaited lets the time pass until a secret's window opens, when somebody waits for that.
func (c *awsAccount) awaited(secret string) {
	c.mutex.Lock()
	waits := c.windows[secret]
	delete(c.windows, secret)
	c.mutex.Unlock()
	if waits {
		c.clock.Advance(70 * time.Minute)
	}
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
		c.serveLambda(w, r, name)
		return
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		c.serveTarget(w, r, target)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/tandem-acceptance-") {
		c.serveBucket(w, r)
		return
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, code := c.answer(r.Form.Get("Action"), r.Form)
	if code != "" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, answer)
		return
	}
	action := r.Form.Get("Action")
	_, _ = io.WriteString(w, "<"+action+"Response>"+answer+"</"+action+"Response>")
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
	name, tags := parameters["functionName"], map[string]string{}
	if i := slices.Index(words, "--tags"); i >= 0 {
		for tag := range strings.FieldsSeq(words[i+1]) {
			key, value, _ := strings.Cut(tag, "=")
			tags[key] = value
		}
	}
	group, _ := stack.Resources["RotationLogGroup"].Properties["LogGroupName"].(string)
	if c.stands(group) && !c.stands("stack "+stackName) {
		return fmt.Errorf("%s already exists", group)
	}
	f, err := c.start(name, stack)
	if err != nil {
		return err
	}
	c.mutex.Lock()
	c.functions[functionARN(name)] = f
	c.outputs[stackName] = map[string]string{"RotationLambdaARN": functionARN(name), "RotationRoleName": name}
	c.standing["stack "+stackName] = tags
	if group != "" {
		c.standing[group] = tags // a stack leaves it behind when it goes
	}
	schedule, there := stack.Resources["RotationSchedule"]
	same := cmp.Equal(c.schedules[stackName], any(schedule.Properties))
	c.schedules[stackName] = schedule.Properties
	c.mutex.Unlock()
	if !there || same {
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
	env := []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + c.url, "AWS_ACCESS_KEY_ID=" + name, "AWS_SECRET_ACCESS_KEY=x", "SSL_CERT_FILE=" + c.source.CAFile, "AWS_ENDPOINT_URL_RDS=" + c.url, lambdahost.NamesVariable + "=" + c.names.File}
	environment, _ := stack.Resources["RotationFunction"].Properties["Environment"].(map[string]any)
	variables, _ := environment["Variables"].(map[string]any)
	for variable, value := range variables {
		env = append(env, variable+"="+fmt.Sprint(value))
	}
	f.env = env
	return &f, c.run(name, &f, c.binary)
}

// run has a function be a program from now on.
func (c *awsAccount) run(name string, f *function, binary string) error {
	host, err := lambdahost.Start(c.t.Context(), lambdahost.Function{
		Binary: binary, ARN: functionARN(name), Env: f.env, Timeout: time.Minute, SystemLogs: true,
		Logs: func(line lambdahost.Line) {
			c.mutex.Lock()
			defer c.mutex.Unlock()
			c.lines = append(c.lines, logLine{name, line.Text})
		},
	})
	if err != nil {
		return err
	}
	c.t.Cleanup(host.Close)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	f.host = host
	return nil
}
