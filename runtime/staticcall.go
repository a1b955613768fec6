package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// A call in a source can be judged without running it. Its arguments are then Go values: nil, bool,
// string, float64, a WrittenTable, or one of these.
type unknownKind struct{ what string }

var (
	// Unknown is a value that only a run can tell.
	Unknown any = &unknownKind{"a value"}
	// Unknowns are values of which only a run can tell how many there are: those of a last call, or of "...".
	UnknownList any = &unknownKind{"values"}
	// WrittenFunction is a function that the source holds.
	FunctionLiteral any = &unknownKind{"a function"}
)

// WrittenTable is a table constructor: its fields in their order.
type TableLiteral []FieldLiteral

// WrittenField is a field of a table constructor.
type FieldLiteral struct {
	// Key is nil for a list item.
	Key, Value any
}

// Refusal is what a call would raise.
type CallError struct {
	// Message is the error's, without a place.
	Message string
	// Argument is the number, from 0, of the argument that is refused; -1 when it is the call itself.
	Argument int
	// Field is the number of the argument's field, where it is a table and the field is what is refused;
	// else -1. Key is set when it is the field's key.
	Field int
	Key   bool
}

// judge is what a binder knows of a call that is only judged. Its methods do nothing on nil: in a run.
type staticCall struct {
	binder     *binder
	named      int          // which argument holds the named parameters, -1 for none
	fields     TableLiteral // its fields
	items      bool         // the positional values are its list items
	incomplete bool         // more may be given than is known
	uncertain  []bool       // one a parameter: given, but with a value that is not known
	position   int          // of the value that is bound, -1 for none
	key        lua.LValue   // of the named value that is bound
	errors     []CallError
}

// unknownValue is Unknown in Lua.
var unknownValue = &lua.LUserData{Value: Unknown, Metatable: lua.LNil}

// arguments makes the values that a is judged with, without those that can't be placed.
func (j *staticCall) arguments(args []any) []lua.LValue {
	a := j.binder
	values := make([]lua.LValue, 0, len(args))
	names := a.conv.main.NewTable()
	names.RawSetString("name", unknownValue)
	for i, arg := range args {
		v := lua.LValue(unknownValue)
		if arg != UnknownList {
			v = a.conv.literal(arg)
		}
		if i == len(args)-1 && v == unknownValue && (arg == UnknownList || a.isNamed(names, i)) {
			j.incomplete = true // it may hold the named parameters
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
	case j.incomplete: // only without values after it would it hold the named parameters
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

// written makes the Lua value of what a source holds.
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
		return c.sameObject // any function will do: it is not called
	}
	return unknownValue
}

// writtenTable sets the list items last, as Lua does. It is unknown where keys are.
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

// at says which value is bound next: that of a position, or of a key.
func (j *staticCall) at(position int, key lua.LValue) {
	if j != nil {
		j.position, j.key = position, key
	}
}

// cannotTell says whether the values of a parameter are not all known.
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

// mayBeGiven says whether a parameter that was not bound may be given all the same.
func (j *staticCall) mayBeGiven(i int) bool { return j != nil && (j.incomplete || j.uncertain[i]) }

// note keeps a refusal of the value that is bound.
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

// field is the number of the field that is meant, -1 for none; n counts the list items before it.
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
