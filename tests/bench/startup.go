package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

const (
	startRuns = 101
	// startRatio limits the time of the runner's start, as a multiple of that of the bare program.
	startRatio = 1.3
)

// startUp compares `dkvrun -e 'return 1'` with the bare program. The two run alternately, so that other load on the
// machine affects both, and each ratio is of consecutive runs.
func startUp(ctx context.Context, p *programs, r *report) error {
	var bare, ours []usage
	for i := range startRuns + 3 {
		a, err := measure(ctx, "", p.luahttp)
		if err != nil {
			return err
		}
		b, err := measure(ctx, "", p.dkvrun, "-e", "return 1")
		if err != nil {
			return err
		}
		if a.output != "1" || b.output != "1" {
			return fmt.Errorf("start-up: printed %q and %q, not 1", a.output, b.output)
		}
		if i >= 3 { // the first runs load the files into the page cache
			bare, ours = append(bare, a), append(ours, b)
		}
	}
	r.add("bare gopher-lua + fasthttp", "ms", column(bare, wallOf), 0)
	r.add("dkvrun -e 'return 1'", "ms", column(ours, wallOf), 0)
	r.add("ratio of the two, wall", "x", ratios(ours, bare, wallOf), startRatio)
	r.add("ratio of the two, CPU", "x", ratios(ours, bare, cpuOf), 0)
	return nil
}

const (
	demoRuns = 3
	// demoTarget is in seconds, including the start and the end of the cluster.
	demoTarget = 60
)

// demo measures the time of `make demo` without building the programs.
func demo(ctx context.Context, p *programs, r *report) error {
	var seconds []float64
	for range demoRuns {
		began := time.Now()
		if said, err := exec.CommandContext(ctx, p.dkvrun, "--local=3", "scripts/demo.lua").CombinedOutput(); err != nil {
			return fmt.Errorf("the demo failed: %w\n%s", err, said)
		}
		seconds = append(seconds, time.Since(began).Seconds())
	}
	r.add("make demo, once built", "s", seconds, demoTarget)
	return nil
}
