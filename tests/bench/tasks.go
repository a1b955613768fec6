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
	// taskCPU and taskMemory are the most that one of so many tasks may take: µs of CPU time, KB of
	// resident memory.
	taskCPU    = 100
	taskMemory = 25
)

//go:embed tasks.lua
var tasksScript []byte

// tasks compares a script of many tasks that wait with one of a single task: the difference is what the
// tasks take.
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
		if many.said != fmt.Sprint(manyTasks*(manyTasks+1)/2) {
			return fmt.Errorf("the tasks added up to %s", many.said)
		}
		cpu = append(cpu, (many.cpu-one.cpu)*1000/manyTasks)
		memory = append(memory, (many.peak-one.peak)*1024/manyTasks)
	}
	r.add("10,000 concurrent tasks: CPU a task", "µs", cpu, taskCPU)
	r.add("10,000 concurrent tasks: peak memory a task", "KB", memory, taskMemory)
	return nil
}
