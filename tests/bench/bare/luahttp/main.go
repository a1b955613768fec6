// Command luahttp is the baseline for the runner's start-up: it links gopher-lua and fasthttp, which the runner needs,
// and nothing else.
package main

import (
	"os"

	"github.com/valyala/fasthttp"
	lua "github.com/yuin/gopher-lua"
)

// client is linked but not used, like that of a runner whose script contacts no manager.
var client fasthttp.Client

func main() {
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("connections", state.NewFunction(func(l *lua.LState) int {
		l.Push(lua.LNumber(client.ConnsCount()))
		return 1
	}))
	if err := state.DoString("return 1"); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString(state.ToString(-1) + "\n")
}
