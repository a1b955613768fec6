package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	suiteRuns    = 5
	trivialTests = 1000
	// suiteRatio limits the time of a suite, as a multiple of the time that busted takes for it.
	suiteRatio = 1.5
)

// suites measures the time of a file of trivial tests. If busted is installed, it runs alternately for comparison.
func suites(ctx context.Context, p *programs, r *report) error {
	folder, err := os.MkdirTemp("", "dkvrun-bench-suite-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	var text strings.Builder
	text.WriteString("describe(\"trivial\", function()\n")
	for i := range trivialTests {
		fmt.Fprintf(&text, "  it(\"adds %d\", function() assert.are.equal(%d, %d + 1) end)\n", i, i+1, i)
	}
	text.WriteString("end)\n")
	file := filepath.Join(folder, "trivial_test.lua")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return err
	}
	busted, _ := exec.LookPath("busted")
	var ours, theirs []usage
	for range suiteRuns {
		took, err := measure(ctx, "", p.dkvrun, "test", file)
		if err != nil {
			return err
		}
		if !strings.Contains(took.output, fmt.Sprintf("PASSED: %d passed", trivialTests)) {
			return fmt.Errorf("the suite printed %s", took.output)
		}
		ours = append(ours, took)
		if busted == "" {
			continue
		}
		if took, err = measure(ctx, "", busted, file); err != nil {
			return err
		}
		theirs = append(theirs, took)
	}
	name := fmt.Sprintf("%d trivial tests", trivialTests)
	r.add(name+", dkvrun test", "ms", column(ours, wallOf), 0)
	if busted != "" {
		r.add(name+", busted", "ms", column(theirs, wallOf), 0)
		r.add("ratio of the two, wall", "x", ratios(ours, theirs, wallOf), suiteRatio)
	}
	return nil
}
