// Command dkvrun runs runbooks: Lua scripts that provision and operate distributed key-value stores.
//
// This folder reads the command line, puts the rooms together, prints and exits; what scripts can do
// stands in builtins, how they run in runtime.
package main

import (
	"fmt"
	"io"
	"os"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/interrupt"
	"dkvrun/cmd/dkvrun/internal/process"
)

func main() {
	executable, err := os.Executable()
	if err != nil {
		executable = os.Args[0]
	}
	os.Exit(run(&process.Process{
		Name: os.Args[0], Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Executable: executable, Exit: os.Exit,
	}))
}

// run does what the command line says and returns the exit status.
func run(p *process.Process) int {
	interrupt.HoldLifeline(p)
	o, err := parse(p.Args, p.Getenv)
	if err != nil {
		return exit.Report(p.Stderr, err, false)
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
	return exit.Report(p.Stderr, err, false)
}

func write(p *process.Process, text string) error {
	if _, err := io.WriteString(p.Stdout, text); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
