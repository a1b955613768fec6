package suite

import (
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

// luaFiles define assert, spy, stub, mock and match. start.lua runs before each suite and loads the others, most of
// them at their first use.
//
//go:embed lua/*.lua
var luaFiles embed.FS

// start is the file that loads the others.
const start = "start"

// luaSource returns the source of a file.
func luaSource(name string) ([]byte, error) { return luaFiles.ReadFile("lua/" + name + ".lua") }

// sources returns the sources that start loads, by name.
func sources() (map[string]any, error) {
	files, err := luaFiles.ReadDir("lua")
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".lua")
		src, err := luaSource(name)
		if err != nil {
			return nil, err
		}
		all[name] = string(src)
	}
	delete(all, start)
	return all, nil
}

// primitives returns the Go functions that the Lua files use. start.lua removes them from the globals before the suite
// runs.
func (f *file) primitives() []runtime.Builtin {
	text := func(name string) runtime.Param {
		return runtime.Param{Name: name, Type: runtime.String, Required: true}
	}
	value := func(name string) runtime.Param { return runtime.Param{Name: name, Type: runtime.Any} }
	return []runtime.Builtin{
		{
			Name: "suite.sources",
			Impl: func(*runtime.Call) (any, error) { return sources() },
		},
		{
			Name: "suite.words",
			Impl: func(*runtime.Call) (any, error) {
				var names []string
				for _, b := range f.spellings() {
					names = append(names, b.Name)
				}
				return names, nil
			},
		},
		{
			Name: "suite.statuses",
			Impl: func(*runtime.Call) (any, error) {
				var names []string
				for _, s := range wire.StoreStatuses {
					names = append(names, string(s))
				}
				return names, nil
			},
		},
		{
			Name: "suite.show", Positional: 1, Params: []runtime.Param{value("value")},
			Impl: func(c *runtime.Call) (any, error) { return show(c.Value("value")), nil },
		},
		{
			Name: "suite.fail", Positional: 5,
			Params: []runtime.Param{text("sentence"), text("message"), {Name: "compare", Type: runtime.Boolean, Required: true}, text("expected"), text("got")},
			Impl:   func(c *runtime.Call) (any, error) { return nil, fail(c) },
		},
		{
			Name: "suite.unknown", Positional: 4,
			Params: []runtime.Param{text("key"), text("kind"), {Name: "words", Type: runtime.Strings, Required: true},
				{Name: "known", Type: runtime.Strings, Required: true}},
			Impl: func(c *runtime.Call) (any, error) { return nil, unknown(c) },
		},
		{
			Name: "suite.misuse", Positional: 1, Params: []runtime.Param{text("message")},
			Impl: func(c *runtime.Call) (any, error) {
				return nil, &runtime.Error{Code: runtime.CodeUsage, Message: c.String("message")}
			},
		},
		{
			Name: "suite.running",
			Impl: func(c *runtime.Call) (any, error) { return f.building == nil, nil },
		},
		{
			Name: "suite.snapshot", Positional: 1, Params: []runtime.Param{value("value")},
			Impl: func(c *runtime.Call) (any, error) { return f.snapshot(c) },
		},
		{
			Name: "suite.eventually", Positional: 1,
			Params: []runtime.Param{
				{Name: "f", Type: runtime.Function, Required: true},
				{Name: "timeout_sec", Type: runtime.Number, Default: 10.0, Min: runtime.Bound(0), Max: runtime.Bound(86400)},
				{Name: "interval_sec", Type: runtime.Number, Default: 0.1, Min: runtime.Bound(0.001), Max: runtime.Bound(3600)},
			},
			Impl: func(c *runtime.Call) (any, error) { return nil, eventually(c) },
		},
	}
}

// fail returns the error of an assertion. The suite's own message comes first.
func fail(c *runtime.Call) error {
	e := &failure{message: c.String("sentence")}
	if m := c.String("message"); m != "" {
		e.message = m + "\n" + e.message
	}
	if c.Bool("compare") {
		expected, got := c.String("expected"), c.String("got")
		if expected == got {
			e.message += ", which look alike but are not equal: " + expected
		} else {
			e.difference = difference(expected, got)
		}
	}
	return &runtime.Error{Code: codeAssertion, Message: e.message, Cause: e}
}

// unknown returns the error for an unregistered name: its last word alone, or with the words before it.
func unknown(c *runtime.Call) error {
	words := c.Strings("words")
	e := &runtime.Error{Code: runtime.CodeUsage, Message: fmt.Sprintf("%s: there is no %s %s", c.String("key"), c.String("kind"), words[0])}
	for _, word := range words {
		if near := runtime.Suggest(word, c.Strings("known")); near != "" {
			e.Message += ": did you mean " + near + "?"
			break
		}
	}
	return e
}

// show returns a value as failures show it: a string of several lines as it is, other strings in quotes.
func show(v any) string {
	if s, ok := v.(string); ok && !strings.Contains(s, "\n") {
		return strconv.Quote(s)
	}
	return runtime.Format(v)
}

// eventually calls a function until it neither raises nor returns false or nil, or until the time is over.
func eventually(c *runtime.Call) error {
	limit := time.Duration(c.Float("timeout_sec") * float64(time.Second))
	tick := time.NewTicker(time.Duration(c.Float("interval_sec") * float64(time.Second)))
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		values, err := c.Func("f").Call(c.Context(), c)
		switch {
		case c.Context().Err() != nil:
			return err
		case err == nil && (len(values) == 0 || values.First().Truth()):
			return nil
		}
		select {
		case <-tick.C:
		case <-c.Context().Done():
			return c.Context().Err()
		case <-end.C:
			return tooLate(c, limit, values, err)
		}
	}
}

// tooLate returns the failure of eventually, with the last error or values of the function.
func tooLate(c *runtime.Call, limit time.Duration, values runtime.Values, err error) error {
	e := &failure{message: fmt.Sprintf("not true within %s", limit)}
	var inner *failure
	switch {
	case errors.As(err, &inner):
		e.message, e.difference = e.message+": "+inner.message, inner.difference
	case err != nil:
		e.message += ": " + err.Error()
	default:
		e.message += ": it returned " + runtime.Format(c.Read(values.First()))
	}
	return &runtime.Error{Code: codeAssertion, Message: e.message, Cause: e}
}
