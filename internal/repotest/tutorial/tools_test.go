package tutorial

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/local/lambdahost"
	"tandem/internal/repotest/template"
)

// Programs that the tutorials call and that may not be here, or would reach out
// of this machine, are this test's own binary, called by their name.
const (
	toolVariable  = "TUTORIAL_TOOL"
	cloudVariable = "TUTORIAL_CLOUD"
	rootsVariable = "TUTORIAL_ROOTS"
	// functionVariable is the function that sam build builds, and archiveVariable is
	// internal/local/archive.
	functionVariable = "TUTORIAL_FUNCTION"
	archiveVariable  = "TUTORIAL_ARCHIVE"
	// cliVariable is the socket of testdata/warm_cli.py.
	cliVariable = "TUTORIAL_CLI"
)

var tools = map[string]func(words []string) error{"mysql": mysqlTool, "curl": curlTool, "sam": samTool, "go": goTool, "sleep": sleepTool, "aws": awsTool}

// install puts the tools into a folder; the AWS CLI among them if it is started.
func install(t *testing.T, started bool) string {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name := range tools {
		if name == "aws" && !started {
			continue
		}
		// Built with the race detector, it would sleep for a second before it ends.
		script := "#!/bin/sh\nGORACE=atexit_sleep_ms=0 " + toolVariable + "=" + name + " exec '" + own + "' \"$@\"\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func runTool(name string, words []string) int {
	if err := tools[name](words); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// startCLI starts the AWS CLI once for all calls, with the environment of the tests, and
// returns its socket; none where python3 has no package awscli. Then each call starts it.
func startCLI(t *testing.T, environment []string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "cli")
	server := exec.CommandContext(t.Context(), "python3", "testdata/warm_cli.py", socket)
	server.Env, server.Stderr, server.WaitDelay = environment, t.Output(), time.Second
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err == nil {
		t.Cleanup(func() { _ = server.Wait() }) // ended with the test's context
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	if err != nil {
		t.Logf("the AWS CLI is started for each call, which takes minutes: python3 does not start it: %v", err)
		return ""
	}
	return socket
}

// awsTool is a call of the AWS CLI that has been started.
func awsTool(words []string) error {
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	call, err := json.Marshal(map[string]any{"words": words, "folder": folder, "environment": os.Environ()})
	if err != nil {
		return err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: os.Getenv(cliVariable), Net: "unix"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, _, err := conn.WriteMsgUnix(append(call, '\n'), syscall.UnixRights(0, 1, 2), nil); err != nil {
		return err
	}
	var status int
	if _, err := fmt.Fscan(conn, &status); err != nil {
		return err
	}
	if status != 0 {
		os.Exit(status) // the CLI has said why
	}
	return nil
}

// sleepTool sleeps less: nothing here takes as long as AWS does.
func sleepTool([]string) error {
	time.Sleep(20 * time.Millisecond)
	return nil
}

// curlTool has the address of this machine, and the authorities of the server.
func curlTool(words []string) error {
	switch strings.Join(words, " ") {
	case "-s https://checkip.amazonaws.com":
		fmt.Println("203.0.113.7")
		return nil
	case "-s -o tutorial/roots.pem https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem":
		roots, err := os.ReadFile(os.Getenv(rootsVariable))
		if err != nil {
			return err
		}
		return os.WriteFile(words[2], roots, 0o600)
	}
	return fmt.Errorf("%q is not expected", words)
}

// samTool has the cloud deploy, with the parameters of files that are named to it. What
// sam build builds is this machine's function.
func samTool(words []string) error {
	if len(words) == 1 && words[0] == "build" {
		function, err := os.ReadFile(os.Getenv(functionVariable))
		if err != nil {
			return err
		}
		const folder = ".aws-sam/build/RotationFunction"
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		return os.WriteFile(folder+"/bootstrap", function, 0o700)
	}
	var read []string
	for _, word := range words {
		file, named := strings.CutPrefix(word, "file://")
		if !named {
			read = append(read, word)
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parameters, err := template.ParametersOfFile(content)
		if err != nil {
			return err
		}
		for name, value := range parameters {
			read = append(read, name+"="+value)
		}
	}
	body, err := json.Marshal(read)
	if err != nil {
		return err
	}
	answer, err := http.Post(os.Getenv(cloudVariable)+"/sam", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", text)
	}
	return nil
}

// goTool tells make deploy for which processor the function was built. The parameters
// are looked at when SAM deploys them.
func goTool(words []string) error {
	if len(words) > 1 && words[0] == "run" && words[1] == "./internal/local/parameters" {
		return nil
	}
	if len(words) > 1 && words[0] == "run" && words[1] == "./internal/local/archive" {
		archive := exec.Command(os.Getenv(archiveVariable), words[2:]...)
		archive.Stdout, archive.Stderr = os.Stdout, os.Stderr
		return archive.Run()
	}
	if words[0] != "version" {
		return fmt.Errorf("%q is not expected", words)
	}
	fmt.Println("\tbuild\tGOARCH=arm64")
	return nil
}

// dialNamed knows the hosts of the account.
func dialNamed(ctx context.Context, network, address string) (net.Conn, error) {
	content, err := os.ReadFile(os.Getenv(lambdahost.NamesVariable))
	if err != nil {
		return nil, err
	}
	to := map[string]string{}
	if err := json.Unmarshal(content, &to); err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, to[address])
}

// mysqlTool is as much of the client as the tutorials use.
func mysqlTool(words []string) error {
	options := map[string]string{}
	for _, word := range words {
		name, value, found := strings.Cut(strings.TrimPrefix(word, "--"), "=")
		if !found {
			return fmt.Errorf("unknown option %q", word)
		}
		options[name] = value
	}
	authorities, err := os.ReadFile(options["ssl-ca"])
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authorities)
	config := mysql.NewConfig()
	config.User, config.Passwd = options["user"], os.Getenv("MYSQL_PWD")
	config.Net, config.Addr, config.DialFunc = "tcp", net.JoinHostPort(options["host"], options["port"]), dialNamed
	config.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: options["host"]}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	if query, given := options["execute"]; given {
		var result string
		if err := db.QueryRow(query).Scan(&result); err != nil {
			return err
		}
		fmt.Println(result)
		return nil
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	for statement := range strings.SplitSeq(string(input), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.Exec(statement); err != nil {
			return err
		}
	}
	return nil
}
