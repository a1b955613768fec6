package main

import (
	"dkvrun/builtins/docs"
	"dkvrun/runtime"
)

// help shows the reference: all of it in short, or one builtin or command.
func help(p *process, args []string) int {
	set := docs.All()
	switch len(args) {
	case 0:
		return write(p, set.Index())
	case 1:
		switch args[0] {
		case "test":
			return runTests(p, []string{"--help"})
		case "check":
			return runCheck(p, []string{"--help"})
		}
		b, known := set.Find(args[0])
		if !known {
			hint := "dkvrun help lists all"
			if near := runtime.Suggest(args[0], set.Names()); near != "" {
				hint = "did you mean " + near + "?"
			}
			return complain(p.stderr, misuse(hint, "help: there is no builtin %s", args[0]))
		}
		return write(p, docs.Help(b))
	}
	return complain(p.stderr, misuse("", "help: want one name, got %d", len(args)))
}
