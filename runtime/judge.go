package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// A call in a source can be judged without running it. Its arguments are then Go values: nil, bool,
// string, float64, a WrittenTable, or one of these.
type written struct{ what string }

var (
	// Unknown is a value that only a run can tell.
	Unknown any = &written{"a value"}
	// Unknowns are values of which only a run can tell how many there are: those of a last call, or of "...".
	Unknowns any = &written{"values"}
	// WrittenFunction is a function that the source holds.
	WrittenFunction any = &written{"a function"}
)

// WrittenTable is a table constructor: its fields in their order.
type WrittenTable []WrittenField

// WrittenField is a field of a table constructor.
type WrittenField struct {
	// Key is nil for a list item.
	Key, Value any
}

// Refusal is what a call would raise.
type Refusal struct {
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
type judge struct {
	binder   *binder
	named    int          // which argument holds the named parameters, -1 for none
	fields   WrittenTable // its fields
	items    bool         // the positional values are its list items
	open     bool         // more may be given than is known
	maybe    []bool       // one a parameter: given, but with a value that is not known
	position int          // of the value that is bound, -1 for none
	key      lua.LValue   // of the named value that is bound
	refusals []Refusal
}

// unknownValue is Unknown in Lua.
var unknownValue = &lua.LUserData{Value: Unknown, Metatable: lua.LNil}

// arguments makes the values that a is judged with, without those that can't be placed.
func (j *judge) arguments(args []any) []lua.LValue {
	a := j.binder
	values := make([]lua.LValue, 0, len(args))
	names := a.conv.main.NewTable()
	names.RawSetString("name", unknownValue)
	for i, arg := range args {
		v := lua.LValue(unknownValue)
		if arg != Unknowns {
			v = a.conv.written(arg)
		}
		if i == len(args)-1 && v == unknownValue && (arg == Unknowns || a.isNamed(names, i)) {
			j.open = true // it may hold the named parameters
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
	case j.open: // only without values after it would it hold the named parameters
		values[last] = unknownValue
	default:
		j.named, j.fields = last, args[last].(WrittenTable)
		j.items = last == 0 && t.MaxN() > 0
		if n := len(j.fields); n > 0 && j.fields[n-1].Value == Unknowns {
			t.RawSetInt(t.MaxN(), lua.LNil)
			j.open = true
		}
	}
	return values
}

// written makes the Lua value of what a source holds.
func (c *converter) written(v any) lua.LValue {
	switch v := v.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case WrittenTable:
		return c.writtenTable(v)
	}
	if v == WrittenFunction {
		return c.sameObject // any function will do: it is not called
	}
	return unknownValue
}

// writtenTable sets the list items last, as Lua does. It is unknown where keys are.
func (c *converter) writtenTable(fields WrittenTable) lua.LValue {
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
			c.main.RawSet(t, c.written(f.Key), c.written(f.Value))
		}
	}
	for i, item := range items {
		t.RawSetInt(i+1, c.written(item))
	}
	return t
}

// at says which value is bound next: that of a position, or of a key.
func (j *judge) at(position int, key lua.LValue) {
	if j != nil {
		j.position, j.key = position, key
	}
}

// cannotTell says whether the values of a parameter are not all known.
func (j *judge) cannotTell(i int, values ...lua.LValue) bool {
	if j == nil {
		return false
	}
	for _, v := range values {
		if holdsUnknown(v) {
			j.maybe[i] = true
		}
	}
	return j.maybe[i]
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
func (j *judge) mayBeGiven(i int) bool { return j != nil && (j.open || j.maybe[i]) }

// note keeps a refusal of the value that is bound.
func (j *judge) note(err error) {
	r := Refusal{Message: asError(err).Message, Argument: j.position, Field: -1}
	switch {
	case j.key != nil:
		r.Argument, r.Field = j.named, j.field(func(f WrittenField, _ int) bool {
			return f.Key != nil && j.binder.conv.written(f.Key) == j.key
		})
		name, _ := j.key.(lua.LString)
		r.Key = j.binder.find(string(name)) < 0
	case j.items && j.position >= 0:
		r.Argument, r.Field = j.named, j.field(func(f WrittenField, n int) bool { return f.Key == nil && n == j.position })
	}
	j.refusals = append(j.refusals, r)
}

// field is the number of the field that is meant, -1 for none; n counts the list items before it.
func (j *judge) field(meant func(f WrittenField, n int) bool) int {
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
