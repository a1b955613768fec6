package runtime

import (
	"fmt"
	"math"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

// arguments returns the values of b's parameters from the stack of L, without the first skip values.
//
// A call has positional arguments and then perhaps one table of named ones: f("a", {force = true}). Or it has that
// table alone, whose list items are positional: f{"a", force = true}. A last table is a positional argument if the
// parameter of its position accepts any value, or if the parameter accepts a list and the table has no string keys.
func (conv *converter) arguments(L *lua.LState, c *Call, b *Builtin, skip int) ([]any, error) {
	a := newBinder(conv, c, b)
	args := make([]lua.LValue, 0, 8)
	for i := skip + 1; i <= L.GetTop(); i++ {
		args = append(args, L.Get(i))
	}
	err := a.bind(args)
	c.given = a.given
	return a.values, err
}

// binder assigns the arguments of one call to its parameters.
type binder struct {
	conv   *converter
	call   *Call
	b      *Builtin
	values []any
	given  []string    // "by position" or "as NAME" for each given parameter, else ""
	static *staticCall // nil in a run
}

func newBinder(conv *converter, c *Call, b *Builtin) binder {
	return binder{conv: conv, call: c, b: b, values: make([]any, len(b.Params)), given: make([]string, len(b.Params))}
}

func (a *binder) bind(args []lua.LValue) error {
	positional := args
	count := len(args) - 1
	var named *lua.LTable
	if count >= 0 {
		if t, ok := args[count].(*lua.LTable); ok && a.isNamed(t, count) {
			named = t
			positional = args[:count]
		}
	}
	if named != nil {
		n := named.MaxN()
		if n > 0 && count > 0 {
			a.static.at(count, nil)
			return a.refuse(a.misuse("the table of named parameters has list items: give these before it"))
		}
		for i := 1; i <= n; i++ {
			positional = append(positional, named.RawGetInt(i))
		}
	}
	if err := a.bindPositional(positional); err != nil {
		return err
	}
	if named != nil {
		if err := a.bindNamed(named); err != nil {
			return err
		}
	}
	return a.complete()
}

// refuse returns err, which ends the call. For a static call it records err and returns nil, so that the check goes
// on.
func (a *binder) refuse(err error) error {
	if a.static == nil {
		return err
	}
	a.static.report(err)
	return nil
}

// misuse returns an error about the whole call.
func (a *binder) misuse(format string, args ...any) error {
	return a.call.Errorf(CodeUsage, "%s: %s", a.call.Name, fmt.Sprintf(format, args...))
}

// at returns the parameter of a position, counted from 0, or nil.
func (a *binder) at(position int) *Param {
	for i := 0; i < a.b.Positional && i <= position; i++ {
		if p := &a.b.Params[i]; i == position || p.Rest {
			return p
		}
	}
	return nil
}

func (a *binder) isNamed(t *lua.LTable, position int) bool {
	if s := shapeOf(t); s.record != nil || s.list != nil {
		return false
	}
	p := a.at(position)
	if p == nil {
		return true
	}
	switch p.Type {
	case Any, Verbatim:
		return false
	case Table, Strings:
		keys := stringKeys(t)
		return len(keys) > 0 && (!p.Fields || slices.ContainsFunc(keys, func(key string) bool { return a.find(key) >= 0 }))
	}
	return true
}

func (a *binder) bindPositional(args []lua.LValue) error {
	for i := 0; i < len(args); i++ {
		a.static.at(i, nil)
		p := a.at(i)
		if p == nil {
			return a.refuse(a.tooMany(len(args)))
		}
		if p.Rest {
			return a.bindRest(i, args[i:])
		}
		if args[i] == lua.LNil && p.Type != Any && p.Type != Verbatim {
			if err := a.refuse(a.call.Misuse(p.Name, "got nil")); err != nil {
				return err
			}
			a.given[i] = "by position"
			continue
		}
		if err := a.set(i, args[i], "by position"); err != nil {
			return err
		}
	}
	return nil
}

func (a *binder) tooMany(got int) error {
	if a.b.Positional == 0 {
		return a.misuse("takes only named parameters: %s{name = value, …}", a.call.Name)
	}
	names := make([]string, a.b.Positional)
	for i := range names {
		names[i] = a.b.Params[i].Name
	}
	return a.misuse("got %d arguments, takes %d by position (%s)", got, len(names), strings.Join(names, ", "))
}

// bindRest assigns all remaining values to a Rest parameter.
func (a *binder) bindRest(i int, args []lua.LValue) error {
	p := &a.b.Params[i]
	a.given[i] = "by position"
	if a.static.hasUnknown(i, args...) {
		return nil
	}
	if p.Type == Any || p.Type == Verbatim {
		all := make([]any, len(args))
		for j, v := range args {
			var err error
			if all[j], err = a.conv.convert(p, v); err != nil {
				return a.refuse(a.call.Misuse(p.Name, "%v", err))
			}
		}
		a.values[i] = all
		return nil
	}
	var all []string
	for j, v := range args {
		a.static.at(i+j, nil)
		some, err := a.conv.convert(p, v)
		if err != nil {
			return a.refuse(a.call.Misuse(p.Name, "%v", err))
		}
		all = append(all, some.([]string)...)
	}
	a.values[i] = all
	return a.check(i)
}

func (a *binder) bindNamed(t *lua.LTable) error {
	items := t.MaxN()
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if n, ok := k.(lua.LNumber); ok && n >= 1 && n <= lua.LNumber(items) && n == lua.LNumber(int(n)) {
			continue
		}
		a.static.at(0, k)
		if err := a.bindName(k, v); err != nil {
			return err
		}
	}
	return nil
}

