package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// lookPath says whether there is a program of that name.
func lookPath(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// paste is what to paste into another terminal, for what there is on this
// machine.
func (s *Sandbox) paste(has func(program string) bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("")
	line("  server            %s", s.Server)
	line("  Secrets Manager   %s", s.URL)
	line("  secrets           %s (user %s, database %s), %s (user %s)", appSecret, appUser, appDatabase, adminSecret, s.ownName(Admin))
	line("  functions         %s rotates the first by two users, %s the second by one", functionName(FunctionARN), functionName(SingleUserARN))
	line("")
	line("Paste into another terminal:")
	line("")
	// The key is this sandbox's own. It is what keeps other users of the machine out.
	line("  export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_DEFAULT_REGION=%s AWS_PAGER=%s", AccessKey, s.SecretKey, Region, noProxy())
	if has("aws") {
		line("  aws --endpoint-url %s secretsmanager describe-secret --secret-id %s", s.URL, appSecret)
		line("  aws --endpoint-url %s secretsmanager get-secret-value --secret-id %s --query SecretString --output text", s.URL, appSecret)
		line("  aws --endpoint-url %s secretsmanager rotate-secret --secret-id %s", s.URL, appSecret)
	} else {
		line("  (no aws on this machine: the AWS CLI is at https://aws.amazon.com/cli/; until then curl will do)")
		for _, call := range []struct{ operation, body string }{
			{"DescribeSecret", ""}, {"GetSecretValue", ""}, {"RotateSecret", `,"ClientRequestToken":"rotated-by-hand-with-curl-'$(date +%s)'"`},
		} {
			line(`  curl -s %s --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" --aws-sigv4 aws:amz:%s:secretsmanager -H 'Content-Type: application/x-amz-json-1.1' -H 'X-Amz-Target: secretsmanager.%s' -d '{"SecretId":"%s"%s}'`,
				s.URL, Region, call.operation, appSecret, call.body)
		}
	}
	line("")
	client := "mysql"
	if !has("mysql") && has("mariadb") {
		client = "mariadb"
	}
	flags := ""
	if s.Server.CAFile != "" {
		flags = " --ssl-ca=" + s.Server.CAFile
	}
	line("Log in with the user and the password that get-secret-value shows (or as the admin, with those of %s):", adminSecret)
	line("")
	line("  %s -h %s -P %d%s -u %s -p %s", client, s.Server.Host, s.Server.Port, flags, appUser, appDatabase)
	if !has("mysql") && !has("mariadb") {
		line("  (no mysql or mariadb client on this machine: any client for MySQL will do)")
	}
	line("")
	line("Rotate the admin, who keeps its name and has two passwords:")
	line("")
	if has("aws") {
		line("  aws --endpoint-url %s secretsmanager rotate-secret --secret-id %s", s.URL, adminSecret)
	} else {
		line("  (the curl with RotateSecret above, with %s as its SecretId)", adminSecret)
	}
	line("")
	line("See what a rotation would meet:                        go run ./cmd/sandbox check --url %s", s.URL)
	line("Watch its users, labels and an application's logins:   go run ./cmd/sandbox watch --url %s", s.URL)
	line("Watch it turn by itself:                               go run ./cmd/sandbox serve --every 10s")
	line("Another server, or your own with an admin's login:     go run ./cmd/sandbox serve --server mysql-9")
	line("                                                       SANDBOX_DSN='admin:PASSWORD@tcp(127.0.0.1:3306)/' make sandbox")
	line("Another binary, with variables of its own:             go run ./cmd/sandbox serve --function PATH --env PASSWORD_LENGTH=40")
	line("")
	line("What the function logs and what Secrets Manager reports (Ctrl-C ends the sandbox):")
	line("")
	return b.String()
}

// noProxy keeps the CLI from asking a proxy for what is on this machine.
func noProxy() string {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		if os.Getenv(name) != "" {
			return " NO_PROXY=127.0.0.1"
		}
	}
	return ""
}
