package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"tandem/internal/local/lambdahost"
)

// Where Lambda's own API invokes a function, before and behind its name.
//
// Source: AWS Lambda API Reference, "Invoke".
const (
	invokePrefix = "/2015-03-31/functions/"
	invokeSuffix = "/invocations"
)

// longestEvent is the longest payload that Lambda takes, in bytes.
const longestEvent = 6 << 20

// invoke answers Lambda's Invoke for the sandbox's functions, by their names or ARNs:
// "aws lambda invoke" works with the sandbox's URL as its endpoint.
func (s *Sandbox) invoke(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, invokePrefix), invokeSuffix)
	if unescaped, err := url.PathUnescape(name); err == nil {
		name = unescaped
	}
	if !strings.Contains(name, ":") {
		name = strings.TrimSuffix(FunctionARN, functionName(FunctionARN)) + name
	}
	host := s.host(name)
	if r.Method != http.MethodPost || host == nil {
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		http.Error(w, `{"Message":"Function not found: the sandbox's is `+functionName(FunctionARN)+`"}`, http.StatusNotFound)
		return
	}
	payload, err := io.ReadAll(io.LimitReader(r.Body, longestEvent))
	if err != nil {
		http.Error(w, `{"Message":"the request broke off"}`, http.StatusBadRequest)
		return
	}
	result, err := host.Invoke(r.Context(), payload)
	answer := result.Payload
	var failed *lambdahost.FunctionError
	if errors.As(err, &failed) {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		answer, _ = json.Marshal(map[string]string{"errorMessage": failed.Message, "errorType": failed.Type})
	} else if err != nil {
		http.Error(w, `{"Message":"the function could not be invoked"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

func functionName(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }
