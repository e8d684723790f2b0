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
	// Every checks every secret that the function rotates, in the place of one.
	Every bool
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
	fields := map[string]string{"Step": string(rotation.Check)}
	switch {
	case options.Every:
	case options.Secret == "":
		fields["SecretId"] = appSecret
	default:
		fields["SecretId"] = options.Secret
	}
	answer, err := options.ask(ctx, url, fields)
	if err != nil {
		return err
	}
	ok, write, err := readAnswer(answer, options.Every)
	if err != nil {
		return fmt.Errorf("the sandbox at %s does not answer as a function that can check: %w", url, err)
	}
	if options.JSON {
		fmt.Fprintln(options.Out, string(answer))
	} else {
		write(options.Out)
	}
	if !ok {
		return ErrCheckFailed
	}
	return nil
}

// readAnswer reads the answer to a check of one secret or of every one, and returns
// what writes it for a person.
func readAnswer(answer []byte, every bool) (ok bool, write func(io.Writer), err error) {
	var one rotation.Inspection
	var all rotation.Overview
	if every {
		err = json.Unmarshal(answer, &all)
		ok, write = all.OK, func(out io.Writer) { writeOverview(out, all) }
	} else {
		err = json.Unmarshal(answer, &one)
		ok, write = one.OK, func(out io.Writer) { writeChecks(out, one) }
	}
	if err == nil && len(one.Checks)+len(all.Checks) == 0 {
		err = errors.New("there are no checks in the answer")
	}
	return ok, write, err
}

// ask invokes the function of the sandbox with an event.
func (options CheckOptions) ask(ctx context.Context, url string, fields map[string]string) (answer []byte, err error) {
	event, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("writing the event: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+invokePrefix+functionName(FunctionARN)+invokeSuffix, bytes.NewReader(event))
	if err != nil {
		return nil, fmt.Errorf("reading the sandbox's URL %q: %w", url, err)
	}
	if err := sign(ctx, request, event, options.SecretKey); err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reaching the sandbox: %w: start one (make sandbox) and give its URL", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusForbidden {
		return nil, errWrongKey
	}
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the function's answer: %w", err)
	}
	if failed := response.Header.Get("X-Amz-Function-Error"); failed != "" || response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking the function of the sandbox at %s for a check: %s: %s", url, response.Status, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}

// writeOverview writes the findings of every secret, each below its name.
func writeOverview(out io.Writer, found rotation.Overview) {
	writeFindings(out, found.Checks)
	for _, one := range found.Secrets {
		fmt.Fprintf(out, "\n%s\n", plain(one.Secret))
		writeChecks(out, one)
	}
	for _, secret := range found.NotReached {
		fmt.Fprintf(out, "\nnot reached, as the time was over: %s\n", plain(secret))
	}
	for _, secret := range found.RotationOff {
		fmt.Fprintf(out, "\nnot checked, as its rotation is turned off: %s\n", plain(secret))
	}
}

// writeChecks writes a check's findings, and what they mean.
func writeChecks(out io.Writer, found rotation.Inspection) {
	writeFindings(out, found.Checks)
	verdict := "A rotation would meet nothing that stands in its way."
	if !found.OK {
		verdict = "A rotation would not get through."
	}
	fmt.Fprintf(out, "\n%s\n", verdict)
}

// writeFindings writes a row for each finding, and below those that are not simply well
// what there is to do.
func writeFindings(out io.Writer, findings []rotation.Finding) {
	widths := [2]int{}
	for _, f := range findings {
		widths[0], widths[1] = max(widths[0], len(f.Name)), max(widths[1], len(f.Result))
	}
	row := func(name, result, took, detail string) {
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%-*s  %-*s  %9s  %s", widths[0], name, widths[1], result, took, plain(detail)), " "))
	}
	row("check", "result", "time", "")
	for _, f := range findings {
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
