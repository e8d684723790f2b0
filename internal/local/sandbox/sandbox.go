// Package sandbox puts the parts together on one machine: a real database server,
// a local Secrets Manager, and the function as its compiled binary, run as Lambda
// runs it. The demo, the sandbox and the end-to-end tests are this with something
// to do.
//
//	Secrets Manager ── invokes ──► function (a process) ──► database server
//	       ▲                           │
//	       └──────── reads, writes ────┘
//
// It is never linked into the function.
package sandbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/lambdahost"
	"tandem/internal/secret"
)

// What the sandbox's world is called. Nothing leaves the machine. Of the access key
// only the secret part is secret, and another for each start: Sandbox.SecretKey.
const (
	Region      = "eu-west-1"
	FunctionARN = "arn:aws:lambda:" + Region + ":123456789012:function:tandem"
	// SingleUserARN is the same binary with ROTATION_STRATEGY=single-user, where
	// Options.SingleUser asks for it.
	SingleUserARN = FunctionARN + "-single-user"
	AccessKey     = "SANDBOX"
	// RoleARN is a role that the function can assume (ROTATION_ROLE_ARN).
	RoleARN = "arn:aws:iam::" + emulator.DefaultAccount + ":role/rotation"
	// Instance is the identifier by which RDS knows the server.
	Instance = "sandbox"
)

// role may do to the sandbox's secrets what a rotation needs, as the role of another
// account would.
func role() emulator.Role {
	secrets := []string{"arn:aws:secretsmanager:*:secret:*"}
	writes := []string{"secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"}
	return emulator.Role{
		ARN: RoleARN, Trusts: []string{"arn:aws:iam::" + emulator.DefaultAccount + ":user/" + AccessKey},
		Allows: []emulator.Permission{
			{Actions: []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}, Resources: secrets},
			{Actions: writes, Resources: secrets, RotationFunction: FunctionARN},
			{Actions: writes, Resources: secrets, RotationFunction: SingleUserARN},
			{Actions: []string{"secretsmanager:GetRandomPassword", "secretsmanager:ListSecrets"}, Resources: []string{"*"}},
		},
	}
}

// DefaultTimeout is the function's, as in its template.
const DefaultTimeout = 60 * time.Second

// Options say what to put together.
type Options struct {
	// Server is the running server. The sandbox does not close it.
	Server *dbserver.Server
	// Binary is the compiled function.
	Binary string
	// Env has further variables for the function, in the form of os.Environ.
	Env []string
	// SingleUser adds a second function, SingleUserARN.
	SingleUser bool
	// Timeout is the function's; DefaultTimeout if zero.
	Timeout time.Duration
	// Listen is Secrets Manager's address; a free port of 127.0.0.1 if empty.
	Listen string
	// SecretsManager is the local service's options; its Invoker is the sandbox's.
	SecretsManager emulator.Options
	// Logs, where set, receives what the function writes, and SystemLogs adds
	// Lambda's own lines to that.
	Logs       func(lambdahost.Line)
	SystemLogs bool
	// Started, where set, is told of each invocation's process.
	Started func(requestID string, pid int)
	// Intercept, where set, stands between Secrets Manager and the function: it gets
	// the event of each invocation, and invokes the function, or not, by invoke.
	Intercept func(ctx context.Context, payload []byte, invoke func(context.Context, []byte) error) error
}

// Sandbox is the whole, running.
type Sandbox struct {
	Server  *dbserver.Server
	Service *emulator.Service
	// URL is Secrets Manager's address.
	URL string
	// SecretKey is the secret access key with which every request to URL has to be
	// signed: other users of the machine, and web pages, reach the address too.
	SecretKey string
	// Secrets is a client of it, the SDK's own.
	Secrets *secretsmanager.Client
	// Function is the function's host.
	Function *lambdahost.Host
	function lambdahost.Function // as it is configured
	// singleUser is the second function's host; nil where there is none.
	singleUser *lambdahost.Host
	// Root is the server's administrator, who is not the rotation's admin.
	Root *sql.DB

	feed  feed
	every time.Duration
	// hangUp ends listening.
	hangUp func()
}

