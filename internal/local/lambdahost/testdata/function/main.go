// Command function is a Lambda function that misbehaves on request.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// event says what to do.
type event struct {
	Do   string `json:"do"`
	Text string `json:"text"`
	Code int    `json:"code"`
	// Call is an address to connect to before anything is done.
	Call string `json:"call"`
}

type customError struct{ text string }

func (e customError) Error() string { return e.text }

func main() {
	if address := os.Getenv("CALL_AT_START"); address != "" {
		call(address, false)
	}
	switch os.Getenv("AT_START") {
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot load the library")
		os.Exit(3)
	case "hang":
		hang()
	case "report":
		report()
	}
	if len(os.Args) > 1 { // a process that the function has started
		call(os.Args[1], true)
		return
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, e event) (any, error) {
	if e.Call != "" {
		call(e.Call, e.Do == "wait")
	}
	switch e.Do {
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		trace, _ := ctx.Value("x-amzn-trace-id").(string)
		return map[string]any{
			"requestID": lc.AwsRequestID, "arn": lc.InvokedFunctionArn,
			"deadline": deadline.UnixMilli(), "trace": trace,
		}, nil
	case "environment":
		env := os.Environ()
		slices.Sort(env)
		return env, nil
	case "echo":
		return e.Text, nil
	case "pid", "wait":
		return os.Getpid(), nil
	case "error":
		return nil, customError{e.Text}
	case "typed error":
		return nil, messages.InvokeResponse_Error{Type: "RotationFailed", Message: e.Text}
	case "panic":
		panic(errors.New(e.Text))
	case "exit":
		os.Exit(e.Code)
	case "print":
		fmt.Fprint(os.Stdout, e.Text)
		fmt.Fprint(os.Stderr, "unfinished")
		return nil, nil
	case "print later":
		connection := dial(e.Text)
		go func() {
			_, _ = io.Copy(io.Discard, connection)
			fmt.Println("later")
			os.Exit(1)
		}()
		return os.Getpid(), nil
	case "print and hang":
		fmt.Println(e.Text)
		hang()
	case "large":
		return strings.Repeat("x", e.Code), nil
	case "break off":
		return io.MultiReader(strings.NewReader("the beginning"), failing{customError{e.Text}}), nil
	case "hang":
		hang()
	case "start another":
		another := exec.Command(os.Args[0], e.Text)
		if err := another.Start(); err != nil {
			return nil, err
		}
		if e.Code != 0 {
			os.Exit(e.Code)
		}
		hang()
	case "ask again":
		return ask(), nil
	}
	return nil, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// connections stay open until the process ends, unreferenced or not.
var connections []net.Conn

func dial(address string) net.Conn {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(connection, "%d\n", os.Getpid())
	connections = append(connections, connection)
	return connection
}

// call connects, and where wait is set waits for the other side to hang up.
func call(address string, wait bool) {
	connection := dial(address)
	if wait {
		_, _ = io.Copy(io.Discard, connection)
	}
}

// hang ignores every signal that can be ignored.
func hang() {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// Not an empty select, which the runtime takes for a deadlock.
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	_, _ = listener.Accept()
}

// report tells the Runtime API that the function cannot start.
func report() {
	request, _ := http.NewRequest(http.MethodPost, "http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error",
		bytes.NewReader([]byte(`{"errorMessage":"no configuration","stackTrace":["a","b"]}`)))
	request.Header.Set("Lambda-Runtime-Function-Error-Type", "Runtime.ConfigInvalid")
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusAccepted {
		panic(fmt.Sprint(response, err))
	}
	os.Exit(1)
}

// ask asks for an invocation while there is one, and tries calls that are about
// none.
func ask() []int {
	root := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"
	var statuses []int
	for _, try := range []struct{ method, path string }{
		{http.MethodGet, "invocation/next"},
		{http.MethodPost, "invocation/another/response"},
		{http.MethodPost, "invocation/another/error"},
		{http.MethodPost, "init/error"},
	} {
		request, _ := http.NewRequest(try.method, root+try.path, strings.NewReader("{}"))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		statuses = append(statuses, response.StatusCode)
		_ = response.Body.Close()
	}
	return statuses
}
