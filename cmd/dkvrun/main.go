// Command dkvrun runs runbooks: Lua scripts that provision and operate distributed key-value stores.
//
// This package reads the command line, composes the other packages and exits. Package builtins declares the functions
// that scripts can call, and package runtime runs the scripts.
package main

import (
	"os"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/interrupt"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/cmd/dkvrun/internal/testcmd"
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

// run carries out the command line and returns the exit status.
func run(p *process.Process) int {
	interrupt.HoldLifeline(p)
	o, err := parse(p.Args, p.Getenv)
	if err != nil {
		return exit.Report(p.Stderr, err, false)
	}
	switch {
	case o.help:
		err = p.Print(usage(o))
	case o.version:
		err = p.Print(versionText())
	case o.command == "help":
		err = help(p, o.args)
	case o.command == "test":
		err = testcmd.Run(p, o.args)
	case o.command == "check":
		err = runCheck(p, o.args)
	default:
		return runScript(p, o)
	}
	return exit.Report(p.Stderr, err, false)
}
