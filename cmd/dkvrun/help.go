package main

import (
	"strings"

	"dkvrun/builtins/docs"
	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/cmd/dkvrun/internal/testcmd"
	"dkvrun/runtime"
)

// help prints the reference: the index, one entry in full, or the help of a command.
func help(p *process.Process, args []string) error {
	set := docs.All()
	name := strings.Join(args, " ") // some names have a space, such as "store row"
	switch name {
	case "":
		return p.Print(set.Index())
	case "test":
		return testcmd.Run(p, []string{"--help"})
	case "check":
		return runCheck(p, []string{"--help"})
	case "assert", "spy", "stub", "mock", "match":
		return exit.Misuse("docs/testing.md describes it", "help: %s is a table that suites have, not a builtin", name)
	}
	text := set.Help(name)
	if text == "" {
		hint := "dkvrun help lists all of them"
		if near := runtime.Suggest(name, set.Names()); near != "" {
			hint = "did you mean " + near + "?"
		}
		return exit.Misuse(hint, "help: there is no builtin %s", name)
	}
	return p.Print(text)
}
