package runtime

import (
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

// machineTerms maps messages of the virtual machine to those of Lua 5.1.
var machineTerms = map[string]string{
	"for statement init must be a number":  "'for' initial value must be a number",
	"for statement limit must be a number": "'for' limit must be a number",
	"for statement step must be a number":  "'for' step must be a number",
	"too many recursions in gettable":      "loop in gettable",
	"too many recursions in settable":      "loop in settable",
}

// reworded returns what the virtual machine raised as Lua 5.1 words it: "attempt to index local 'x' (a nil value)"
// instead of "attempt to index a non-table object(nil) with key 'y'". L still has the calls that the error was raised
// in, and the error on its top. What a script raised stays as it is.
func reworded(L *lua.LState, raised lua.LValue) lua.LValue {
	verbatim := takeVerbatim(L)
	text, ok := raised.(lua.LString)
	if !ok || verbatim {
		return raised
	}
	if said := rewordedOverflow(L, text); said != raised {
		return said
	}
	message := withoutPosition(L, string(text))
	said, ok := reword(L, message)
	if !ok {
		return raised
	}
	return lua.LString(positionPrefix(L) + said)
}

// rewordedOverflow does the same for the error of a thread whose calls hold too many values, also when the calls have
// ended.
func rewordedOverflow(L *lua.LState, raised lua.LValue) lua.LValue {
	text, ok := raised.(lua.LString)
	if before, found := strings.CutSuffix(string(text), "registry overflow"); ok && found {
		return lua.LString(fmt.Sprintf("%s%s: calls hold more than %d values", before, overflow, L.Options.RegistryMaxSize))
	}
	return raised
}

// withoutPosition removes the position that gopher-lua puts before a message.
func withoutPosition(L *lua.LState, text string) string {
	for level := 0; ; level++ {
		frame, ok := L.GetStack(level)
		if !ok {
			return strings.TrimPrefix(text, " ") // without any Lua function gopher-lua puts a space there
		}
		if _, err := L.GetInfo("Sl", frame, lua.LNil); err == nil && frame.CurrentLine > 0 {
			return strings.TrimPrefix(text, fmt.Sprintf("%s:%d: ", frame.Source, frame.CurrentLine))
		}
	}
}

// positionPrefix returns "file:line: " for the innermost position in a script.
func positionPrefix(L *lua.LState) string {
	file, line := position(L)
	if line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", file, line)
}

// reword returns a message of the virtual machine as Lua 5.1 words it, and whether it is one.
func reword(L *lua.LState, message string) (string, bool) {
	if said, ok := machineTerms[message]; ok {
		return said, true
	}
	frame := currentFrame(L)
	if frame == nil {
		return "", false
	}
	switch {
	case message == "attempt to call a non-function object":
		return badCall(L, frame), true
	case message == "__len undefined":
		return badOperand(L, frame, "get length of", nil), true
	case message == "__unm undefined":
		return badOperand(L, frame, "perform arithmetic on", nil), true
	case strings.HasPrefix(message, "cannot perform "):
		return badOperand(L, frame, "perform arithmetic on", isNumeric), true
	}
	if rest, ok := strings.CutPrefix(message, "attempt to index a non-table object("); ok {
		if kind, key, ok := strings.Cut(rest, ") with key "); ok {
			return badIndex(L, frame, kind, key), true
		}
	}
	if rest, ok := strings.CutPrefix(message, "attempt to compare "); ok {
		if left, right, ok := strings.Cut(rest, " with "); ok && left == right {
			return "attempt to compare two " + left + " values", true
		}
	}
	if rest, ok := strings.CutPrefix(message, "bad argument #"); ok {
		return badArgument(L, frame, rest)
	}
	return "", false
}

// badCall returns the message for a call of a value that is not a function.
func badCall(L *lua.LState, frame *callFrame) string {
	if frame.fn.IsG {
		return "attempt to call a value that is not a function"
	}
	i := frame.current()
	return "attempt to call " + named(frame.name(i.a()), L.Get(i.a()+1))
}

// named returns what a message calls a value: "local 'x' (a nil value)", or "a nil value" where the source has no name
// for it.
func named(name string, value lua.LValue) string {
	if name == "" {
		return "a " + typeName(value) + " value"
	}
	return name + " (a " + typeName(value) + " value)"
}

// badIndex returns the message for a field of a value that has none.
func badIndex(L *lua.LState, frame *callFrame, kind, key string) string {
	if !frame.fn.IsG {
		i := frame.current()
		register := i.b()
		if op := i.op(); op == lua.OP_SETTABLE || op == lua.OP_SETTABLEKS {
			register = i.a()
		}
		// The indexed value is in a register only if it was not reached through __index.
		if value := L.Get(register + 1); value.Type().String() == kind {
			if name := frame.name(register); name != "" {
				return "attempt to index " + named(name, value)
			}
		}
	}
	return "attempt to index a " + kind + " value with key " + key
}

// badOperand returns the message for an operator that can't take its first operand or, where fits accepts that, its
// second one.
func badOperand(L *lua.LState, frame *callFrame, verb string, fits func(lua.LValue) bool) string {
	if frame.fn.IsG {
		return "attempt to " + verb + " a value of another type"
	}
	i := frame.current()
	operand := i.b()
	if fits != nil && fits(frame.operand(L, operand)) {
		operand = i.c()
	}
	name := ""
	if !isConstant(operand) {
		name = frame.name(operand)
	}
	return "attempt to " + verb + " " + named(name, frame.operand(L, operand))
}

// operand returns a register or a constant of the current call of L.
func (f *callFrame) operand(L *lua.LState, operand int) lua.LValue {
	if isConstant(operand) {
		return f.fn.Proto.Constants[operand&^(1<<8)]
	}
	return L.Get(operand + 1)
}

func isNumeric(v lua.LValue) bool {
	switch v := v.(type) {
	case lua.LNumber:
		return true
	case lua.LString:
		_, ok := luanum.Parse(strings.TrimSpace(string(v)))
		return ok
	}
	return false
}

// badArgument returns the message for an argument of a library function: rest is "2 to rep (number expected, got nil)".
func badArgument(L *lua.LState, frame *callFrame, rest string) (string, bool) {
	number, rest, _ := strings.Cut(rest, " to ")
	n, err := strconv.Atoi(number)
	_, problem, ok := strings.Cut(rest, " (")
	if err != nil || !ok || !frame.fn.IsG {
		return "", false
	}
	problem = strings.TrimSuffix(problem, ")")
	if expected, ok := strings.CutSuffix(problem, ", got nil"); ok && n > frame.nargs {
		problem = expected + ", got no value"
	}
	kind, name := frame.calledName()
	if kind == "method" {
		if n--; n == 0 {
			return fmt.Sprintf("calling '%s' on bad self (%s)", name, problem), true
		}
	}
	if name == "" {
		name = libraryName(L, frame.fn)
	}
	return fmt.Sprintf("bad argument #%d to '%s' (%s)", n, name, problem), true
}

// libraryName returns the name of a global function, or of a function in a global table, or "?".
func libraryName(L *lua.LState, fn *lua.LFunction) string {
	globals := L.G.Global
	for k, v := globals.Next(lua.LNil); k != lua.LNil; k, v = globals.Next(k) {
		if v == lua.LValue(fn) {
			return k.String()
		}
		library, ok := v.(*lua.LTable)
		if !ok || library == globals {
			continue
		}
		for name, v := library.Next(lua.LNil); name != lua.LNil; name, v = library.Next(name) {
			if v == lua.LValue(fn) {
				return k.String() + "." + name.String()
			}
		}
	}
	return "?"
}

// argumentName returns what the caller of the current Go function calls its argument i, or "".
func argumentName(L *lua.LState, i int) string {
	frame := currentFrame(L)
	if frame == nil || frame.parent == nil || frame.parent.fn.IsG {
		return ""
	}
	call := frame.parent.current()
	if op := call.op(); op != lua.OP_CALL && op != lua.OP_TAILCALL {
		return ""
	}
	return frame.parent.name(call.a() + i)
}

// operandName returns what the source calls an operand of the operator that called the current Go function as a
// metamethod: 1 for the left one, 2 for the right one. It returns "" where it has no name.
func operandName(L *lua.LState, i int) string {
	frame := currentFrame(L)
	if frame == nil || frame.parent == nil || frame.parent.fn.IsG {
		return ""
	}
	operator := frame.parent.current()
	if op := operator.op(); op < lua.OP_ADD || op > lua.OP_UNM {
		return ""
	}
	operand := operator.b()
	if i == 2 {
		operand = operator.c()
	}
	if isConstant(operand) {
		return ""
	}
	return frame.parent.name(operand)
}
