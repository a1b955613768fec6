package main

import (
	"fmt"
	goruntime "runtime"

	"dkvrun/cmd/dkvrun/internal/flags"
	"dkvrun/runtime/wire"
)

func versionText() string {
	return fmt.Sprintf("dkvrun %s (commit %s, %s, %s/%s)\n",
		wire.Version, wire.Commit(), goruntime.Version(), goruntime.GOOS, goruntime.GOARCH)
}

func usage(o *options) string {
	return `dkvrun runs runbooks: Lua scripts that provision and operate distributed key-value stores.

  dkvrun [flags] SCRIPT.lua [ARG…]   run a runbook ('-' reads it from standard input)
  dkvrun [flags] -e EXPR [ARG…]      run an expression and show its value
  dkvrun test [flags] [PATH…]        run regression suites (dkvrun test --help)
  dkvrun check [--json] FILE…        find mistakes in scripts without running them
  dkvrun help [BUILTIN|COMMAND]      show the reference
  dkvrun version

Arguments after the script are passed to the script.

` + flags.Usages(o.flags) + `
Exit status: 0 success; 1 the script raised an error, or did not check a failure; 2 the command line or the script
can't be used; 124 --timeout passed; 130 interrupted; exit(n) exits with n.

To try it without any servers:  dkvrun --local=3 -e 'new_store("OrdersStore", "orders")'
With TLS and roles, as servers: dkvrun --local=3 --secured -e 'new_store("OrdersStore", "orders")'
`
}
