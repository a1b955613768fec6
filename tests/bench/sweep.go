package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"dkvrun/runtime/fakemanager"
	"dkvrun/runtime/wire"
)

// sizes are the numbers of managers, with the number of measurements of each.
var sizes = []struct{ managers, runs int }{{1, 11}, {10, 11}, {100, 11}, {1000, 9}, {10000, 3}}

// Targets of the runner: ratios to the bare fasthttp program and to curl; the time with managers that wait, as a
// multiple of the wait; and memory in MB.
const (
	bareRatio   = 1.15
	peerRatio   = 1.0
	wait        = 50 * time.Millisecond
	peakTarget  = 90
	growthLimit = 1.1
)

var waitRatios = map[int]float64{10: 1.3, 100: 1.3, 1000: 3}

// counting is a script that queries the stores of all managers and reads a field of each row.
const counting = `local n = 0
for _, row in ipairs(get_store()) do if row.revision == 1 then n = n + 1 end end
return n`

// contestant is a program that sends a request to all managers of a list.
type contestant struct {
	name    string
	command func(list string) (input string, command []string)
	silent  bool // the program does not print the number of answers
	waits   int  // the maximum number of managers that wait; 0 for any number
}

func contestants(p *programs) []contestant {
	all := []contestant{
		{name: "bare fasthttp", command: func(list string) (string, []string) { return list, []string{p.fasthttp, wire.StoresPath()} }},
		{name: "bare net/http", command: func(list string) (string, []string) { return list, []string{p.nethttp, wire.StoresPath()} }},
		{name: "dkvrun", command: func(list string) (string, []string) {
			return "", []string{p.dkvrun, "-q", "-m", "@" + list, "-e", counting}
		}},
		{name: "dkvrun, a line a row", silent: true, command: func(list string) (string, []string) {
			return "", []string{p.dkvrun, "-q", "-m", "@" + list, "-e", "get_store()"}
		}},
	}
	if p.curl != "" {
		all = append(all, contestant{name: "curl --parallel", silent: true, waits: 1000, command: func(list string) (string, []string) {
			return "", []string{p.curl, "--silent", "--fail", "--parallel", "--parallel-max", "300", "--config", list + ".curl"}
		}})
	}
	return all
}

// sweeps measures whole processes that send requests to growing numbers of managers. The processes run alternately, so
// that other load on the machine affects all of them, and each ratio is of consecutive runs.
func sweeps(ctx context.Context, p *programs, r *report) error {
	for _, delay := range []time.Duration{0, wait} {
		if err := sweepsAt(ctx, p, r, delay); err != nil {
			return err
		}
	}
	return nil
}

func sweepsAt(ctx context.Context, p *programs, r *report, delay time.Duration) (err error) {
	plan := fakemanager.Plan{Count: sizes[len(sizes)-1].managers, Delay: delay}
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
	cpu := map[int]float64{}
	for _, size := range sizes {
		list, err := writeList(folder, plan.Addresses()[:size.managers])
		if err != nil {
			return err
		}
		all := contestants(p)
		if delay > 0 {
			all = slices.DeleteFunc(all, func(c contestant) bool { return c.waits > 0 && size.managers > c.waits })
		}
		took, err := turns(ctx, all, list, size.managers, size.runs)
		if err != nil {
			return err
		}
		title := fmt.Sprintf("%d managers", size.managers)
		if size.managers == 1 {
			title = "1 manager"
		}
		if delay > 0 {
			title += fmt.Sprintf(" that wait %s", delay)
		}
		r.sweep(title, all, took)
		cpu[size.managers] = median(sorted(column(took["dkvrun"], cpuOf)))
		judge(r, title, took, size.managers, delay)
	}
	if delay == 0 {
		slope(r, cpu)
	}
	return nil
}

// writeList writes a file with the addresses for the runner and the bare programs, and another one for curl.
func writeList(folder string, addresses []string) (string, error) {
	path := filepath.Join(folder, strconv.Itoa(len(addresses)))
	var curl strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&curl, "url = \"http://%s%s\"\noutput = /dev/null\n", a, wire.StoresPath())
	}
	if err := os.WriteFile(path+".curl", []byte(curl.String()), 0o600); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(strings.Join(addresses, "\n")+"\n"), 0o600)
}

