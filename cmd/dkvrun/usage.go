package main

import (
	"fmt"
	goruntime "runtime"

	"dkvrun/cmd/dkvrun/internal/flags"
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

` + flags.Usages(o.flags) + `
Exit status: 0 done; 1 the script raised, or a failure was never looked at; 2 the command line or the
script can't be used; 124 --timeout passed; 130 interrupted; exit(n) gives its own.

A first try, with nothing running:  dkvrun --local=3 -e 'new_store("OrdersStore", "orders")'
`
}