// Open puts a sandbox together. Close takes it apart; so does the end of ctx.
func Open(ctx context.Context, options Options) (*Sandbox, error) {
	if options.Timeout == 0 {
		options.Timeout = DefaultTimeout
	}
	if options.Listen == "" {
		options.Listen = "127.0.0.1:0"
	}
	s := &Sandbox{Server: options.Server, every: options.SecretsManager.Every, SecretKey: rand.Text()}
	options.SecretsManager.SecretKey = s.SecretKey
	options.SecretsManager.Region = Region
	options.SecretsManager.KnowsFunction = func(arn string) bool {
		return arn == FunctionARN || options.SingleUser && arn == SingleUserARN
	}
	options.SecretsManager.Invoker = emulator.InvokerFunc(func(ctx context.Context, arn string, payload []byte) error {
		invoke := func(ctx context.Context, payload []byte) error {
			return s.host(arn).Invoker().Invoke(ctx, arn, payload)
		}
		if options.Intercept != nil {
			return options.Intercept(ctx, payload, invoke)
		}
		return invoke(ctx, payload)
	})
	invoker, tell := options.SecretsManager.Invoker, telling(s.feed.step)
	options.SecretsManager.Invoker = emulator.InvokerFunc(func(ctx context.Context, arn string, payload []byte) error {
		return tell(ctx, payload, func(ctx context.Context, payload []byte) error { return invoker.Invoke(ctx, arn, payload) })
	})
	events := options.SecretsManager.Events
	options.SecretsManager.Events = func(e emulator.Event) {
		s.feed.event(e)
		if events != nil {
			events(e)
		}
	}
	if options.SecretsManager.Roles == nil {
		options.SecretsManager.Roles = []emulator.Role{role()}
	}
	s.Service = emulator.New(options.SecretsManager)
	s.Service.SetDatabases([]emulator.DBInstance{{
		ID: Instance, Engine: string(s.Engine()), Host: options.Server.Host, Port: options.Server.Port,
	}}, nil)
	err := s.open(ctx, options)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sandbox) open(ctx context.Context, options Options) (err error) {
	if s.Root, err = s.Server.DB(); err != nil {
		return err
	}
	if s.URL, s.hangUp, err = listen(ctx, options.Listen, s.door()); err != nil {
		return fmt.Errorf("starting the local Secrets Manager: %w", err)
	}
	s.Secrets = client(s.URL, s.SecretKey)
	env := []string{
		"SECRETS_MANAGER_ENDPOINT=" + s.URL, "AWS_ENDPOINT_URL_RDS=" + s.URL, "AWS_ENDPOINT_URL_STS=" + s.URL,
		"AWS_ACCESS_KEY_ID=" + AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s.SecretKey,
		"AWS_EC2_METADATA_DISABLED=true",
	}
	if s.Server.CAFile != "" {
		env = append(env, "SSL_CERT_FILE="+s.Server.CAFile)
	}
	s.function = lambdahost.Function{
		Binary:  options.Binary,
		ARN:     FunctionARN,
		Env:     append(env, options.Env...),
		Timeout: options.Timeout,
		Logs:    options.Logs, SystemLogs: options.SystemLogs,
		Started: options.Started,
	}
	if s.Function, err = lambdahost.Start(ctx, s.function); err != nil {
		return fmt.Errorf("starting the function: %w", err)
	}
	if options.SingleUser {
		if s.singleUser, err = lambdahost.Start(ctx, withSingleUser(s.function)); err != nil {
			return fmt.Errorf("starting the function for single users: %w", err)
		}
	}
	return nil
}

