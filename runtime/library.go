package runtime

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// Library is the function that a module of the standard library returns. The module is loaded at its
// first use, from nowhere else: a script's own module of that name does not take its place.
func (c *Call) Library(module string) (*Func, error) {
	var fn *Func
	var err error
	c.locked(func() { fn, err = c.Host.libraryFunc(c.thread, module) })
	return fn, err
}

func (h *Host) libraryFunc(L *lua.LState, module string) (*Func, error) {
	if fn := h.libraries[module]; fn != nil {
		return fn, nil
	}
	file := "stdlib/" + module + ".lua"
	source, err := readModule(h.opts.Stdlib, module+".lua", file)
	if err != nil {
		return nil, err
	}
	chunk, err := h.compile(file, source)
	if err != nil {
		return nil, err
	}
	values, err := h.call(L, chunk, nil)
	if err != nil {
		return nil, err
	}
	body, ok := values.First().v.(*lua.LFunction)
	if !ok {
		return nil, fmt.Errorf("%s returns a %s, not a function", file, typeName(values.First().v))
	}
	if h.libraries == nil {
		h.libraries = map[string]*Func{}
	}
	h.libraries[module] = &Func{body}
	return h.libraries[module], nil
}
