package suite

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dkvrun/runtime"
)

// assertions and spies are Lua that runs before each suite: they make assert, spy and stub.
//
//go:embed assertions.lua
var assertions []byte

//go:embed spies.lua
var spies []byte

// prelude is what runs before each suite, by its names in traces, which no file has.
var prelude = []struct {
	name   string
	source []byte
}{{"[assertions]", assertions}, {"[spies]", spies}}

// inPrelude tells whether a line of a trace, or a place, is in what runs before each suite.
func inPrelude(place string) bool {
	for _, p := range prelude {
		if strings.HasPrefix(place, p.name) {
			return true
		}
	}
	return false
}

// primitives are what the assertions are made of. They are taken away from the globals before the
// suite runs.
func (f *file) primitives() []runtime.Builtin {
	text := func(name string) runtime.Param {
		return runtime.Param{Name: name, Type: runtime.String, Required: true}
	}
	value := func(name string) runtime.Param { return runtime.Param{Name: name, Type: runtime.Any} }
	return []runtime.Builtin{
		{
			Name: "suite.fail", Positional: 5,
			Params: []runtime.Param{text("wanted"), text("message"), {Name: "compare", Type: runtime.Boolean, Required: true}, value("expected"), value("got")},
			Impl:   func(c *runtime.Call) (any, error) { return nil, fail(c) },
		},
		{
			Name: "suite.unknown", Positional: 3, Params: []runtime.Param{text("key"), text("word"), {Name: "known", Type: runtime.Strings, Required: true}},
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

// fail raises what an assertion has to say.
func fail(c *runtime.Call) error {
	e := &failure{message: c.String("wanted")}
	if m := c.String("message"); m != "" {
		e.message = m + ": " + e.message
	}
	if c.Bool("compare") {
		expected, got := show(c.Host, c.Value("expected")), show(c.Host, c.Value("got"))
		if expected == got {
			e.message += ", which look alike but are not equal: " + expected
		} else {
			e.difference = difference(expected, got)
		}
	}
	return &runtime.Error{Code: codeAssertion, Message: e.message, Cause: e}
}

// unknown raises that there is no such assertion.
func unknown(c *runtime.Call) error {
	e := &runtime.Error{Code: runtime.CodeUsage, Message: fmt.Sprintf("assert.%s: there is no assertion %s", c.String("key"), c.String("word"))}
	if near := runtime.Suggest(c.String("word"), c.Strings("known")); near != "" {
		e.Message += ": did you mean " + near + "?"
	}
	return e
}

// show is a value in a comparison: a text of several lines stands as it is, a shorter one in quotes.
func show(h *runtime.Host, v any) string {
	if s, ok := v.(string); ok && !strings.Contains(s, "\n") {
		return strconv.Quote(s)
	}
	return h.Format(v)
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
		e.message += ": it returned " + c.Host.Format(c.Read(values.First()))
	}
	return &runtime.Error{Code: codeAssertion, Message: e.message, Cause: e}
}
