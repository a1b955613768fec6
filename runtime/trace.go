package runtime

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxTrace is the maximum number of lines in a traceback.
const maxTrace = 30

// traceback lists the active calls of L from a level on, and those of the threads that run L, innermost first. Tail
// calls have no line.
func traceback(L *lua.LState, first int) string {
	lines := []string{"stack traceback:"}
	for ; L != nil; L, first = L.Parent, 0 {
		var last lua.Debug
		for level := first; level < 2*callStackSize; level++ {
			frame, ok := L.GetStack(level)
			if !ok {
				break
			}
			if *frame == last { // a tail call counts as a level
				continue
			}
			last = *frame
			if _, err := L.GetInfo("Sln", frame, lua.LNil); err != nil {
				continue
			}
			if line := describeFrame(frame); line != "" && !IsInternalSource(frame.Source) {
				lines = append(lines, line)
			}
			if len(lines) > maxTrace {
				return strings.Join(append(lines, "…"), "\n\t")
			}
		}
	}
	return strings.Join(lines, "\n\t")
}

// describeFrame returns the line of a call in a traceback, or "" for Go code that a script didn't call by name.
func describeFrame(frame *lua.Debug) string {
	inGo := frame.CurrentLine < 0
	switch {
	// gopher-lua misspells "coroutine".
	case inGo && (strings.HasPrefix(frame.Name, "(") || frame.Name == "main chunk" || frame.Name == "corountine"):
		return ""
	case inGo:
		return "in function " + frame.Name
	case frame.LineDefined == 0:
		return fmt.Sprintf("%s:%d: in the main chunk", frame.Source, frame.CurrentLine)
	}
	return fmt.Sprintf("%s:%d: in function %s", frame.Source, frame.CurrentLine, frame.Name)
}

// callSite is the position where a task was spawned.
type callSite struct {
	file  string
	line  int
	trace string
	outer *callSite
}

// addTrace adds the tracebacks of the spawners to a task's error, and the position if the error has none.
func (o *callSite) addTrace(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	traced := *e
	if traced.Line == 0 {
		traced.File, traced.Line = o.file, o.line
	}
	for ; o != nil; o = o.outer {
		traced.Traceback += "\nin a task begun at:\n" + o.trace
	}
	return &traced
}
