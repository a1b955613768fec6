package runtime

import (
	"errors"
	"fmt"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// raise raises err in the script. A script can catch any error but an Exit.
func raise(L *lua.LState, err error) {
	var exit *Exit
	if errors.As(err, &exit) {
		taskOf(L).exit(exit)
	}
	e := asError(err)
	if v, ok := e.raised.(lua.LValue); ok {
		taskOf(L).raised, taskOf(L).verbatim = e, true
		L.Error(v, 0)
	}
	L.Error(errorToLua(L, e), 1)
}

// raiseUsage raises a usageError.
func raiseUsage(L *lua.LState, format string, args ...any) {
	raise(L, usageError(L, format, args...))
}

// usageError returns an error of misuse at the script's current position.
func usageError(L *lua.LState, format string, args ...any) *Error {
	e := &Error{Message: fmt.Sprintf(format, args...), Code: CodeUsage}
	e.File, e.Line = position(L)
	return e
}

// raiseText raises text with the position of a level of the stack: 0 for no position, 1 for the caller.
func raiseText(L *lua.LState, text string, level int) {
	if level > 0 {
		text = where(L, level) + text
	}
	taskOf(L).verbatim = true
	L.Error(lua.LString(text), 0)
}

// takeVerbatim reports whether what is being raised is the script's, and forgets it.
func takeVerbatim(L *lua.LState) bool {
	t := taskOf(L)
	verbatim := t.verbatim
	t.verbatim = false
	return verbatim
}

// where returns the position of the first Lua function from a level of the stack on, or "" if that is outside of the
// innermost protected call or in the runner's internal Lua code.
func where(L *lua.LState, level int) string {
	protecting := taskOf(L).scheduler.protecting
	for i := 1; ; i++ {
		frame, ok := L.GetStack(i)
		if !ok {
			return ""
		}
		value, _ := L.GetInfo("f", frame, lua.LNil)
		fn, ok := value.(*lua.LFunction)
		// A level that a tail call has left shows the lowest function.
		if !ok || slices.Contains(protecting, fn) && depthOf(frame) > 0 {
			return ""
		}
		if i < level || fn.IsG {
			continue
		}
		if _, err := L.GetInfo("Sl", frame, lua.LNil); err != nil || IsInternalSource(frame.Source) {
			return ""
		}
		return fmt.Sprintf("%s:%d: ", frame.Source, frame.CurrentLine)
	}
}

// position returns the innermost position in a script, seen from Go code that the script called.
func position(L *lua.LState) (file string, line int) {
	task := taskOf(L)
	for ; L != nil; L = L.Parent {
		for level := 0; ; level++ {
			frame, ok := L.GetStack(level)
			if !ok {
				break
			}
			if _, err := L.GetInfo("Sl", frame, lua.LNil); err == nil && frame.CurrentLine > 0 && !IsInternalSource(frame.Source) {
				return frame.Source, frame.CurrentLine
			}
		}
	}
	if task.spawnedAt != nil {
		return task.spawnedAt.file, task.spawnedAt.line
	}
	return "", 0
}

// errorToLua returns the userdata that a script catches. It has fields, and it works as its text in tostring, in ..
// and with the methods of strings (err:find("refused")).
func errorToLua(L *lua.LState, e *Error) *lua.LUserData {
	ud := L.NewUserData()
	ud.Value = e
	ud.Metatable = L.GetTypeMetatable(errorType)
	return ud
}

// errorType is the key of the errors' metatable in the registry.
const errorType = "error"

// openErrors registers the metatable of errors, which have the methods of strings.
func openErrors(L *lua.LState, strings *lua.LTable) {
	mt := L.NewTypeMetatable(errorType)
	mt.RawSetString("__metatable", lua.LString("error"))
	mt.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString(L.CheckUserData(1).Value.(*Error).Error()))
		return 1
	}))
	mt.RawSetString("__concat", L.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString(textOf(L, L.Get(1)) + textOf(L, L.Get(2))))
		return 1
	}))
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int { return errorField(L, strings) }))
}

var errorFields = []string{"code", "file", "hint", "in_doubt", "line", "message", "traceback"}

func errorField(L *lua.LState, strings *lua.LTable) int {
	e, key := L.CheckUserData(1).Value.(*Error), L.Get(2)
	switch key {
	case lua.LString("message"):
		L.Push(lua.LString(e.Message))
	case lua.LString("hint"):
		L.Push(lua.LString(e.Hint))
	case lua.LString("in_doubt"):
		L.Push(lua.LBool(e.InDoubt))
	case lua.LString("code"):
		L.Push(lua.LString(e.Code))
	case lua.LString("file"):
		L.Push(lua.LString(e.File))
	case lua.LString("line"):
		L.Push(lua.LNumber(e.Line))
	case lua.LString("traceback"):
		L.Push(lua.LString(e.Traceback))
	default:
		method, ok := strings.RawGet(key).(*lua.LFunction)
		if !ok {
			raiseNoField(L, "error", key, errorFields)
		}
		L.Push(L.NewFunction(func(L *lua.LState) int {
			L.Insert(method, 1)
			L.Replace(2, lua.LString(textOf(L, L.Get(2))))
			L.Call(L.GetTop()-1, lua.MultRet)
			return L.GetTop()
		}))
	}
	return 1
}