func turns(ctx context.Context, all []contestant, list string, managers, runs int) (map[string][]usage, error) {
	took := map[string][]usage{}
	for i := range runs + 1 {
		for _, c := range all {
			input, command := c.command(list)
			u, err := measure(ctx, input, command...)
			if err != nil {
				return nil, err
			}
			if !c.silent && u.output != strconv.Itoa(managers) {
				return nil, fmt.Errorf("%s reports %q answers of %d managers", c.name, u.output, managers)
			}
			if i > 0 { // the first run loads the files into the page cache
				took[c.name] = append(took[c.name], u)
			}
		}
	}
	return took, nil
}

// judge compares the runner with the other programs and with its targets.
func judge(r *report, title string, took map[string][]usage, managers int, delay time.Duration) {
	ours, bare := took["dkvrun"], took["bare fasthttp"]
	target := 0.0
	if delay == 0 && managers >= 100 {
		target = bareRatio
	}
	r.add(title+": dkvrun / bare fasthttp, wall", "x", ratios(ours, bare, wallOf), target)
	r.add(title+": dkvrun / bare fasthttp, CPU", "x", ratios(ours, bare, cpuOf), target)
	if managers >= 100 { // with fewer the start-up dominates, which is measured separately
		r.add(title+": dkvrun / bare net/http, wall", "x", ratios(ours, took["bare net/http"], wallOf), peerRatio)
	}
	if curl := took["curl --parallel"]; curl != nil {
		r.add(title+": dkvrun / curl --parallel, wall", "x", ratios(ours, curl, wallOf), peerRatio)
	}
	if limit := waitRatios[managers]; limit > 0 && delay > 0 {
		var over []float64
		for _, u := range ours {
			over = append(over, u.wall/milliseconds(delay))
		}
		r.add(title+": dkvrun / the wait", "x", over, limit)
	}
	if managers == 10000 {
		r.add(title+": dkvrun, peak memory", "MB", column(ours, peakOf), peakTarget)
	}
}

// slope computes the cost of one more manager, and the growth of the cost: 1 means proportional growth.
func slope(r *report, cpu map[int]float64) {
	first, middle, last := sizes[0].managers, 1000, sizes[len(sizes)-1].managers
	r.add("dkvrun: CPU for one more manager", "µs", []float64{(cpu[last] - cpu[first]) / float64(last-first) * 1000}, 0)
	cost := (cpu[last] - cpu[first]) / (cpu[middle] - cpu[first])
	growth := math.Log(cost) / math.Log(float64(last-first)/float64(middle-first))
	r.add(fmt.Sprintf("dkvrun: CPU grows with the managers to the power of (%d to %d)", middle, last), "", []float64{growth}, growthLimit)
}

func wallOf(u usage) float64 { return u.wall }
func cpuOf(u usage) float64  { return u.cpu }
func peakOf(u usage) float64 { return u.peak }

func column(all []usage, of func(usage) float64) []float64 {
	out := make([]float64, len(all))
	for i, u := range all {
		out[i] = of(u)
	}
	return out
}

func ratios(a, b []usage, of func(usage) float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = of(a[i]) / of(b[i])
	}
	return out
}

// shared measures the memory of sending one body to 10,000 managers, for a small and a large body.
func shared(ctx context.Context, p *programs, r *report) (err error) {
	plan := fakemanager.Plan{Count: 10000}
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
	for _, size := range []int{2 << 10, 1 << 20} {
		u, err := measure(ctx, list, p.share, strconv.Itoa(size))
		if err != nil {
			return err
		}
		if u.output != strconv.Itoa(plan.Count) {
			return fmt.Errorf("a body of %d bytes was read by %q of %d managers", size, u.output, plan.Count)
		}
		r.add(fmt.Sprintf("a body of %d KB for 10000 managers, peak memory", size>>10), "MB", []float64{u.peak}, peakTarget)
	}
	return nil
}

const (
	faultRuns    = 3
	faultTimeout = 5 * time.Second
)

// classed is a script that counts the failures of a query by class.
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

// faulty measures a query of managers of which 4 % misbehave. It should take as long as the time limit of an answer,
// and at most twice as long.
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
		if lines := lastLine(u.output); lines != want {
			return fmt.Errorf("a fleet with faults: got %q, want %q", lines, want)
		}
		walls = append(walls, u.wall/1000)
	}
	r.add("10000 managers, 400 of them with faults", "s", walls, 2*faultTimeout.Seconds())
	return nil
}
