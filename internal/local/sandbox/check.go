package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"tandem/internal/rotation"
)

// CheckOptions are what a caller may choose about a check.
type CheckOptions struct {
	// URL is a sandbox that runs; DefaultListen's if empty.
	URL string
	// SecretKey is the secret access key that the sandbox has printed.
	SecretKey string
	// Secret is the secret to check; the tutorial's if empty.
	Secret string
	// JSON writes the answer as the function gave it.
	JSON bool
	Out  io.Writer
}

// ErrCheckFailed is the error of a check that found something wrong, which it has
// written by then.
var ErrCheckFailed = errors.New("the check found something that stands in a rotation's way: see above")

// Check has the function of a sandbox that runs check a secret, and writes what it
// found as a table.
func Check(ctx context.Context, options CheckOptions) error {
	url := strings.TrimSuffix(options.URL, "/")
	if url == "" {
		url = "http://" + DefaultListen
	}
	secret := options.Secret
	if secret == "" {
		secret = appSecret
	}
	event, err := json.Marshal(map[string]string{"Step": string(rotation.Check), "SecretId": secret})
	if err != nil {
		return fmt.Errorf("writing the event: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+invokePrefix+functionName()+invokeSuffix, bytes.NewReader(event))
	if err != nil {
		return fmt.Errorf("reading the sandbox's URL %q: %w", url, err)
	}
	if err := sign(ctx, request, event, options.SecretKey); err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("reaching the sandbox: %w: start one (make sandbox) and give its URL", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusForbidden {
		return errWrongKey
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading the function's answer: %w", err)
	}
	if failed := response.Header.Get("X-Amz-Function-Error"); failed != "" || response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the function of the sandbox at %s for a check: %s: %s", url, response.Status, strings.TrimSpace(string(answer)))
	}
	var found rotation.Inspection
	if err := json.Unmarshal(answer, &found); err != nil || len(found.Checks) == 0 {
		return fmt.Errorf("the sandbox at %s does not answer as a function that can check: %w", url, err)
	}
	if options.JSON {
		fmt.Fprintln(options.Out, string(answer))
	} else {
		writeChecks(options.Out, found)
	}
	if !found.OK {
		return ErrCheckFailed
	}
	return nil
}

// writeChecks writes a check's findings: a row each, and below those that are not
// simply well what there is to do.
func writeChecks(out io.Writer, found rotation.Inspection) {
	widths := [2]int{}
	for _, f := range found.Checks {
		widths[0], widths[1] = max(widths[0], len(f.Name)), max(widths[1], len(f.Result))
	}
	row := func(name, result, took, detail string) {
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%-*s  %-*s  %9s  %s", widths[0], name, widths[1], result, took, plain(detail)), " "))
	}
	row("check", "result", "time", "")
	for _, f := range found.Checks {
		detail := f.Detail
		if f.Type != "" {
			detail = f.Type + ": " + detail
		}
		took := fmt.Sprintf("%.1f ms", f.TookMs)
		if f.Result == rotation.ResultSkipped || f.Result == rotation.ResultUnknown {
			took = ""
		}
		row(f.Name, string(f.Result), took, detail)
		for _, line := range f.List {
			row("", "", "", "  "+line)
		}
		if f.Remedy != "" {
			row("", "", "", "-> "+f.Remedy)
		}
	}
	verdict := "A rotation would meet nothing that stands in its way."
	if !found.OK {
		verdict = "A rotation would not get through."
	}
	fmt.Fprintf(out, "\n%s\n", verdict)
}

// plain leaves out what could steer a terminal: names are other people's.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}
