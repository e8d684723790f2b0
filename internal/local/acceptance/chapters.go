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

// chapters are what is played, in its order. own is whether the run makes a VPC.
func chapters(engines []string, own bool, scheduled string) []chapter {
	network := chapter{name: "network", steps: []string{"settings", "network"}}
	if own {
		network.steps = []string{"settings", "own-network", "network", "endpoint", "rds-endpoint"}
	}
	all := []chapter{network}
	last := chapter{name: "clean-up of the network", needs: []string{network.id()}, steps: []string{"clean-up-rds-endpoint", "clean-up-network"}}
	for _, engine := range engines {
		if engine == aurora {
			all = append(all, ofAurora(network)...)
			continue
		}
		of := ofRDS(engine, network, engine == scheduled || scheduled == "")
		all = append(all, of...)
		last.needs = append(last.needs, of[len(of)-1].id())
	}
	if own && !slices.Contains(engines, aurora) { // whose cluster the program itself removes
		all = append(all, last)
	}
	return all
}

// ofRDS are the chapters of an engine of RDS; the last is its clean-up.
func ofRDS(engine string, network chapter, scheduled bool) []chapter {
	first := chapter{name: firstTutorial, engine: engine, needs: []string{network.id()}, steps: []string{
		"database", "admin-secret", "user", "user-secret", "function", "first-rotation", "check", "check-is-well", "second-rotation"}}
	second := chapter{name: "tutorial 2", engine: engine, needs: []string{network.id(), first.id()}, steps: []string{"master-database", "test-user", "test-rotations"}}
	killed := chapter{name: "a step that is killed", engine: engine, needs: []string{network.id(), first.id()}, steps: []string{"killed", "killed-rotation-ends"}}
	reader := chapter{name: "a reader", engine: engine, needs: []string{network.id(), first.id()}, steps: []string{"replica", "reader"}}
	managed := chapter{name: "a managed admin secret", engine: engine, needs: []string{network.id(), first.id(), second.id()}, steps: []string{"managed-admin-secret"}}
	all := []chapter{first, second}
	window := chapter{name: "a rotation from the schedule", engine: engine, needs: []string{network.id(), first.id(), second.id()}, steps: []string{"schedule"}}
	awaited := chapter{name: "the scheduled rotation's end", engine: engine, needs: append(window.needs, window.id()), steps: []string{"scheduled-rotation"},
		limits: map[string]time.Duration{"scheduled-rotation": scheduleLimit}}
	if scheduled {
		all = append(all, window, killed, reader, awaited, managed)
	} else {
		all = append(all, killed, reader, managed)
	}
	cleanUp := chapter{name: "clean-up", engine: engine, needs: []string{network.id()}, steps: []string{"clean-up-reader", "clean-up"}}
	for _, c := range all {
		cleanUp.needs = append(cleanUp.needs, c.id())
	}
	return append(all, cleanUp)
}

// ofAurora are the chapters of Aurora, which is cleaned up by the program.
func ofAurora(network chapter) []chapter {
	first := chapter{name: firstTutorial, engine: aurora, needs: []string{network.id()}, steps: []string{
		"aurora-database", "admin-secret", "user", "user-secret", "function", "first-rotation", "check", "check-is-well", "second-rotation"}}
	killed := chapter{name: "a step that is killed", engine: aurora, needs: []string{network.id(), first.id()}, steps: []string{"killed", "killed-rotation-ends"}}
	reader := chapter{name: "a reader", engine: aurora, needs: []string{network.id(), first.id()}, steps: []string{"reader"}}
	return []chapter{first, killed, reader}
}

const firstTutorial = "tutorial 1"
