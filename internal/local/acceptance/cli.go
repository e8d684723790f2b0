package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// cli is the AWS CLI.
type cli struct {
	path       string
	regionName string
}

// answerError is what the CLI says of an error that a service answered with, or of
// another.
type answerError struct {
	code string // empty where no service answered
	text string
}

func (e *answerError) Error() string { return e.text }

// codeForm is how the CLI names a service's error.
var codeForm = regexp.MustCompile(`An error occurred \(([^()\s]+)\) when calling the \w+ operation`)

// call runs the CLI, and returns what it has printed.
func (c cli) call(ctx context.Context, words ...string) (string, error) {
	command := exec.CommandContext(ctx, c.path, words...)
	separate(command)
	// What a script in the place of the CLI has started ends with it.
	command.Cancel = func() error { return kill(command) }
	command.WaitDelay = 10 * time.Second
	command.Env = append(os.Environ(), "AWS_PAGER=", "AWS_DEFAULT_OUTPUT=json")
	if c.regionName != "" {
		command.Env = append(command.Env, "AWS_REGION="+c.regionName, "AWS_DEFAULT_REGION="+c.regionName)
	}
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if err == nil {
		return out.String(), nil
	}
	text := strings.TrimSpace(errs.String())
	if text == "" {
		text = err.Error()
	}
	failed := &answerError{text: fmt.Sprintf("aws %s: %s", strings.Join(words[:min(2, len(words))], " "), text)}
	if found := codeForm.FindStringSubmatch(text); found != nil {
		failed.code = found[1]
	}
	return "", failed
}

// account is the number of the account whose credentials the CLI has now.
func (c cli) account(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := c.call(ctx, "sts", "get-caller-identity", "--query", "Account", "--output", "text")
	if err != nil {
		return "", fmt.Errorf("asking whose the credentials are: %w", err)
	}
	return strings.TrimSpace(out), nil
}

// query is a call whose answer is JSON.
func (c cli) query(ctx context.Context, to any, words ...string) error {
	out, err := c.call(ctx, append(words, "--output", "json")...)
	if err != nil {
		return err
	}
	if strings.TrimSpace(out) == "" {
		out = "null"
	}
	if err := json.Unmarshal([]byte(out), to); err != nil {
		return fmt.Errorf("reading the answer of aws %s: %w", strings.Join(words[:2], " "), err)
	}
	return nil
}

// code is the code of the error that a service answered with, if one did.
func code(err error) string {
	var answered *answerError
	if errors.As(err, &answered) {
		return answered.code
	}
	return ""
}

// region is the one that the CLI would call.
func (c cli) region(ctx context.Context) (string, error) {
	for _, variable := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region := os.Getenv(variable); region != "" {
			return region, nil
		}
	}
	out, err := c.call(ctx, "configure", "get", "region")
	if region := strings.TrimSpace(out); err == nil && region != "" {
		return region, nil
	}
	return "", errors.New("the AWS CLI has no region: set AWS_REGION")
}
