package runtime

import (
	"context"
	"sync/atomic"

	lua "github.com/yuin/gopher-lua"
)

// scheduler runs the tasks of one Lua state.
type scheduler struct {
	baton    baton
	main     *lua.LState
	template *lua.LState   // the threads of tasks are made from it
	spare    []*lua.LState // threads that ended and can run something else
	alive    atomic.Int64  // the number of tasks that have not ended, without the script itself
	cancel   context.CancelCauseFunc
	exit     *Exit // how a task ended the current phase, or nil
}

func newScheduler(main *lua.LState) *scheduler {
	s := &scheduler{main: main}
	s.template, _ = main.NewThread()
	s.template.Options.RegistrySize, s.template.Options.RegistryGrowStep = 64, 192 // thousands of them may be alive
	return s
}
