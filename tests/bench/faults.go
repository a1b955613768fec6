package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"dkvrun/runtime/fakemanager"
)

const (
	faultRuns    = 3
	faultTimeout = 5 * time.Second
)

// classed counts the failures of a query by their class, as a script sees them.
const classed = `local rows = get_store{timeout_sec = %g}
local counts, names = {}, {}
for _, row in ipairs(rows.unreachable) do
  if not counts[row.code] then counts[row.code] = 0; names[#names + 1] = row.code end
  counts[row.code] = counts[row.code] + 1
end
table.sort(names)
local said = {#rows .. " answered"}
for _, name in ipairs(names) do said[#said + 1] = counts[name] .. " " .. name end
return table.concat(said, ", ")`

// faulty sweeps over a fleet of which four in a hundred do what managers should not: it takes as long
// as the time that an answer may take, and no longer than twice that.
func faulty(ctx context.Context, p *programs, r *report) (err error) {
	plan := fakemanager.Plan{Count: 10000,
		Faults: fakemanager.Mix(100, fakemanager.Refuse, fakemanager.Hang, fakemanager.Drip, fakemanager.Garbage)}
	f, err := fakemanager.Start(ctx, p.managers, plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	folder, err := os.MkdirTemp("", "dkvrun-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	list, err := writeList(folder, plan.Addresses())
	if err != nil {
		return err
	}
	const want = "9600 answered, 100 protocol, 100 refused, 200 timeout"
	var walls []float64
	for range faultRuns {
		u, err := measure(ctx, "", p.dkvrun, "-q", "--allow-down", "-m", "@"+list, "-e", fmt.Sprintf(classed, faultTimeout.Seconds()))
		if err != nil {
			return err
		}
		if lines := lastLine(u.said); lines != want {
			return fmt.Errorf("a fleet with faults: got %q, want %q", lines, want)
		}
		walls = append(walls, u.wall/1000)
	}
	r.add("10000 managers, 400 of them with faults", "s", walls, 2*faultTimeout.Seconds())
	return nil
}
