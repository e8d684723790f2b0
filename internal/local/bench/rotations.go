package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tandem/internal/local/dbserver"
)

// steps are in their order.
var steps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}

// rotations rotates users with ever more grants, by each function in turns.
func (b *bench) rotations(ctx context.Context, on *dbserver.Server) error {
	title := on.Release().Title()
	sizes := []int{1, 10, 100, 1000, 5000}
	if b.Brief {
		sizes = []int{1, 10, 100}
	}
	worlds := []*deployment{}
	defer func() {
		for _, w := range worlds {
			_ = w.Close()
		}
	}()
	programs := map[string]program{"own": b.own}
	if b.compares() {
		programs["aws"] = b.python
	}
	for _, name := range []string{"own", "aws"} {
		if p, ok := programs[name]; ok {
			w, err := open(ctx, on, p, name)
			if w != nil {
				worlds = append(worlds, w)
			}
			if err != nil {
				return err
			}
		}
	}
	for _, size := range sizes {
		b.say("%s, %d grants ...", title, size)
		if err := b.sized(ctx, title, worlds, size); err != nil {
			return fmt.Errorf("with %d grants: %w", size, err)
		}
	}
	if err := b.cpu(ctx, on); err != nil {
		return fmt.Errorf("the floor of the CPU: %w", err)
	}
	own := worlds[0]
	b.report.add(Figure{Server: title, What: "resident after rotations with up to 5,000 grants", Value: residentOf(own.pid), Unit: "MB"})
	return nil
}