func (a *binder) bindName(k, v lua.LValue) error {
	name, ok := k.(lua.LString)
	if !ok {
		return a.refuse(a.misuse("unknown parameter [%s]: parameters have names", Format(a.conv.fromLua(k))))
	}
	i := a.find(string(name))
	if i < 0 {
		return a.refuse(a.unknown(string(name)))
	}
	return a.set(i, v, "as "+string(name))
}

func (a *binder) find(name string) int {
	for i := range a.b.Params {
		if p := &a.b.Params[i]; p.Name == name || p.Alias != "" && p.Alias == name {
			return i
		}
	}
	return -1
}

func (a *binder) unknown(name string) error {
	names := make([]string, len(a.b.Params))
	for i := range names {
		names[i] = a.b.Params[i].Name
	}
	if len(names) == 0 {
		return a.misuse("unknown parameter %s: it takes none", name)
	}
	return a.misuse("unknown parameter %s%s", name, hint(name, names))
}

func (a *binder) set(i int, v lua.LValue, how string) error {
	p := &a.b.Params[i]
	if a.static.hasUnknown(i, v) {
		return nil
	}
	if a.given[i] != "" {
		return a.refuse(a.call.Misuse(p.Name, "given twice, %s and %s", a.given[i], how))
	}
	a.given[i] = how
	value, err := a.conv.convert(p, v)
	if err != nil {
		return a.refuse(a.call.Misuse(p.Name, "%v", err))
	}
	a.values[i] = value
	return a.check(i)
}

func (a *binder) check(i int) error {
	p := &a.b.Params[i]
	if p.Check == nil {
		return nil
	}
	if err := p.Check(a.values[i]); err != nil {
		return a.refuse(a.call.Misuse(p.Name, "%v", err))
	}
	return nil
}

// complete sets the defaults and refuses a call without its required parameters.
func (a *binder) complete() error {
	a.static.at(-1, nil)
	for i := range a.b.Params {
		p := &a.b.Params[i]
		if a.given[i] != "" || a.static.mayBeGiven(i) {
			continue
		}
		if p.Required {
			if err := a.refuse(a.call.Misuse(p.Name, "required, but not given")); err != nil {
				return err
			}
		}
		a.values[i] = p.Default
	}
	return nil
}

// convert checks a value against its parameter and converts it. The error completes "f: parameter p: ".
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

// typeName returns the type of a value as messages name it.
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

// joinWords returns "a, b or c" for the last word "or".
func joinWords(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
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
