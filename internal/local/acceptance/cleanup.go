package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tandem/internal/local/dbserver/filelock"
)

// cleanUpLimit bounds the removal of what a run has made: a stack with a function in a
// VPC takes up to twenty minutes, and a DB instance as long.
const cleanUpLimit = 75 * time.Minute

// scratchMarker is in the folder of the steps' files, and holds the run's name.
const scratchMarker = scratch + "/.acceptance"

// left is what a run has left, whose journal is locked.
type left struct {
	record
	journal journal
	lock    *os.File
	asked   bool // its journal is there only since ACCEPTANCE_REMOVE names it
}

// forget removes the journals of those whose removal was asked for and then not begun: the
// next run would begin it.
func forget(all []left) error {
	var failed []error
	for _, one := range all {
		if one.asked {
			failed = append(failed, os.Remove(one.journal.path))
		}
	}
	return errors.Join(failed...)
}

func releaseAll(all []left) {
	for _, one := range all {
		_ = one.lock.Close()
	}
}

// earlier are the runs of this folder that did not end, and that nobody plays any more.
func (r *run) earlier(ctx context.Context) ([]left, error) {
	tagged, err := r.tagged(ctx, "")
	if err != nil {
		r.say("Nobody can say whether other runs have left something: %v", err)
	}
	all, err := journals()
	if err != nil {
		return nil, err
	}
	var found []left
	for _, j := range all {
		one, err := r.abandoned(j)
		if err != nil {
			releaseAll(found)
			return nil, err
		}
		if one.Ended { // and yet something may have come after
			tagged[one.Run] = slices.DeleteFunc(tagged[one.Run], func(at resource) bool { return slices.Contains(one.Removed, at) })
		}
		if !one.Ended || len(tagged[one.Run]) == 0 {
			delete(tagged, one.Run)
		}
		if one.lock != nil {
			found = append(found, one)
		}
	}
	return r.others(found, tagged)
}

// abandoned reads a journal, and takes its lock if its run is to be finished.
func (r *run) abandoned(j journal) (left, error) {
	rec, err := j.read()
	if err != nil {
		return left{}, err
	}
	one := left{record: rec, journal: j}
	if rec.Ended {
		return one, nil
	}
	if rec.Account != r.account || rec.Region != r.region {
		r.say("The run %s has left something in account %s, region %s, which is not where this one plays: it is left alone.", rec.Run, rec.Account, rec.Region)
		return one, nil
	}
	file, err := os.Open(j.path)
	if err != nil {
		return one, fmt.Errorf("locking a journal: %w", err)
	}
	if !filelock.Try(file) {
		r.say("The run %s is being played now: it is left alone.", rec.Run)
		return one, file.Close()
	}
	one.lock = file
	return one, nil
}

