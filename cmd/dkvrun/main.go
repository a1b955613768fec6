// Command dkvrun runs runbooks: Lua scripts that provision and operate distributed key-value stores.
//
// This folder reads the command line, puts the rooms together, prints and exits; what scripts can do
// stands in builtins, how they run in runtime.
package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"dkvrun/cmd/dkvrun/internal/exit"
)

// process is what the program has of the system, in one place.
type process struct {
	name           string // what the program was called by
	args           []string
	stdin          *os.File
	stdout, stderr *os.File
	getenv         func(string) string
	executable     string
	exit           func(status int) // ends the process at once
}

func main() {
	executable, err := os.Executable()
	if err != nil {
		executable = os.Args[0]
	}
	os.Exit(run(&process{
		name: os.Args[0], args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, executable: executable, exit: os.Exit,
	}))
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// width is a terminal's number of columns, 0 where there is none.
func width(f *os.File) int {
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// run does what the command line says and returns the exit status.
func run(p *process) int {
	holdLifeline(p)
	o, err := parse(p.args, p.getenv)
	if err != nil {
		return exit.Report(p.stderr, err, false)
	}
	switch {
	case o.help:
		err = write(p, usage(o))
	case o.version:
		err = write(p, versionText())
	case o.command == "help":
		err = help(p, o.args)
	case o.command == "test":
		err = runTests(p, o.args)
	case o.command == "check":
		err = runCheck(p, o.args)
	default:
		return runScript(p, o)
	}
	return exit.Report(p.stderr, err, false)
}

func write(p *process, text string) error {
	if _, err := io.WriteString(p.stdout, text); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
