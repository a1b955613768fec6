package main

import (
	"strings"

	"dkvrun/builtins/docs"
	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/cmd/dkvrun/internal/testcmd"
	"dkvrun/runtime"
)

// help shows the reference: all of it in short, or one name in full, or the help of a command.
func help(p *process.Process, args []string) error {
	set := docs.All()
	name := strings.Join(args, " ") // some have a blank: store row
	switch name {
	case "":
		return p.Print(set.Index())
	case "test":
		return testcmd.Run(p, []string{"--help"})
	case "check":
		return runCheck(p, []string{"--help"})
	case "assert", "spy", "stub", "mock", "match":
		return exit.Misuse("docs/testing.md lists what it has", "help: %s is a table of suites, not a builtin", name)
	}
	text := set.Help(name)
	if text == "" {
		hint := "dkvrun help lists all"
		if near := runtime.Suggest(name, set.Names()); near != "" {
			hint = "did you mean " + near + "?"
		}
		return exit.Misuse(hint, "help: there is no builtin %s", name)
	}
	return p.Print(text)
}
