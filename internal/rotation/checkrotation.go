package rotation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tandem/internal/failure"
)

// rotationLasts is how long a rotation that has not ended is taken for one in progress.
// Secrets Manager tries one several times, and has been seen to be through with that
// in minutes; what has not ended after an hour is stuck.
const rotationLasts = time.Hour

// inMotion are the checks of what a rotation changes while it is in progress.
var inMotion = []string{checkLock, checkPlan, checkDrift}

// unfinished is the version of a rotation that has not ended: it carries AWSPENDING, and
// not AWSCURRENT.
type unfinished struct {
	// id is empty where there is none.
	id string
	// version has its value, or err says why not.
	version Version
	err     error
	// began is when createSecret stored the value; where it has not yet, when the secret
	// was last changed. Zero where that is not known.
	began time.Time
}

// inProgress reports whether the rotation may still end by itself.
func (u unfinished) inProgress() bool {
	return u.id != "" && !u.began.IsZero() && time.Since(u.began) < rotationLasts
}

// readUnfinished reads the version of a rotation that has not ended.
func (i *inspection) readUnfinished(ctx context.Context, labels Labels) unfinished {
	id := labels.VersionWith(Pending)
	if id == "" || slices.Contains(labels.Stages[id], Current) {
		return unfinished{}
	}
	u := unfinished{id: id, began: labels.Changed}
	if u.version, u.err = i.Secrets.Version(ctx, i.event.SecretID, id); u.err == nil {
		u.began = u.version.Created
	}
	return u
}

// rotationState tells of labels, and of a rotation that did not end.
func (i *inspection) rotationState(ctx context.Context, labels Labels, current document) {
	i.check(ctx, checkRotation, []string{checkDescribe}, func(context.Context) outcome {
		var texts []string
		for _, id := range slices.Sorted(maps.Keys(labels.Stages)) {
			texts = append(texts, fmt.Sprintf("version %s is %s", id, strings.Join(labels.Stages[id], " and ")))
		}
		detail := strings.Join(capped(texts), ", ")
		overdue := labels.overdue(time.Now())
		switch {
		case labels.VersionWith(Current) == "":
			return outcomeOf("", failure.Errorf(failure.CurrentSecretMissing, "no version carries %s: give it to the version whose credentials the application uses", Current))
		case i.pending.id != "":
			return i.unfinishedRotation(detail, current, overdue)
		case overdue:
			return outcome{
				result: ResultAttention, detail: fmt.Sprintf("%s; the rotation that was due by %s has not succeeded", detail, labels.NextRotation.UTC().Format(time.DateTime)),
				remedy: "look in the log for what failed, and where it has nothing, whether Secrets Manager may invoke the function; then rotate the secret again",
			}
		case labels.RotationEnabled == nil || !*labels.RotationEnabled:
			return outcome{detail: detail + "; no rotation is attached to the secret, or it is turned off", remedy: "call RotateSecret with the function's ARN"}
		}
		return outcomeOf(detail+"; no rotation is in progress", nil)
	})
}

// unfinishedRotation tells of a rotation that is in progress, or stuck.
func (i *inspection) unfinishedRotation(detail string, current document, overdue bool) outcome {
	pending := i.pending
	o := outcome{
		result: ResultAttention, detail: detail + "; a rotation has not ended", noAlarm: pending.inProgress() && !overdue,
		remedy: i.giveUpByHand(current),
	}
	if i.inGap {
		o.detail, o.remedy = o.detail+"; "+i.whyInGap(), i.outOfGap()
	}
	if !pending.began.IsZero() {
		o.detail += " since " + pending.began.UTC().Format(time.DateTime)
	}
	switch {
	case errors.Is(pending.err, ErrVersionNotFound):
		o.detail += ", and createSecret has stored nothing yet"
	case pending.err != nil:
		return outcomeOf("", fmt.Errorf("reading the %s document: %w", Pending, pending.err))
	case !i.passed(checkDocument):
	default:
		if _, err := i.parseMatching(current.Document, pending.version); err != nil {
			remedy := "rotate the secret again, which takes " + Pending + " off that version; the rotation after that begins with the secret as it is"
			if i.inGap {
				remedy = i.outOfGap()
			}
			return outcome{err: err, remedy: remedy}
		}
		o.detail += ", and goes on from its document"
	}
	return o
}

// overdue reports whether the rotation that the schedule asks for has not succeeded: the
// date of the next one is then in the past. An hour is for the schedule's own tries.
//
// Source: AWS Secrets Manager API Reference, DescribeSecret, NextRotationDate.
func (l Labels) overdue(now time.Time) bool {
	enabled := l.RotationEnabled != nil && *l.RotationEnabled
	return enabled && !l.NextRotation.IsZero() && now.Sub(l.NextRotation) > rotationLasts
}
