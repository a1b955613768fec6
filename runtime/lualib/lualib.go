// Package lualib implements those of Lua's standard libraries that replace gopher-lua's: strings, tables, math, os,
// io, debug and the operators of strings. Env holds everything that they need of the host.
package lualib

import (
	"dkvrun/runtime/luanum"
	"io"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// Env holds the functions and writers of the host that the libraries need.
type Env struct {
	Stdout, Stderr io.Writer
	// MaxString is the maximum length, in bytes, of a string that a library function makes.
	MaxString int
	// Raise raises an error of misuse at the script's current position.
	Raise func(L *lua.LState, format string, args ...any)
	// RaiseText raises text as error(text, level) does.
	RaiseText func(L *lua.LState, text string, level int)
	// RaiseNoField raises the error for a field that owner doesn't have; names lists the known ones.
	RaiseNoField func(L *lua.LState, owner string, key lua.LValue, names []string)
	// Text returns the result of tostring.
	Text func(L *lua.LState, v lua.LValue) string
	// Show returns a value as print shows it.
	Show func(v lua.LValue) string
	// ArgumentName returns what the caller of the current Go function calls its argument i, such as "local 'x'", or "".
	ArgumentName func(L *lua.LState, i int) string
	// OperandName does the same for the left (1) or the right (2) operand of the operator that called the current
	// function.
	OperandName func(L *lua.LState, i int) string
	// Reserve prepares a thread for n values that are pushed.
	Reserve func(L *lua.LState, n int)
	// TypeName returns the type of a value as messages name it.
	TypeName func(v lua.LValue) string
	// Traceback lists the active calls of L from a level on.
	Traceback func(L *lua.LState, level int) string
	// Random returns the random generator of the task that L belongs to.
	Random func(L *lua.LState) *Random
}

// Open sets the globals of the libraries.
func Open(L *lua.LState, e *Env) {
	for _, open := range []lua.LGFunction{lua.OpenTable, lua.OpenString, lua.OpenMath, lua.OpenOs} {
		L.Push(L.NewFunction(open))
		L.Call(0, 0)
	}
	openStrings(L, e)
	openMath(L, e)
	openOS(L, e)
	openTable(L, e)
	openDebug(L, e)
	openIO(L, e)
}

// checkStop raises an error if the task has to stop: its run was cancelled or its time is over. A loop in a function of
// a library, whose length a script chooses, calls it with the number of the iteration; it checks every 1,024th.
func checkStop(L *lua.LState, iteration int) {
	if iteration%1024 != 0 {
		return
	}
	select {
	case <-L.Context().Done():
		L.RaiseError("%v", L.Context().Err())
	default:
	}
}

// longText is the length, in bytes, of the pieces of a text between which functions of the libraries call checkStop.
const longText = 1 << 20

// library returns the table of an open library.
func library(L *lua.LState, name string) *lua.LTable {
	return L.G.Global.RawGetString(name).(*lua.LTable)
}

// stringKeys returns the string keys of a table in the order of insertion.
func stringKeys(t *lua.LTable) []string {
	var keys []string
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		if s, ok := k.(lua.LString); ok {
			keys = append(keys, string(s))
		}
	}
	return keys
}

// limitString raises an error for a string that would be too long.
func (e *Env) limitString(L *lua.LState, function string, length int) {
	if length > e.MaxString {
		e.Raise(L, "%s: the result is longer than %g MiB", function, float64(e.MaxString)/(1<<20))
	}
}

// textArgument returns a string or number argument as text. An error counts as its text.
func (e *Env) textArgument(L *lua.LState, i int) string {
	switch v := L.Get(i).(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return luanum.Format(float64(v))
	case *lua.LUserData:
		if _, ok := v.Value.(error); ok {
			return e.Text(L, v)
		}
	}
	e.badType(L, i, "string")
	return ""
}

func (e *Env) badType(L *lua.LState, i int, want string) { BadType(L, i, want, e.TypeName) }

// BadType raises an error for an argument of another type than the wanted one. typeName returns the type of a value.
func BadType(L *lua.LState, i int, want string, typeName func(lua.LValue) string) {
	got := "no value"
	if i <= L.GetTop() {
		got = typeName(L.Get(i))
	}
	L.ArgError(i, want+" expected, got "+got)
}

// MaxValues is the maximum number of results of one call, as in Lua 5.1: the stack holds all of them.
const MaxValues = 8000

// limitValues raises an error for a call with too many results.
func (e *Env) limitValues(L *lua.LState, function string, n int) {
	if n > MaxValues {
		e.Raise(L, "%s: more than %d values at once", function, MaxValues)
	}
}

// numberArgument returns the argument i, a number or the text of one.
func numberArgument(L *lua.LState, i int) float64 {
	n, ok := numeric(L.Get(i))
	if !ok {
		L.TypeError(i, lua.LTNumber)
	}
	return n
}

// WholeArgument returns the argument i as a whole number, or fallback if it is absent. Numbers beyond an int become
// the largest or the smallest one.
func WholeArgument(L *lua.LState, i, fallback int) int {
	if L.Get(i) == lua.LNil {
		return fallback
	}
	switch n := numberArgument(L, i); {
	case n >= math.MaxInt32:
		return int(min(n, 1<<53))
	case n <= math.MinInt32:
		return int(max(n, -(1 << 53)))
	case math.IsNaN(n):
		return 0
	default:
		return int(n)
	}
}
