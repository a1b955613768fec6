package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// CheckCall checks a call in a source without running it. The arguments are Go values: nil, bool, string, float64, a
// TableLiteral, or one of these.
type unknownKind struct{ what string }

var (
	// Unknown is a value that is known only at run time.
	Unknown any = &unknownKind{"a value"}
	// UnknownList stands for values whose number is known only at run time: the results of a last call, or "...".
	UnknownList any = &unknownKind{"values"}
	// FunctionLiteral is a function in the source.
	FunctionLiteral any = &unknownKind{"a function"}
)

// TableLiteral holds the fields of a table constructor in order.
type TableLiteral []FieldLiteral

// FieldLiteral is a field of a table constructor.
type FieldLiteral struct {
	// Key is nil for a list item.
	Key, Value any
}

// CallError is an error that a call would raise.
type CallError struct {
	// Message is the message without a position.
	Message string
	// Argument is the index of the wrong argument, or -1 for an error about the call itself.
	Argument int
	// Field is the index of the wrong field if the argument is a table, else -1. Key is set if the field's key is
	// wrong.
	Field int
	Key   bool
}

// staticCall is the state of a binder that checks a call without running it. In a run it is nil, and its methods do
// nothing.
type staticCall struct {
	binder     *binder
	named      int          // index of the argument with the named parameters, or -1
	fields     TableLiteral // fields of that argument
	items      bool         // the positional values are its list items
	incomplete bool         // the call may have more arguments than are known
	uncertain  []bool       // for each parameter: given, but the value is unknown
	position   int          // of the current value, or -1
	key        lua.LValue   // of the current named value
	errors     []CallError
}

// unknownValue is the Lua form of Unknown.
var unknownValue = &lua.LUserData{Value: Unknown, Metatable: lua.LNil}

// arguments returns the values to check, without those whose position is unknown.
func (j *staticCall) arguments(args []any) []lua.LValue {
	a := j.binder
	values := make([]lua.LValue, 0, len(args))
	names := a.conv.main.NewTable()
	names.RawSetString("name", unknownValue)
	if len(a.b.Params) > 0 {
		names.RawSetString(a.b.Params[0].Name, unknownValue)
	}
	for i, arg := range args {
		v := lua.LValue(unknownValue)
		if arg != UnknownList {
			v = a.conv.literal(arg)
		}
		if i == len(args)-1 && v == unknownValue && (arg == UnknownList || a.isNamed(names, i)) {
			j.incomplete = true // the argument may hold the named parameters
			break
		}
		values = append(values, v)
	}
	last := len(values) - 1
	if last < 0 {
		return values
	}
	t, ok := values[last].(*lua.LTable)
	switch {
	case !ok || !a.isNamed(t, last):
	case j.incomplete: // it would hold the named parameters only as the last argument
		values[last] = unknownValue
	default:
		j.named, j.fields = last, args[last].(TableLiteral)
		j.items = last == 0 && t.MaxN() > 0
		if n := len(j.fields); n > 0 && j.fields[n-1].Value == UnknownList {
			t.RawSetInt(t.MaxN(), lua.LNil)
			j.incomplete = true
		}
	}
	return values
}

// literal returns the Lua value of a literal in a source.
func (c *converter) literal(v any) lua.LValue {
	switch v := v.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case TableLiteral:
		return c.tableLiteral(v)
	}
	if v == FunctionLiteral {
		return c.sameObject // it is not called, so any function can stand for it
	}
	return unknownValue
}

// tableLiteral sets the list items last, as Lua does. The result is unknown if a key is.
func (c *converter) tableLiteral(fields TableLiteral) lua.LValue {
	t := c.main.NewTable()
	var items []any
	for _, f := range fields {
		_, isIndex := f.Key.(float64)
		switch {
		case f.Key == nil:
			items = append(items, f.Value)
		case f.Key == Unknown || isIndex && f.Value == Unknown:
			return unknownValue
		default:
			c.main.RawSet(t, c.literal(f.Key), c.literal(f.Value))
		}
	}
	for i, item := range items {
		t.RawSetInt(i+1, c.literal(item))
	}
	return t
}

// at sets the position or the key of the current value.
func (j *staticCall) at(position int, key lua.LValue) {
	if j != nil {
		j.position, j.key = position, key
	}
}

// hasUnknown reports whether a parameter has an unknown value.
func (j *staticCall) hasUnknown(i int, values ...lua.LValue) bool {
	if j == nil {
		return false
	}
	for _, v := range values {
		if holdsUnknown(v) {
			j.uncertain[i] = true
		}
	}
	return j.uncertain[i]
}

func holdsUnknown(v lua.LValue) bool {
	t, ok := v.(*lua.LTable)
	if !ok {
		return v == unknownValue
	}
	for k, item := t.Next(lua.LNil); k != lua.LNil; k, item = t.Next(k) {
		if holdsUnknown(item) {
			return true
		}
	}
	return false
}

// mayBeGiven reports whether a parameter without a known value may still be given.
func (j *staticCall) mayBeGiven(i int) bool { return j != nil && (j.incomplete || j.uncertain[i]) }

// report records an error about the current value.
func (j *staticCall) report(err error) {
	r := CallError{Message: asError(err).Message, Argument: j.position, Field: -1}
	switch {
	case j.key != nil:
		r.Argument, r.Field = j.named, j.field(func(f FieldLiteral, _ int) bool {
			return f.Key != nil && j.binder.conv.literal(f.Key) == j.key
		})
		name, _ := j.key.(lua.LString)
		r.Key = j.binder.find(string(name)) < 0
	case j.items && j.position >= 0:
		r.Argument, r.Field = j.named, j.field(func(f FieldLiteral, n int) bool { return f.Key == nil && n == j.position })
	}
	j.errors = append(j.errors, r)
}

// field returns the index of the first field that match accepts, or -1. n counts the list items before the field.
func (j *staticCall) field(meant func(f FieldLiteral, n int) bool) int {
	found, n := -1, 0
	for i, f := range j.fields {
		if meant(f, n) {
			found = i
		}
		if f.Key == nil {
			n++
		}
	}
	return found
}
