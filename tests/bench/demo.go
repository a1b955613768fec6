package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

const (
	demoRuns = 3
	// demoTarget is in seconds, start and end of the cluster included.
	demoTarget = 60
)

// demo times what `make demo` runs once the programs are built.
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
