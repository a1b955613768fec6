package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	storeRuns = 5
	// Targets: the time from the call of new_store to the first write, in seconds, and resident memory in MB.
	writableTarget = 6
	instanceTarget = 60
	managerTarget  = 40
)

//go:embed store.lua
var storeScript string

// store measures how soon a new store of 6 instances on 3 local servers takes writes, and the memory of its processes
// when they are idle.
func store(ctx context.Context, p *programs, r *report) error {
	var seconds []float64
	memory := map[string][]float64{}
	for range storeRuns {
		took, err := storeRun(ctx, p.dkvrun, memory)
		if err != nil {
			return err
		}
		seconds = append(seconds, took)
	}
	r.add("6 instances on 3 servers: new to first write", "s", seconds, writableTarget)
	r.add("resident: data instance", "MB", memory["data"], instanceTarget)
	r.add("resident: gateway instance", "MB", memory["gateway"], instanceTarget)
	r.add("resident: manager", "MB", memory["manager"], managerTarget)
	return nil
}

// storeRun runs the script once. The script prints a line at each stage; the arrival of the lines determines the times.
// When the store is idle, storeRun reads the memory and then lets the script continue.
func storeRun(ctx context.Context, dkvrun string, memory map[string][]float64) (seconds float64, err error) {
	cmd := exec.CommandContext(ctx, dkvrun, "-q", "--local=3", "-")
	cmd.Stdin = strings.NewReader(storeScript)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var began time.Time
	roles := map[string]string{}
	measured := false
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch word := strings.Fields(lines.Text()); {
		case len(word) == 0:
		case word[0] == "begin":
			began = time.Now()
		case word[0] == "written":
			seconds = time.Since(began).Seconds()
		case word[0] == "instance" && len(word) == 3:
			roles[word[1]] = word[2]
		case word[0] == "rest":
			if err := residents(cmd.Process.Pid, roles, memory); err != nil {
				return 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
			}
			measured = true
		}
	}
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("the store's script failed: %w\n%s", err, &said)
	}
	if seconds == 0 || !measured {
		return 0, errors.New("the store's script did not say when it was done")
	}
	return seconds, nil
}
