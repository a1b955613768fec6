package lualib

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

// Concatenate implements .. for two or more values.
func (e *Env) Concatenate(L *lua.LState) int {
	n := L.GetTop()
	right := L.Get(n)
	for n--; n > 0; {
		left := L.Get(n)
		if !lua.LVCanConvToString(left) || !lua.LVCanConvToString(right) {
			right = stringLibrary{e}.concatenateOther(L, left, right, n)
			n--
			continue
		}
		first, length := n, len(plainText(right))
		for ; first > 0 && lua.LVCanConvToString(L.Get(first)); first-- {
			length += len(plainText(L.Get(first)))
		}
		e.limitString(L, "..", length)
		var out strings.Builder
		out.Grow(length)
		for i := first + 1; i <= n; i++ {
			out.WriteString(plainText(L.Get(i)))
		}
		out.WriteString(plainText(right))
		right, n = lua.LString(out.String()), first
	}
	L.Push(right)
	return 1
}

// plainText returns the text of a string or a number.
func plainText(v lua.LValue) string {
	if n, ok := v.(lua.LNumber); ok {
		return luanum.Format(float64(n))
	}
	return v.String()
}

// concatenateOther implements .. for two values of which one is neither string nor number.
// right is the argument at from+1 if it is a whole operand.
func (lib stringLibrary) concatenateOther(L *lua.LState, left, right lua.LValue, from int) lua.LValue {
	for _, v := range []lua.LValue{left, right} {
		if method := L.GetMetaField(v, "__concat"); method != lua.LNil {
			return call2(L, method, left, right)
		}
	}
	wrong, argument := left, from
	if lua.LVCanConvToString(left) {
		wrong, argument = right, from+1
	}
	lib.RaiseText(L, "attempt to concatenate "+lib.named(wrong, lib.ArgumentName(L, argument)), 1)
	return lua.LNil
}

func call2(L *lua.LState, fn, a, b lua.LValue) lua.LValue {
	L.Push(fn)
	L.Push(a)
	L.Push(b)
	L.Call(2, 1)
	result := L.Get(-1)
	L.Pop(1)
	return result
}

// named returns what a message calls a value: "local 'x' (a nil value)", or "a nil value" where it has no name.
func (e *Env) named(v lua.LValue, name string) string {
	if name == "" {
		return "a " + e.TypeName(v) + " value"
	}
	return name + " (a " + e.TypeName(v) + " value)"
}

// openOperators gives strings the arithmetic of the numbers in their text.
func (lib stringLibrary) openOperators(L *lua.LState, t *lua.LTable) {
	mt := L.CreateTable(0, 0)
	mt.RawSetString("__index", t)
	t.RawSetString("__index", lua.LNil) // gopher-lua makes the library itself the metatable
	for event, operator := range map[string]func(a, b float64) float64{
		"__add": func(a, b float64) float64 { return a + b },
		"__sub": func(a, b float64) float64 { return a - b },
		"__mul": func(a, b float64) float64 { return a * b },
		"__div": func(a, b float64) float64 { return a / b },
		"__mod": modulo,
		"__pow": math.Pow,
		"__unm": func(a, _ float64) float64 { return -a },
	} {
		mt.RawSetString(event, L.NewFunction(func(L *lua.LState) int {
			L.Push(lib.stringArithmetic(L, event, operator))
			return 1
		}))
	}
	L.SetMetatable(lua.LString(""), mt)
}

// modulo returns a % b with the sign of b, as the virtual machine does for numbers.
func modulo(a, b float64) float64 {
	r := math.Mod(a, b)
	if b > 0 && r < 0 || b < 0 && r > 0 {
		r += b
	}
	return r
}

// stringArithmetic computes an operator with at least one string operand.
func (lib stringLibrary) stringArithmetic(L *lua.LState, event string, operator func(a, b float64) float64) lua.LValue {
	left, right := L.Get(1), L.Get(2)
	if event == "__unm" {
		right = left
	}
	a, isNumber := numeric(left)
	b, isNumber2 := numeric(right)
	if isNumber && isNumber2 {
		return lua.LNumber(operator(a, b))
	}
	for _, v := range []lua.LValue{left, right} {
		if v.Type() == lua.LTString {
			continue
		}
		if method := L.GetMetaField(v, event); method != lua.LNil {
			return call2(L, method, left, right)
		}
	}
	wrong, operand := left, 1
	if isNumber {
		wrong, operand = right, 2
	}
	lib.RaiseText(L, "attempt to perform arithmetic on "+lib.named(wrong, lib.OperandName(L, operand)), 1)
	return lua.LNil
}

// numeric returns the number that a value is, or that its text represents.
func numeric(v lua.LValue) (float64, bool) {
	if s, ok := v.(lua.LString); ok {
		return luanum.Parse(strings.TrimSpace(string(s)))
	}
	n, ok := v.(lua.LNumber)
	return float64(n), ok
}