// withSingleUser is a function that rotates by the other strategy. It has the same
// variables, but for the one that is about two users.
func withSingleUser(function lambdahost.Function) lambdahost.Function {
	function.ARN = SingleUserARN
	function.Env = slices.DeleteFunc(slices.Clone(function.Env), func(variable string) bool {
		return strings.HasPrefix(variable, "PENDING_USER_SESSIONS=")
	})
	function.Env = append(function.Env, "ROTATION_STRATEGY=single-user")
	return function
}

// host is the host of the function of that ARN; nil where there is no such function.
func (s *Sandbox) host(arn string) *lambdahost.Host {
	switch arn {
	case FunctionARN:
		return s.Function
	case SingleUserARN:
		return s.singleUser
	}
	return nil
}

// client is an unmodified client of the local Secrets Manager at url.
func client(url, secretKey string) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region:       Region,
		BaseEndpoint: aws.String(url),
		Credentials:  credentials.NewStaticCredentialsProvider(AccessKey, secretKey, ""),
	})
}

// Close ends rotations and processes. The server goes on.
func (s *Sandbox) Close() error {
	if s.Service != nil {
		s.Service.Close()
	}
	if s.hangUp != nil {
		s.hangUp()
	}
	if s.Function != nil {
		s.Function.Close()
	}
	if s.singleUser != nil {
		s.singleUser.Close()
	}
	if s.Root != nil {
		return s.Root.Close()
	}
	return nil
}

// Engine is what the server is called in a secret's document.
func (s *Sandbox) Engine() secret.Engine {
	if s.Server.Flavor == dbserver.MariaDB {
		return secret.MariaDB
	}
	return secret.MySQL
}

// document is a secret's document for a user on the sandbox's server, with
// further keys, or without those whose value is nil.
func (s *Sandbox) document(username, password string, more map[string]any) (string, error) {
	document := map[string]any{
		"engine": s.Engine(), "host": s.Server.Host, "port": s.Server.Port, "username": username, "password": password,
	}
	if s.Server.Config().TLS == nil {
		document["ssl"] = false // a server at a given address, without TLS
	}
	for key, value := range more {
		document[key] = value
		if value == nil {
			delete(document, key)
		}
	}
	text, err := json.Marshal(document)
	return string(text), err
}

// CreateSecret stores a document for a user of the server and returns the
// secret's ARN.
func (s *Sandbox) CreateSecret(ctx context.Context, name, username, password string, more map[string]any) (string, error) {
	text, err := s.document(username, password, more)
	if err != nil {
		return "", fmt.Errorf("writing the document of secret %s: %w", name, err)
	}
	out, err := s.Secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String(name), SecretString: aws.String(text), ClientRequestToken: aws.String(Token()),
	})
	if err != nil {
		return "", fmt.Errorf("creating secret %s: %w", name, err)
	}
	return *out.ARN, nil
}

// Token makes a ClientRequestToken: a random UUID, as the SDK and the CLI do.
func Token() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// Rotate rotates a secret at once and waits for the end of the rotation. The
// outcome's error is the last step's, if that failed.
func (s *Sandbox) Rotate(ctx context.Context, secretID string) (emulator.Outcome, error) {
	_, err := s.Secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{
		SecretId: aws.String(secretID), RotationLambdaARN: aws.String(FunctionARN), ClientRequestToken: aws.String(Token()),
	})
	if err != nil {
		return emulator.Outcome{}, fmt.Errorf("rotating secret %s: %w", secretID, err)
	}
	return s.Service.WaitRotation(ctx, secretID)
}

// Current reads the document under AWSCURRENT.
func (s *Sandbox) Current(ctx context.Context, secretID string) (secret.Document, error) {
	return s.staged(ctx, secretID, "AWSCURRENT")
}

// Previous reads the document under AWSPREVIOUS.
func (s *Sandbox) Previous(ctx context.Context, secretID string) (secret.Document, error) {
	return s.staged(ctx, secretID, "AWSPREVIOUS")
}

// Login opens a connection as an application does, with what the document says,
// and runs a statement.
func (s *Sandbox) Login(ctx context.Context, document secret.Document) (*sql.DB, error) {
	return login(ctx, s.Server.Config(), document)
}
