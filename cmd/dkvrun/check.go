package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"dkvrun/builtins"
	"dkvrun/builtins/testkit"
	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/flags"
	"dkvrun/cmd/dkvrun/internal/interrupt"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/runtime/check"
	"dkvrun/runtime/printable"
	"dkvrun/stdlib"
)

const checkUsage = `dkvrun check finds errors and certain mistakes in scripts, without running anything.

  dkvrun check [--json] FILE…        '-' is standard input; NAME_test.lua is checked as a suite

      --json             print the findings as one JSON array, for editors
      --timeout SEC      stop with status 124 after this time: seconds, or with a unit as in 5m
      --max-memory MIB   stop when more memory is used (default 1024)
  -h, --help             show this help

Exit status: 0 no findings; 1 findings, or --max-memory passed; 2 a file can't be read, or the command line can't be
used; 124 --timeout passed.
A comment "-- check: ignore" suppresses the findings of its line, or of the next line if it is on a line by itself.
`

// runCheck runs the command dkvrun check.
func runCheck(p *process.Process, args []string) error {
	set := pflag.NewFlagSet("check", pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	asJSON := set.Bool("json", false, "")
	var timeout flags.Seconds
	set.Var(&timeout, "timeout", "")
	maxMemory := set.Int("max-memory", interrupt.DefaultMemoryMiB, "")
	help := set.BoolP("help", "h", false, "")
	if err := set.Parse(args); err != nil {
		return exit.Misuse("dkvrun check --help lists the flags", "check: %v", err)
	}
	switch {
	case *help:
		return p.Print(checkUsage)
	case set.NArg() == 0:
		return exit.Misuse("see dkvrun check --help", "check: no file to check: give FILE…, or '-' for standard input")
	case *maxMemory < 1 || *maxMemory > interrupt.MaxMemoryMiB:
		return exit.Misuse("", "check: --max-memory %d: want 1 to %d", *maxMemory, interrupt.MaxMemoryMiB)
	}
	ctx := context.Background()
	if timeout > 0 {
		limited, cancel := interrupt.LimitTime(ctx, time.Duration(timeout))
		defer cancel()
		ctx = limited
	}
	force := interrupt.ForceExit{Process: p, InFlight: func() []string { return nil }}
	ctx = interrupt.LimitMemory(ctx, *maxMemory, force)
	var failed error
	findings := []check.Finding{}
	for _, file := range set.Args() {
		found, err := checkLimited(ctx, p, file)
		if ctx.Err() != nil {
			failed = exit.Reported(context.Cause(ctx))
			exit.Report(p.Stderr, fmt.Errorf("%w at %s", context.Cause(ctx), file), false)
			break
		}
		if err != nil {
			exit.Report(p.Stderr, err, false)
			failed = exit.Reported(err)
		}
		findings = append(findings, found...)
	}
	if err := showFindings(p.Stdout, findings, *asJSON); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if failed == nil && len(findings) > 0 {
		return &exit.Error{Status: exit.Failed, Message: "there are findings", Silent: true}
	}
	return failed
}

// checkLimited does the same as checkFile, until ctx ends. The check then goes on in the background until the process
// ends.
func checkLimited(ctx context.Context, p *process.Process, file string) ([]check.Finding, error) {
	type result struct {
		found []check.Finding
		err   error
	}
	done := make(chan result, 1)
	go func() {
		found, err := checkFile(p, file)
		done <- result{found, err}
	}()
	select {
	case r := <-done:
		return r.found, r.err
	case <-ctx.Done():
		return nil, nil
	}
}

// checkFile returns the findings of one file; "-" is standard input.
func checkFile(p *process.Process, file string) ([]check.Finding, error) {
	in, name := p.Stdin, "stdin"
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, unreadable(file, err)
		}
		defer opened.Close()
		in, name = opened, file
	}
	src, err := io.ReadAll(io.LimitReader(in, maxInput))
	if err != nil {
		return nil, unreadable(name, err)
	}
	return check.Source(checkConfig(p, name), name, src), nil
}

// unreadable returns the error of a file that can't be read, without repeating its name.
func unreadable(file string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return exit.Misuse("", "check: can't read %s: %w", file, err)
}

// checkConfig returns the names and modules that a script can use in a run, or a suite in a test.
func checkConfig(p *process.Process, file string) check.Config {
	config := check.Config{
		Builtins: builtins.All(), Objects: builtins.Objects(), Records: builtins.Records(),
		Path: filepath.SplitList(p.Getenv("DKVRUN_PATH")), Stdlib: stdlib.FS,
	}
	if strings.HasSuffix(file, "_test.lua") {
		config.Objects = slices.Concat(config.Objects, testkit.Objects())
		config.Records = slices.Concat(config.Records, testkit.Records())
		config.Builtins = slices.Concat(config.Builtins, testkit.Builtins())
		config.Suite = true
	}
	return config
}

// showFindings prints each finding on one line and its hint on a second, or all findings as JSON.
func showFindings(w io.Writer, findings []check.Finding, asJSON bool) error {
	if asJSON {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(findings); err != nil {
			return err
		}
		_, err := w.Write(printable.JSON(text.Bytes()))
		return err
	}
	for _, f := range findings {
		text := fmt.Sprintf("%s:%d:%d: %s: %s [%s]\n", f.File, f.Line, f.Column, f.Severity, f.Message, f.Code)
		if f.Hint != "" {
			text += "        " + f.Hint + "\n"
		}
		if _, err := io.WriteString(w, printable.Text(text)); err != nil {
			return err
		}
	}
	return nil
}
