package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// usage holds the resources that one run of a program used.
type usage struct {
	wall, cpu float64 // milliseconds
	peak      float64 // MB resident
	output    string
}

// measure runs a command to its end. input is a file for its standard input, or empty. It returns an error if the
// command fails.
func measure(ctx context.Context, input string, command ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	if input != "" {
		file, err := os.Open(input)
		if err != nil {
			return usage{}, err
		}
		defer file.Close()
		cmd.Stdin = file
	}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began)
	if err != nil {
		return usage{}, fmt.Errorf("%.200s: %w\n%.2000s", strings.Join(command, " "), err, &complaint)
	}
	state := cmd.ProcessState
	return usage{
		wall: milliseconds(wall), cpu: milliseconds(state.UserTime() + state.SystemTime()),
		peak: float64(state.SysUsage().(*syscall.Rusage).Maxrss) / 1024, output: strings.TrimSpace(out.String()),
	}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
