package sandbox

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/local/emulator"
	"tandem/internal/secret"
)

// adminRules are those of the first tutorial's prerequisite.
func adminRules() *types.RotationRulesType {
	return &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(10)}
}

// administrator is the admin of the first tutorial while its secret is rotated, and
// somebody who has read that secret once and keeps what it said.
type administrator struct {
	*demo
	secretID string
	kept     secret.Document
}

// prerequisite is what the first tutorial asks for before it begins: "the secret contains
// admin credentials for the database, and it is set up to rotate every 10 days".
func (d *demo) prerequisite(ctx context.Context, admin string) (*administrator, error) {
	name := d.ownName(Admin)
	d.say("It asks for an admin secret that is rotated itself, every 10 days. Its user %s keeps its name, and has", name)
	d.say("two passwords: a function of its own rotates it, with ROTATION_STRATEGY=single-user.")
	a := &administrator{demo: d, secretID: admin}
	var err error
	if a.kept, err = d.Current(ctx, admin); err != nil {
		return nil, err
	}
	d.mutex.Lock()
	d.secretID, d.columns, d.slots = admin, [2]string{name + ": a password", name + ": another"}, map[string]int{}
	d.mutex.Unlock()
	d.table.head(d.columns)
	d.row(ctx, "as stored", 0)
	if err := a.rotate(ctx, adminRules()); err != nil {
		return nil, err
	}
	d.finishRow(ctx)
	if err := d.logIn(ctx, a.kept); err != nil {
		d.wrong(ctx, "who had read the secret before the rotation does not log in: %v", err)
	} else {
		d.say("-> who has read the secret before the rotation still logs in, until the next one")
	}
	return a, nil
}

// again rotates the admin between two rotations of the user that it serves, without rows.
func (a *administrator) again(ctx context.Context) error {
	a.quietly(true)
	defer a.quietly(false)
	if err := a.rotate(ctx, nil); err != nil {
		return err
	}
	a.say("%s rotated meanwhile: its passwords under AWSCURRENT and AWSPREVIOUS log in, and no earlier one does", a.kept.Username())
	return nil
}

func (a *administrator) quietly(silent bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.silent = silent
}

// rotate rotates the admin's secret, and checks what every such rotation must end in: the
// user has kept its name, and logs in by both passwords, and by no earlier one.
func (a *administrator) rotate(ctx context.Context, rules *types.RotationRulesType) error {
	before, err := a.Current(ctx, a.secretID)
	if err != nil {
		return err
	}
	if err := a.rotateBy(ctx, a.secretID, SingleUserARN, rules); err != nil {
		return err
	}
	current, err := a.Current(ctx, a.secretID)
	if err != nil {
		return err
	}
	previous, err := a.Previous(ctx, a.secretID)
	if err != nil {
		return err
	}
	a.keep(aPassword, current.Password())
	if err := a.keepHashes(ctx, [2]string{current.Username(), current.Username()}); err != nil {
		return err
	}
	if current.Username() != before.Username() || !previous.Password().Equal(before.Password()) || current.Password().Equal(before.Password()) {
		a.wrong(ctx, "%s was to keep its name and get another password, with the one before under AWSPREVIOUS: %s is current, and %s previous",
			before.Username(), current.Username(), previous.Username())
	}
	for label, document := range map[string]secret.Document{"AWSCURRENT": current, "AWSPREVIOUS": previous} {
		if err := a.logIn(ctx, document); err != nil {
			a.wrong(ctx, "the admin does not log in with what is under %s: %v", label, err)
		}
	}
	if !a.kept.Password().Equal(previous.Password()) && a.logIn(ctx, a.kept) == nil {
		a.wrong(ctx, "the admin still logs in with a password that two rotations have replaced")
	}
	return nil
}

// passwordRow writes a row about a single user, whose columns are its passwords: a new one
// takes the place of the one that is not current.
func (d *demo) passwordRow(ctx context.Context, step string, took time.Duration, versions []version) {
	var labels [2][]string
	var cells [2]string
	outcomes := map[string]string{}
	d.place(versions)
	for _, v := range versions {
		if v.empty {
			continue // of no password yet
		}
		d.keep(aPassword, v.document.Password())
		column := d.slots[v.id]
		labels[column] = append(labels[column], v.labels...)
		err := d.logIn(ctx, v.document)
		for _, label := range v.labels {
			outcomes[label] = outcomeOf(label, err)
			switch {
			case err != nil && label == "AWSCURRENT":
				defer d.wrong(ctx, "the credentials under AWSCURRENT do not log in: %v", err)
			case err != nil && label == "AWSPENDING" && step != emulator.StepCreate:
				defer d.wrong(ctx, "after %s the credentials under AWSPENDING do not log in: %v", step, err)
			case err != nil && label == "AWSPENDING":
				cells[column] = " (not set)"
			}
		}
		if err := d.keepHashes(ctx, [2]string{v.document.Username(), v.document.Username()}); err != nil {
			defer d.wrong(ctx, "%v", err)
		}
	}
	for i := range cells {
		if cells[i] = inOrder(labels[i]) + cells[i]; cells[i] == "" {
			cells[i] = "-"
		}
	}
	d.write(ctx, step, took, cells, outcomes)
}

// place gives each version that is new a column: the one that AWSCURRENT is not in.
func (d *demo) place(versions []version) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	free := 0
	for _, v := range versions {
		if column, found := d.slots[v.id]; found && slices.Contains(v.labels, "AWSCURRENT") {
			free = 1 - column
		}
	}
	for _, v := range versions {
		if _, found := d.slots[v.id]; !found {
			d.slots[v.id] = free
		}
	}
}
