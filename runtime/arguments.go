package runtime

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// arguments are the values of b's parameters from what is on the stack after the first skip.
//
// A call has positional arguments, then perhaps one table of named ones: f("a", {force = true}); or
// that table alone, whose list items are positional: f{"a", force = true}. A last table is not the
// named one but an argument itself where its position's parameter takes any value, or takes a list
// and the table has no names in it.
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

// binder fills the parameters of one call.
type binder struct {
	conv   *converter
	call   *Call
	b      *Builtin
	values []any
	given  []string // how each parameter was given: "by position", or as which name; "" if not yet
	judge  *judge   // nil in a run
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
			a.judge.at(count, nil)
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

// refuse ends a call with err. Where a call is only judged, it is noted and judging goes on.
func (a *binder) refuse(err error) error {
	if a.judge == nil {
		return err
	}
	a.judge.note(err)
	return nil
}

// misuse is an error about the whole call.
func (a *binder) misuse(format string, args ...any) error {
	return a.call.Errorf(CodeUsage, "%s: %s", a.call.Name, fmt.Sprintf(format, args...))
}

// at is the parameter of a position, counted from 0, or nil.
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
		return len(stringKeys(t)) > 0
	}
	return true
}

func (a *binder) bindPositional(args []lua.LValue) error {
	for i := 0; i < len(args); i++ {
		a.judge.at(i, nil)
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

// bindRest gives all that is left to a Rest parameter.
func (a *binder) bindRest(i int, args []lua.LValue) error {
	p := &a.b.Params[i]
	a.given[i] = "by position"
	if a.judge.cannotTell(i, args...) {
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
		a.judge.at(i+j, nil)
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
		a.judge.at(0, k)
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
	if a.judge.cannotTell(i, v) {
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

// complete fills in the defaults and requires what has to be there.
func (a *binder) complete() error {
	a.judge.at(-1, nil)
	for i := range a.b.Params {
		p := &a.b.Params[i]
		if a.given[i] != "" || a.judge.mayBeGiven(i) {
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
