package acceptance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// kind is a kind of resource.
type kind string

// The kinds that are made.
const (
	secretKind        kind = "secret"
	instanceKind      kind = "DB instance"
	clusterKind       kind = "DB cluster"
	subnetGroupKind   kind = "DB subnet group"
	stackKind         kind = "stack"
	logGroupKind      kind = "log group"
	bucketKind        kind = "bucket"
	vpcKind           kind = "VPC"
	gatewayKind       kind = "internet gateway"
	subnetKind        kind = "subnet"
	securityGroupKind kind = "security group"
	endpointKind      kind = "endpoint"
)

// resource is one, by its name, or by the ID that EC2 gave it.
type resource struct {
	Kind kind   `json:"kind"`
	ID   string `json:"id,omitempty"`
}

func (r resource) String() string { return string(r.Kind) + " " + r.ID }

// What a line of a journal says.
const (
	begun   = "begun"   // the first line
	making  = "making"  // before the call; of what EC2 names, without an ID
	made    = "made"    // after it
	removed = "removed" // it is gone
	ended   = "ended"   // nothing is left
)

type entry struct {
	What    string `json:"what"`
	Run     string `json:"run,omitempty"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	resource
}

// journal is what a run has made, in a file that only grows: a line is whole on the
// disk before what it announces is done.
type journal struct{ path string }

func journalOf(run string) journal { return journal{filepath.Join(folder, run+".journal")} }

func (j journal) write(e entry) (err error) {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// record is what a journal says.
type record struct {
	Run, Account, Region string
	// Left are the resources that were being made or were made, and are not known to
	// be gone, in the order of their making.
	Left []resource
	// Unnamed are the kinds of which one may have been made whose ID is not known.
	Unnamed []kind
	Removed []resource // known to be gone
	Ended   bool
}

// has reports whether the run has made, or was making, a resource of this name or ID.
func (r record) has(one resource) bool { return slices.Contains(r.Left, one) }

func (j journal) read() (record, error) {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return record{}, fmt.Errorf("reading the journal: %w", err)
	}
	var r record
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue // a line that was cut off announced what was not begun
		}
		r.add(e)
	}
	if r.Run == "" {
		return r, fmt.Errorf("%s does not say of which run it is: look at the account for the tag %s, and remove the file", j.path, Tag)
	}
	return r, lines.Err()
}

func (r *record) add(e entry) {
	switch e.What {
	case begun:
		r.Run, r.Account, r.Region, r.Ended = e.Run, e.Account, e.Region, false
	case making:
		if e.ID == "" {
			r.Unnamed = append(r.Unnamed, e.Kind)
		} else if !r.has(e.resource) {
			r.Left = append(r.Left, e.resource)
		}
	case made:
		if i := slices.Index(r.Unnamed, e.Kind); i >= 0 && !r.has(e.resource) {
			r.Unnamed = slices.Delete(r.Unnamed, i, i+1)
		}
		if !r.has(e.resource) {
			r.Left = append(r.Left, e.resource)
		}
	case removed:
		r.Left = slices.DeleteFunc(r.Left, func(one resource) bool { return one == e.resource })
		r.Removed = append(r.Removed, e.resource)
	case ended:
		r.Ended = true
	}
}

// journals are those of all runs of this folder.
func journals() ([]journal, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for journals: %w", err)
	}
	var all []journal
	for _, e := range entries {
		if run, is := strings.CutSuffix(e.Name(), ".journal"); is {
			all = append(all, journalOf(run))
		}
	}
	return all, nil
}
