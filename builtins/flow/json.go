package flow

import (
	"context"

	"dkvrun/runtime"
)

var JSONEncode = runtime.Builtin{
	Name: "json.encode", Group: "Output", Positional: 1,
	Doc:     "Writes a value as JSON. An empty table is `[]`; keys are sorted. Text that is not UTF-8 is refused, as is everything else that JSON does not have; the error says where it is.",
	Params:  []runtime.Param{{Name: "value", Type: runtime.Any, Doc: "nil, boolean, number, string, table, or anything that a builtin returned"}},
	Returns: "a string",
	Example: `print(json.encode({name = "OrdersStore", ports = {7861, 7862}}))`,
	Impl: func(c *runtime.Call) (any, error) {
		text, err := c.JSON(c.Value("value"))
		if err != nil {
			return nil, c.Misuse("value", "%v", err)
		}
		return text, nil
	},
}

var JSONDecode = runtime.Builtin{
	Name: "json.decode", Group: "Output", Positional: 1,
	Doc:     "Reads JSON. null becomes nil, so a field with null is absent. Text that is not UTF-8, half of a surrogate pair and a name that an object has twice are refused. Numbers are doubles, as all numbers of Lua: whole numbers are exact up to 2^53, and larger ones and long fractions are rounded.",
	Params:  []runtime.Param{{Name: "text", Type: runtime.String, Required: true, Doc: "one JSON value"}},
	Returns: "the value",
	Example: `print(json.decode('{"ports": [7861, 7862]}').ports[2])`,
	Impl: func(c *runtime.Call) (any, error) {
		v, err := decodeJSON(c.Context(), []byte(c.String("text")))
		if c.Context().Err() != nil {
			return nil, c.Context().Err() // which is no misuse
		}
		if err != nil {
			return nil, c.Misuse("text", "%v", err)
		}
		return v, nil
	},
}

// longJSON is the length of a text from which decodeJSON can be interrupted.
const longJSON = 64 << 10

// decodeJSON reads a JSON value, and returns when the context ends. The reading then
// continues in the background for a second at most, and its result is dropped.
func decodeJSON(ctx context.Context, text []byte) (any, error) {
	if len(text) < longJSON {
		return runtime.DecodeJSON(text)
	}
	type decoded struct {
		value any
		err   error
	}
	done := make(chan decoded, 1)
	go func() {
		v, err := runtime.DecodeJSON(text)
		done <- decoded{v, err}
	}()
	select {
	case d := <-done:
		if ctx.Err() == nil {
			return d.value, d.err
		}
	case <-ctx.Done():
	}
	return nil, ctx.Err()
}