// sized measures with a number of grants: the first rotation, which makes the
// clone, and further ones in which nothing has changed.
func (b *bench) sized(ctx context.Context, title string, worlds []*deployment, size int) error {
	rounds := 7
	if size >= 1000 {
		rounds = 3
	}
	grants := fmt.Sprintf("%d grants", size)
	var fed []time.Duration
	firsts := map[*deployment]taken{}
	all := map[*deployment][]map[string]taken{}
	for _, w := range worlds {
		if err := errors.Join(w.remove(ctx)); err != nil {
			return err
		}
		took, err := w.settle(ctx, size, nil)
		if err != nil {
			return err
		}
		fed = append(fed, took)
		first, err := w.rotate(ctx)
		if err != nil {
			return fmt.Errorf("%s, the first rotation: %w", w.program.name, err)
		}
		firsts[w] = first["setSecret"]
	}
	for range rounds {
		for _, w := range worlds {
			steps, err := w.rotate(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", w.program.name, err)
			}
			all[w] = append(all[w], steps)
		}
	}
	own := worlds[0]
	figure := func(w *deployment, step string, of func(taken) float64) float64 {
		var values []float64
		for _, steps := range all[w] {
			one := steps[step]
			if step == "" {
				one = inAll(steps)
			}
			values = append(values, of(one))
		}
		return median(values)
	}
	// The end of a session may be counted after the step has been looked at.
	statements := func(w *deployment) float64 {
		most := 0
		for _, steps := range all[w] {
			most = max(most, steps["setSecret"].Statements)
		}
		return float64(most)
	}
	wall := func(t taken) float64 { return ms(t.Wall) }
	cpu := func(t taken) float64 { return ms(t.CPU) }
	add := func(what string, value float64, unit string, limit float64) {
		b.report.add(Figure{Server: title, What: what, Value: value, Unit: unit, Limit: limit})
	}
	if size == 1 {
		add("resident after a rotation", residentOf(own.pid), "MB", 22)
	}
	add("four steps, warm, "+grants, figure(own, "", wall), "ms", 0)
	add("CPU of the four steps, warm, "+grants, figure(own, "", cpu), "ms", 0)
	set := figure(own, "setSecret", wall)
	add("setSecret, nothing changed, "+grants, set, "ms", 0)
	read, err := own.reading(ctx)
	if err != nil {
		return err
	}
	b.report.add(Figure{Server: title, What: "both users read alone, " + grants, Value: ms(read), Unit: "ms", FloorOf: "setSecret, nothing changed, " + grants})
	if len(worlds) > 1 {
		aws := worlds[1]
		awsSet, limit := figure(aws, "setSecret", wall), 0.0
		if size == 5000 {
			limit = map[string]float64{"MariaDB": 1.0 / 20, "MySQL": 1.0 / 40}[own.Server.Flavor.String()]
		}
		b.report.compareOn(title, "four steps, warm, "+grants+", AWS's function", figure(aws, "", wall), "ms", 0)
		b.report.compareOn(title, "CPU of the four steps, warm, "+grants+", AWS's function", figure(aws, "", cpu), "ms", 0)
		share := 0.0
		if size == 1 {
			share = 1.0 / 20
		}
		b.report.compareOn(title, "CPU, share of AWS's function's, "+grants, figure(own, "", cpu)/figure(aws, "", cpu), "times", share)
		b.report.compareOn(title, "setSecret, nothing changed, "+grants+", AWS's function", awsSet, "ms", 0)
		b.report.compareOn(title, "both users read alone, share of AWS's function's setSecret, "+grants, ms(read)/awsSet, "times", 0)
		b.report.compareOn(title, "setSecret, nothing changed, "+grants+", share of AWS's function's", set/awsSet, "times", limit)
		b.report.compareOn(title, "statements in setSecret, "+grants+", AWS's function", statements(aws), "", 0)
	} else if size == 1 || size == 5000 {
		b.report.compareOn(title, "CPU, share of AWS's function's, "+grants, 0, "times", 0)
		b.report.compareOn(title, "setSecret, nothing changed, "+grants+", share of AWS's function's", 0, "times", 0)
	}
	add("statements in setSecret, nothing changed, "+grants, statements(own), "", 8)
	add("first clone, setSecret, "+grants, ms(firsts[own].Wall), "ms", 0)
	add("the same statements fed one by one, "+grants, ms(slices.Min(fed)), "ms", 0)
	limit := 0.0
	if size == 5000 {
		limit = 1.25
	}
	add("first clone, times what the statements took fed, "+grants, ms(firsts[own].Wall)/ms(slices.Min(fed)), "times", limit)
	if size != 10 {
		return nil
	}
	for _, step := range steps {
		add("calls of Secrets Manager in "+step, figure(own, step, func(t taken) float64 { return float64(t.Calls) }), "", 0)
	}
	add("calls of Secrets Manager in a rotation", figure(own, "", func(t taken) float64 { return float64(t.Calls) }), "", 15)
	add("logins in setSecret", figure(own, "setSecret", func(t taken) float64 { return float64(t.Logins) }), "", 2)
	add("logins in setSecret that are denied", figure(own, "setSecret", func(t taken) float64 { return float64(t.Denied) }), "", 0)
	add("logins in a rotation", figure(own, "", func(t taken) float64 { return float64(t.Logins) }), "", 0)
	sequential, err := own.callRounds(ctx)
	if err != nil {
		return err
	}
	add("calls of Secrets Manager, sequential rounds", float64(sequential), "", 8)
	return nil
}

// hold is how long a call or a message is held whose rounds are counted.
const hold = 100 * time.Millisecond

// callRounds counts the calls of a rotation that have to wait for each other.
func (w *deployment) callRounds(ctx context.Context) (int, error) {
	w.mutex.Lock()
	w.hold, w.arrivals = hold, nil
	w.mutex.Unlock()
	_, err := w.rotate(ctx)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.hold = 0
	return rounds(w.arrivals), err
}

// rounds counts the rounds of what came, each held for a while: what comes while another
// is held is of the same round.
func rounds(arrivals []time.Time) int {
	rounds, began := 0, time.Time{}
	for _, at := range arrivals {
		if at.Sub(began) >= hold {
			rounds, began = rounds+1, at
		}
	}
	return rounds
}
