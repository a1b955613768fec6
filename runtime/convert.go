package runtime

import (
	"fmt"
	"math"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

// convert checks one value against its parameter; the error completes "f: parameter p: ".
func (c *converter) convert(p *Param, v lua.LValue) (any, error) {
	switch p.Type {
	case String:
		s, ok := v.(lua.LString)
		if !ok {
			return nil, mismatch(v, "string")
		}
		return string(s), oneOf(p, string(s))
	case Integer:
		return c.integer(p, v)
	case Number:
		n, ok := v.(lua.LNumber)
		if !ok {
			return nil, mismatch(v, "number")
		}
		if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("got %s, want a finite number", luanum.Format(f))
		}
		return float64(n), inRange(p, float64(n))
	case Boolean:
		b, ok := v.(lua.LBool)
		if !ok {
			return nil, mismatch(v, "boolean")
		}
		return bool(b), nil
	case Function:
		f, ok := v.(*lua.LFunction)
		if !ok {
			return nil, mismatch(v, "function")
		}
		return &Func{f}, nil
	case Strings:
		return c.stringList(p, v)
	case Table:
		if _, ok := v.(*lua.LTable); !ok && itemsOf(v) == nil {
			return nil, mismatch(v, "table")
		}
		return c.fromLuaPlain(v)
	case Verbatim:
		return Value{v}, nil
	}
	return c.fromLua(v), nil
}

func (c *converter) integer(p *Param, v lua.LValue) (any, error) {
	n, ok := v.(lua.LNumber)
	if !ok {
		return nil, mismatch(v, "integer")
	}
	f := float64(n)
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return nil, fmt.Errorf("got %s, want an integer", luanum.Format(f))
	}
	return int(f), inRange(p, f)
}

func (c *converter) stringList(p *Param, v lua.LValue) (any, error) {
	if s, ok := v.(lua.LString); ok {
		return []string{string(s)}, oneOf(p, string(s))
	}
	t, ok := v.(*lua.LTable)
	if !ok || shapeOf(t).record != nil {
		return nil, mismatch(v, "a string or a list of strings")
	}
	if keys := stringKeys(t); len(keys) > 0 {
		return nil, fmt.Errorf("got a table with the field %s, want a string or a list of strings", keys[0])
	}
	list := make([]string, t.MaxN())
	for i := range list {
		s, ok := t.RawGetInt(i + 1).(lua.LString)
		if !ok {
			return nil, fmt.Errorf("item %d: %w", i+1, mismatch(t.RawGetInt(i+1), "string"))
		}
		list[i] = string(s)
		if err := oneOf(p, list[i]); err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	return list, nil
}

func mismatch(v lua.LValue, want string) error {
	return fmt.Errorf("got %s, want %s", typeName(v), want)
}

// typeName is the type of a value in the script's words.
func typeName(v lua.LValue) string {
	switch v := v.(type) {
	case *lua.LTable:
		switch s := shapeOf(v); {
		case s.record != nil:
			return s.record.Name
		case s.list != nil:
			return "list"
		}
	case *lua.LUserData:
		switch u := v.Value.(type) {
		case Object:
			return u.ObjectType().Name
		case *Error:
			return "error"
		}
	}
	return v.Type().String()
}

func inRange(p *Param, f float64) error {
	if (p.Min == nil || f >= *p.Min) && (p.Max == nil || f <= *p.Max) {
		return nil
	}
	switch {
	case p.Max == nil:
		return fmt.Errorf("%s is out of range: at least %s", luanum.Format(f), luanum.Format(*p.Min))
	case p.Min == nil:
		return fmt.Errorf("%s is out of range: at most %s", luanum.Format(f), luanum.Format(*p.Max))
	}
	return fmt.Errorf("%s is out of range: %s to %s", luanum.Format(f), luanum.Format(*p.Min), luanum.Format(*p.Max))
}

func oneOf(p *Param, s string) error {
	if len(p.Enum) == 0 || slices.Contains(p.Enum, s) {
		return nil
	}
	if near := Suggest(s, p.Enum); near != "" {
		return fmt.Errorf("got %q: did you mean %q?", s, near)
	}
	return fmt.Errorf("got %q, want %s", s, joinWords(p.Enum, "or"))
}

// joinWords is "a, b or c".
func joinWords(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// stringKeys lists the names in a table, in the order of insertion.
func stringKeys(t *lua.LTable) []string {
	var keys []string
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		if s, ok := k.(lua.LString); ok {
			keys = append(keys, string(s))
		}
	}
	return keys
}
