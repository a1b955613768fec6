package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	startRuns = 101
	// startRatio is the most that the runner's start may take of the bare program's.
	startRatio = 1.3
)

// startUp compares `dkvrun -e 'return 1'` with the bare program. The two take turns, so that what else
// the machine does falls on both; the ratio is of neighbours.
func startUp(ctx context.Context, dkvrun string, r *report) error {
	folder, err := os.MkdirTemp("", "dkvrun-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	bare := filepath.Join(folder, "luahttp")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bare, "./tests/bench/bare/luahttp")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the bare program can't be built: %w\n%s", err, said)
	}
	programs := [][]string{{bare}, {dkvrun, "-e", "return 1"}}
	walls, cpus := make([][]float64, 2), make([][]float64, 2)
	var wallRatios, cpuRatios []float64
	for i := range startRuns + 3 {
		for p, command := range programs {
			wall, cpu, err := start(ctx, command)
			if err != nil {
				return err
			}
			if i >= 3 { // the first bring the files into memory
				walls[p], cpus[p] = append(walls[p], wall), append(cpus[p], cpu)
			}
		}
		if i >= 3 {
			n := i - 3
			wallRatios = append(wallRatios, walls[1][n]/walls[0][n])
			cpuRatios = append(cpuRatios, cpus[1][n]/cpus[0][n])
		}
	}
	r.add("bare gopher-lua + fasthttp", "ms", walls[0], 0)
	r.add("dkvrun -e 'return 1'", "ms", walls[1], 0)
	r.add("ratio of the two, wall", "x", wallRatios, startRatio)
	r.add("ratio of the two, CPU", "x", cpuRatios, 0)
	return nil
}

// start runs a program that prints 1 and gives milliseconds of wall and of CPU time.
func start(ctx context.Context, command []string) (wall, cpu float64, err error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	began := time.Now()
	out, err := cmd.Output()
	wall = milliseconds(time.Since(began))
	if err != nil || string(out) != "1\n" {
		return 0, 0, fmt.Errorf("%v printed %q, not 1: %w", command, out, err)
	}
	return wall, milliseconds(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()), nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
