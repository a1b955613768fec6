package main

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"

	"github.com/spf13/pflag"

	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

func versionText() string {
	return fmt.Sprintf("dkvrun %s (%s, %s/%s)\n", wire.Version, goruntime.Version(), goruntime.GOOS, goruntime.GOARCH)
}

func usage(o *options) string {
	return `dkvrun runs runbooks: Lua scripts that provision and operate distributed key-value stores.

  dkvrun [flags] SCRIPT.lua [ARG…]   run a runbook ('-' reads it from standard input)
  dkvrun [flags] -e EXPR [ARG…]      run an expression and show its value
  dkvrun test [flags] [PATH…]        run regression suites (dkvrun test --help)
  dkvrun check [--json] FILE…        find what a run would refuse, without running it
  dkvrun help [BUILTIN|COMMAND]      the reference, offline
  dkvrun version

Flags end at the script; what follows is the script's.

` + flagUsages(o.flags) + `
Exit status: 0 done; 1 the script raised, or a failure was never looked at; 2 the command line or the
script can't be used; 124 --timeout passed; 130 interrupted; exit(n) gives its own.

A first try, with nothing running:  dkvrun --local=3 -e 'new_store("OrdersStore", "orders")'
`
}

// flagUsages lists flags; that a switch may also be given a value need not stand at each.
func flagUsages(flags *pflag.FlagSet) string {
	return strings.ReplaceAll(flags.FlagUsages(), "[=true|false]", "             ")
}

// nearFlag is the hint for a flag that doesn't exist.
func nearFlag(flags *pflag.FlagSet, err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := runtime.Suggest(unknown.GetSpecifiedName(), names); near != "" {
			return "did you mean --" + near + "?"
		}
	}
	return helpHint
}
