package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

const (
	taskRuns  = 5
	manyTasks = 10_000
	// taskCPU and taskMemory limit the cost of each of many tasks: µs of CPU time and KB of resident memory.
	taskCPU    = 100
	taskMemory = 25
)

//go:embed tasks.lua
var tasksScript []byte

// tasks compares a script with many waiting tasks with a script with one task. The difference is the cost of the tasks.
func tasks(ctx context.Context, p *programs, r *report) error {
	folder, err := os.MkdirTemp("", "dkvrun-bench-tasks-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	script := filepath.Join(folder, "tasks.lua")
	if err := os.WriteFile(script, tasksScript, 0o600); err != nil {
		return err
	}
	var cpu, memory []float64
	for range taskRuns {
		one, err := measure(ctx, "", p.dkvrun, script, "1")
		if err != nil {
			return err
		}
		many, err := measure(ctx, "", p.dkvrun, script, fmt.Sprint(manyTasks))
		if err != nil {
			return err
		}
		if many.output != fmt.Sprint(manyTasks*(manyTasks+1)/2) {
			return fmt.Errorf("the tasks added up to %s", many.output)
		}
		cpu = append(cpu, (many.cpu-one.cpu)*1000/manyTasks)
		memory = append(memory, (many.peak-one.peak)*1024/manyTasks)
	}
	r.add("10,000 concurrent tasks: CPU a task", "µs", cpu, taskCPU)
	r.add("10,000 concurrent tasks: peak memory a task", "KB", memory, taskMemory)
	return nil
}
