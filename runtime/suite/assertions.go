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

// parts are the Lua that makes assert, spy, stub, mock and match. start.lua runs before each suite and
// reads the others, most of them when they are wanted.
//
//go:embed lua/*.lua
var parts embed.FS

// start is the part that reads the others.
const start = "start"

// part is the source of a part.
func part(name string) ([]byte, error) { return parts.ReadFile("lua/" + name + ".lua") }

// sources are those of the parts that start reads, by name.
func sources() (map[string]any, error) {
	files, err := parts.ReadDir("lua")
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".lua")
		src, err := part(name)
		if err != nil {
			return nil, err
		}
		all[name] = string(src)
	}
	delete(all, start)
	return all, nil
}

// primitives are what the parts are made of. They are taken away from the globals before the suite runs.
func (f *file) primitives() []runtime.Builtin {
	text := func(name string) runtime.Param {
		return runtime.Param{Name: name, Type: runtime.String, Required: true}
	}
	value := func(name string) runtime.Param { return runtime.Param{Name: name, Type: runtime.Any} }
	return []runtime.Builtin{
		{
			Name: "suite.parts",
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
			Params: []runtime.Param{text("key"), text("kind"), {Name: "words", Type: runtime.Strings, Required: true}, {Name: "known", Type: runtime.Strings, Required: true}},
			Impl:   func(c *runtime.Call) (any, error) { return nil, unknown(c) },
		},
		{
			Name: "suite.misuse", Positional: 1, Params: []runtime.Param{text("message")},
			Impl: func(c *runtime.Call) (any, error) {
				return nil, &runtime.Error{Code: runtime.CodeUsage, Message: c.String("message")}
			},
		},
		{
			Name: "suite.running",
			Impl: func(c *runtime.Call) (any, error) { return f.present == nil, nil },
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

// fail raises what an assertion has to say; a message of the suite's own stands above it.
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

// unknown raises that nothing is registered under a name: its last word, or that with the words before it.
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

// show is a value in a comparison: a text of several lines stands as it is, a shorter one in quotes.
func show(v any) string {
	if s, ok := v.(string); ok && !strings.Contains(s, "\n") {
		return strconv.Quote(s)
	}
	return runtime.Format(v)
}

// eventually calls a function until it neither raises nor returns false or nil.
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

// tooLate is the failure of an eventually, with what it saw last.
func tooLate(c *runtime.Call, limit time.Duration, values runtime.Values, err error) error {
	e := &failure{message: fmt.Sprintf("not so within %s", limit)}
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