// others deals with what bears the tags of runs that are not written down here.
func (r *run) others(found []left, tagged map[string][]resource) ([]left, error) {
	for name, resources := range tagged {
		if name != r.Remove {
			r.say("%d resources bear the tag of the run %s, which is not written down here or was ended: they are left alone, and some may be gone already. ACCEPTANCE_REMOVE=%s removes them.", len(resources), name, name)
			continue
		}
		slices.SortStableFunc(resources, func(a, b resource) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
		j := journalOf(name)
		if err := j.write(entry{What: begun, Run: name, Account: r.account, Region: r.region}); err != nil {
			return found, err
		}
		for _, one := range resources {
			if err := j.write(entry{What: made, resource: one}); err != nil {
				return found, err
			}
		}
		one, err := r.abandoned(j)
		if err != nil {
			return found, err
		}
		one.asked = true
		found = append(found, one)
	}
	if r.Remove != "" {
		found = slices.DeleteFunc(found, func(one left) bool { return one.Run != r.Remove })
		if len(found) == 0 {
			return nil, fmt.Errorf("nothing bears the tag of the run %s: there is nothing to remove", r.Remove)
		}
	}
	return found, nil
}

// tagged are the resources of the account and region that bear a run's tag, or any
// run's where none is named, by the runs.
func (r *run) tagged(ctx context.Context, name string) (map[string][]resource, error) {
	filter := "Key=" + Tag
	if name != "" {
		filter += ",Values=" + name
	}
	var found []struct {
		ResourceARN string
		Tags        []tag
	}
	err := r.cli.query(ctx, &found, "resourcegroupstaggingapi", "get-resources", "--tag-filters", filter, "--query", "ResourceTagMappingList[]")
	if err != nil {
		return nil, fmt.Errorf("looking for the tag %s: %w", Tag, err)
	}
	runs := map[string][]resource{}
	for _, one := range found {
		at, known := resourceOf(one.ResourceARN)
		for _, t := range one.Tags {
			if known && t.Key == Tag && runForm.MatchString(t.Value) {
				runs[t.Value] = append(runs[t.Value], at)
			}
		}
	}
	return runs, nil
}

// finish removes what a run that was killed has left.
func (r *run) finish(ctx context.Context, one left) error {
	r.say("Removing what the run %s has left.", one.Run)
	if err := stop(one.Run); err != nil {
		return err
	}
	remaining, err := r.cleanUp(ctx, one.journal)
	if err == nil && len(remaining) > 0 {
		err = fmt.Errorf("of the run %s there is left: %s; run make acceptance again, or remove it by hand", one.Run, listed(remaining))
	}
	return err
}

func listed(resources []resource) string {
	var all []string
	for _, one := range resources {
		all = append(all, one.String())
	}
	return strings.Join(all, ", ")
}

// stop has the steps of a run make nothing more.
func stop(run string) error {
	if err := os.MkdirAll(filepath.Join(folder, run), 0o700); err != nil {
		return fmt.Errorf("ending the run %s: %w", run, err)
	}
	return os.WriteFile(stopFile(run), nil, 0o600)
}

func stopFile(run string) string { return filepath.Join(folder, run, "stop") }

// removal is the removal of what a journal says was made and what bears the run's tag,
// both.
type removal struct {
	*run
	journal journal
	said    map[string]bool
	// seen is when one was asked to go, or was not there, first. EC2 may say of what was
	// just made that it is not there, so that only what is said an Interval later counts.
	seen map[resource]time.Time
	// unknown is why the account could not be asked for what has no ID in the journal.
	unknown error
}

// cleanUp removes what a journal has, and returns what it could not.
func (r *run) cleanUp(ctx context.Context, j journal) (remaining []resource, err error) {
	ctx, cancel := context.WithTimeout(ctx, cleanUpLimit)
	defer cancel()
	all := &removal{run: r, journal: j, said: map[string]bool{}, seen: map[resource]time.Time{}}
	rest := r.Interval / 8
	for all.round(ctx) && pause(ctx, rest) {
		rest = min(2*rest, r.Interval)
	}
	rec, err := j.read()
	if err = errors.Join(err, all.unknown); err != nil || len(rec.Left) > 0 {
		for _, one := range rec.Left {
			r.say("  left: %s", one)
		}
		return rec.Left, err
	}
	if text, err := os.ReadFile(scratchMarker); err == nil && string(text) == rec.Run {
		if err := os.RemoveAll(scratch); err != nil {
			return nil, fmt.Errorf("removing the folder %s: %w", scratch, err)
		}
	}
	return nil, j.write(entry{What: ended})
}

// round asks for the removal of all that is left, the last first, and reports whether
// another round may remove more.
func (r *removal) round(ctx context.Context) (more bool) {
	if r.unknown = r.sameAccount(ctx); r.unknown != nil {
		r.explain(r.unknown)
		return true
	}
	if r.unknown = r.addUnnamed(ctx, r.journal); r.unknown != nil {
		r.explain(r.unknown)
		more = true
	}
	rec, err := r.journal.read()
	if err != nil {
		r.explain(err)
		return true
	}
	stacks := slices.ContainsFunc(rec.Left, func(one resource) bool { return one.Kind == stackKind })
	for _, one := range slices.Backward(rec.Left) {
		if one.Kind == secretKind && stacks { // a stack ends the rotation of its secret
			more = true
			continue
		}
		gone, err := r.remove(ctx, rec.Run, one)
		if gone {
			err = r.journal.write(entry{What: removed, resource: one})
		}
		if err != nil {
			r.explain(fmt.Errorf("%s: %w", one, err))
		}
		more = more || (!gone || err != nil) && !isFinal(err)
	}
	return more
}

// sameAccount refuses to look in another account than the run's, in which all that it has
// made would seem to be gone: a profile's credentials may be others after hours.
func (r *removal) sameAccount(ctx context.Context) error {
	now, err := r.cli.account(ctx)
	if err == nil && now != r.account {
		err = errors.New("the AWS CLI has the credentials of another account than the run's by now: give it the run's")
	}
	return err
}

func (r *removal) explain(why error) {
	if text := why.Error(); !r.said[text] {
		r.said[text] = true
		r.say("  not yet: %s", text)
	}
}

// addUnnamed writes down what was being made and got an ID from EC2 that nobody has
// seen: by the tag, since it was made with it.
func (r *run) addUnnamed(ctx context.Context, j journal) error {
	rec, err := j.read()
	if err != nil || len(rec.Unnamed) == 0 {
		return err
	}
	for _, k := range slices.Compact(slices.Sorted(slices.Values(rec.Unnamed))) {
		how := described[k]
		var ids []string
		id := map[kind]string{vpcKind: "VpcId", subnetKind: "SubnetId", gatewayKind: "InternetGatewayId", securityGroupKind: "GroupId", endpointKind: "VpcEndpointId"}[k]
		if err := r.cli.query(ctx, &ids, "ec2", how[0], "--filters", "Name=tag:"+Tag+",Values="+rec.Run, "--query", how[2]+"[]."+id); err != nil {
			return fmt.Errorf("looking for what was being made: %w", err)
		}
		for _, found := range ids {
			if one := (resource{k, found}); !rec.has(one) {
				if err := j.write(entry{What: made, resource: one}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// notTaggedError is of what was written down and does not bear the run's tag.
type notTaggedError struct{ run string }

func (e *notTaggedError) Error() string {
	return "it does not bear the tag " + Tag + "=" + e.run + ", so that it is not removed: look at it yourself"
}

// isFinal reports whether trying again changes nothing.
func isFinal(err error) bool {
	var untagged *notTaggedError
	return errors.As(err, &untagged)
}

// remove asks for a resource's removal, and reports whether it is gone.
func (r *removal) remove(ctx context.Context, name string, one resource) (gone bool, why error) {
	s, err := r.cli.look(ctx, one)
	switch {
	case err != nil:
		return false, err
	case s.gone:
		return true, nil
	case s.absent:
		first, seen := r.seen[one]
		if !seen {
			r.seen[one] = time.Now()
		}
		return seen && time.Since(first) >= r.Interval, nil
	case !s.of(name) && !s.empty:
		return false, &notTaggedError{name}
	}
	if _, seen := r.seen[one]; !seen {
		r.seen[one] = time.Now()
	}
	if s.going {
		return false, nil
	}
	for _, words := range removalCalls(one, s) {
		if _, err := r.cli.call(ctx, words...); err != nil && !isAbsent(err) {
			return false, err
		}
	}
	return false, nil
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
