package acceptance

import (
	"slices"
	"time"
)

// chapter is a part of a run that passes or fails by itself: some steps, in a bash of
// its own, after the chapters that it needs have passed.
type chapter struct {
	name   string
	engine string // empty for what the engines share
	needs  []string
	steps  []string
	limits map[string]time.Duration // of steps that may take longer than stepLimit
}

// id tells it from the same chapter of another engine.
func (c chapter) id() string {
	if c.engine == "" {
		return c.name
	}
	return c.engine + ", " + c.name
}

const (
	// stepLimit bounds a step. The longest waits are for a DB instance, for which the
	// AWS CLI waits up to half an hour, and twice that where there are two.
	stepLimit = 75 * time.Minute
	// scheduleLimit is an hour until the window opens, five minutes that are added
	// where that is very soon, the window, and what a rotation takes.
	scheduleLimit = 2*time.Hour + 20*time.Minute
)

// chapters are what is played, in its order: the network, what each engine has, and the
// network's end. own is whether the run makes a VPC; scheduled is the engine on which the
// rotation from the schedule is awaited, or each if empty.
func chapters(engines []string, own bool, scheduled string) []chapter {
	network := chapter{name: "network", steps: []string{"settings", "network"}}
	if own {
		network.steps = []string{"settings", "own-network", "network", "endpoint", "rds-endpoint"}
	}
	all := []chapter{network}
	last := chapter{name: "clean-up of the network", needs: []string{network.id()}, steps: []string{"clean-up-rds-endpoint", "clean-up-network"}}
	for _, engine := range engines {
		all = append(all, ofEngine(engine, network, engine == scheduled || scheduled == "")...)
		last.needs = append(last.needs, all[len(all)-1].id())
	}
	if own && !slices.Contains(engines, aurora) { // whose clusters keep the network, until the program removes them
		all = append(all, last)
	}
	return all
}

// ofEngine are the chapters of an engine, all of which need the network and the first
// tutorial. Those of RDS end with its clean-up; the program itself removes Aurora's.
func ofEngine(engine string, network chapter, scheduled bool) []chapter {
	database, other, secret, reader := "database", "master-database", "managed-admin-secret", []string{"replica", "reader"}
	if engine == aurora {
		database, other, secret, reader = "aurora-database", "aurora-master-database", "aurora-managed-admin-secret", []string{"reader"}
	}
	first := chapter{name: firstTutorial, engine: engine, needs: []string{network.id()}, steps: []string{
		database, "admin-secret", "admin-rotation", "admin-logins", "user", "user-secret", "function", "first-rotation", "check", "check-is-well", "second-rotation"}}
	after := func(name string, needs []string, steps ...string) chapter {
		return chapter{name: name, engine: engine, needs: append([]string{network.id(), first.id()}, needs...), steps: steps}
	}
	second := after("tutorial 2", nil, other, "test-user", "test-rotations")
	window := after("a rotation from the schedule", []string{second.id()}, "schedule")
	killed := after("a step that is killed", nil, "killed", "killed-rotation-ends")
	readers := after("a reader", nil, reader...)
	awaited := after("the scheduled rotation's end", []string{second.id(), window.id()}, "scheduled-rotation")
	awaited.limits = map[string]time.Duration{"scheduled-rotation": scheduleLimit}
	managed := after("a managed admin secret", []string{second.id()}, secret, "managed-rotation")
	all := []chapter{first, second, window, killed, readers, awaited, managed}
	if !scheduled {
		all = []chapter{first, second, killed, readers, managed}
	}
	if engine == aurora {
		return all
	}
	cleanUp := chapter{name: "clean-up", engine: engine, needs: []string{network.id()}, steps: []string{"clean-up-reader", "clean-up"}}
	for _, c := range all {
		cleanUp.needs = append(cleanUp.needs, c.id())
	}
	return append(all, cleanUp)
}

const firstTutorial = "tutorial 1"
