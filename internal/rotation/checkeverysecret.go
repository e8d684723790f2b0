package rotation

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"tandem/internal/failure"
	"tandem/internal/metric"
	"tandem/internal/timeout"
)

// Overview is the answer to a check of every secret that the function rotates.
type Overview struct {
	// OK is true where every secret was found and reached, and is OK.
	OK bool `json:"ok"`
	// Version is the function's.
	Version string `json:"version,omitempty"`
	// Found is how many secrets the function rotates.
	Found int `json:"found"`
	// Checks are of what comes before the first secret: ListChecks.
	Checks []Finding `json:"checks"`
	// NotReached are the secrets that there was no time for.
	NotReached []string `json:"notReached,omitempty"`
	// RotationOff are those whose rotation is turned off, which are not checked.
	RotationOff []string `json:"rotationOff,omitempty"`
	// Secrets are the answers: what failed first, then what asks for attention.
	Secrets []Inspection `json:"secrets"`
	// LeftOut is how many secrets are not named here, as the answer would be too long.
	// Those that were to be checked have their lines in the log.
	LeftOut int `json:"leftOut,omitempty"`
}

// atOnce is how many secrets are checked side by side. Each check holds two sessions, or
// three where the secret names a reader, and then for a moment, as the admin, one at each
// of the servers where the application may be logged in: up to fifteen in a cluster.
const atOnce = 4

// InspectEvery checks every secret whose rotation function has the ARN, which may end in
// a version or an alias: those that are rotated soonest first, so that what is not
// reached has the most time left. It writes a line for each, and one for all, which has
// the metrics of a scheduled check. A login that was refused is not tried again.
func (r *Rotator) InspectEvery(ctx context.Context, event Event, functionARN string) Overview {
	began := time.Now()
	own := *r
	own.Database = &refusedOnce{Database: r.Database}
	return own.inspectEvery(ctx, event, functionARN, began)
}

func (r *Rotator) inspectEvery(ctx context.Context, event Event, functionARN string, began time.Time) Overview {
	own, before := r.listOwn(ctx, functionARN)
	answer := Overview{OK: before.OK, Version: r.Function.Version, Found: len(own.rotated), Checks: before.Checks, RotationOff: own.off, Secrets: []Inspection{}}
	values := before.counts()
	reached := r.inspectEach(ctx, own.rotated)
	for n, inspection := range reached {
		if inspection == nil {
			answer.OK = false
			answer.NotReached = append(answer.NotReached, own.rotated[n].ARN)
			values[metric.ChecksAttention]++
			r.notReached(ctx, own.rotated[n].ARN)
			continue
		}
		answer.OK = answer.OK && inspection.OK
		answer.Secrets = append(answer.Secrets, *inspection)
		for name, value := range inspection.counts() {
			values[name] += value
		}
	}
	slices.SortStableFunc(answer.Secrets, func(a, b Inspection) int { return cmp.Compare(a.rank(), b.rank()) })
	line := append([]slog.Attr{
		slog.Int64("durationMs", time.Since(began).Milliseconds()), slog.Bool("ok", answer.OK), slog.Int("found", answer.Found),
		slog.Int("notReached", len(answer.NotReached)), slog.Int("rotationOff", len(own.off)),
	}, namesOf(before.Checks)...)
	if r.Function.Version != "" {
		line = append(line, slog.String("version", r.Function.Version))
	}
	line = append(line, r.checkMetrics(event, values)...)
	r.Log.With("step", string(Check)).LogAttrs(ctx, slog.LevelInfo, "every secret checked", line...)
	return answer
}

// rank orders answers by how much they have to say.
func (a Inspection) rank() int {
	counts := a.counts()
	switch {
	case counts[metric.ChecksFailed] > 0:
		return 0
	case counts[metric.ChecksAttention] > 0:
		return 1
	}
	return 2
}

// notReached writes the line of a secret that there was no time for.
func (r *Rotator) notReached(ctx context.Context, secretID string) {
	r.Log.With("step", string(Check), "secret", secretID).LogAttrs(ctx, slog.LevelInfo, "secret not reached", slog.String("detail", lackOfTime))
}

