package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"dkvrun/builtins"
	"dkvrun/builtins/testkit"
	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/runtime/check"
	"dkvrun/runtime/printable"
	"dkvrun/stdlib"
)

const checkUsage = `dkvrun check finds errors and certain mistakes in scripts, without running anything.

  dkvrun check [--json] FILE…        '-' is standard input; NAME_test.lua is checked as a suite

      --json   print the findings as one JSON array, for editors
  -h, --help   show this help

Exit status: 0 no findings; 1 findings; 2 a file can't be read, or the command line can't be used.
A comment "-- check: ignore" suppresses the findings of its line, or of the next line if it is on a line by itself.
`

// runCheck runs the command dkvrun check.
func runCheck(p *process.Process, args []string) error {
	set := pflag.NewFlagSet("check", pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	asJSON := set.Bool("json", false, "")
	help := set.BoolP("help", "h", false, "")
	if err := set.Parse(args); err != nil {
		return exit.Misuse("dkvrun check --help lists the flags", "check: %v", err)
	}
	switch {
	case *help:
		return p.Print(checkUsage)
	case set.NArg() == 0:
		return exit.Misuse("see dkvrun check --help", "check: no file to check: give FILE…, or '-' for standard input")
	}
	var failed error
	findings := []check.Finding{}
	for _, file := range set.Args() {
		found, err := checkFile(p, file)
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