// ownSecrets are the secrets of one rotation function.
type ownSecrets struct {
	rotated []ListedSecret
	off     []string // by their ARNs: the rotation is turned off
}

// listOwn finds the secrets of a rotation function. Where the list breaks off, it is
// of what was listed until then, and the checks say why.
func (r *Rotator) listOwn(ctx context.Context, functionARN string) (ownSecrets, Inspection) {
	i := r.newInspection(Event{Step: Check})
	var own ownSecrets
	i.check(ctx, checkConfiguration, nil, func(context.Context) outcome {
		return outcomeOf(i.Settings.inWords(), i.ConfigError)
	})
	i.check(ctx, checkList, []string{checkConfiguration}, func(ctx context.Context) outcome {
		ctx, cancel := timeout.Listing().Context(ctx)
		defer cancel()
		if functionARN == "" {
			return outcomeOf("", failure.New(failure.Unexpected, "the invocation does not say the function's ARN, by which its secrets are known: name one secret in the event, as SecretId"))
		}
		listed := 0
		err := i.Lister.List(ctx, func(s ListedSecret) {
			listed++
			switch {
			case unqualified(s.RotationLambdaARN) != unqualified(functionARN):
			case s.RotationEnabled != nil && !*s.RotationEnabled:
				own.off = append(own.off, s.ARN)
			default:
				own.rotated = append(own.rotated, s)
			}
		})
		if err != nil {
			return outcomeOf("", fmt.Errorf("listing the secrets that this function rotates, of which %d were found: %w", len(own.rotated), err))
		}
		return outcomeOf(fmt.Sprintf("this function rotates %d of %d secrets", len(own.rotated), listed), nil)
	})
	slices.SortFunc(own.rotated, func(a, b ListedSecret) int {
		return cmp.Or(compareDue(a.NextRotation, b.NextRotation), strings.Compare(a.ARN, b.ARN))
	})
	return own, i.answer(ListChecks())
}

// compareDue orders dates; that of nothing planned comes last.
func compareDue(a, b time.Time) int {
	if a.IsZero() != b.IsZero() {
		return cmp.Compare(b.Unix(), a.Unix()) // the zero time is before all others
	}
	return a.Compare(b)
}

// unqualified is a function's ARN without a version or an alias.
//
// Source: AWS Lambda Developer Guide, "Using versions", of qualified ARNs.
func unqualified(functionARN string) string {
	const parts = 7 // arn:aws:lambda:REGION:ACCOUNT:function:NAME
	if all := strings.Split(functionARN, ":"); len(all) > parts {
		return strings.Join(all[:parts], ":")
	}
	return functionARN
}

// inspectEach checks secrets, several side by side, and writes the line of each. The
// answers are in the secrets' order; nil where there was no time for one.
func (r *Rotator) inspectEach(ctx context.Context, secrets []ListedSecret) []*Inspection {
	answers := make([]*Inspection, len(secrets))
	var mutex sync.Mutex
	next, shortest := 0, timeout.ShortestCheckOfOne().Of(ctx)
	take := func() (n int, more bool) {
		mutex.Lock()
		defer mutex.Unlock()
		n, next = next, next+1
		return n, n < len(secrets)
	}
	work := func() {
		for n, more := take(); more; n, more = take() {
			if timeout.CheckOfOne().Of(ctx) >= shortest && ctx.Err() == nil {
				answers[n] = r.inspectOneOfMany(ctx, secrets[n].ARN)
			}
		}
	}
	step{Rotator: r}.concurrently(slices.Repeat([]func(){work}, min(atOnce, len(secrets)))...)
	return answers
}

// inspectOneOfMany checks a secret within its share of the time, and writes its line.
func (r *Rotator) inspectOneOfMany(ctx context.Context, secretID string) *Inspection {
	limited, cancel := timeout.CheckOfOne().Context(ctx)
	defer cancel()
	answer, line := r.inspect(limited, Event{Step: Check, SecretID: secretID})
	r.writeCheck(ctx, secretID, line)
	return &answer
}
