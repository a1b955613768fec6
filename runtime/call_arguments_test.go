package runtime

import (
	"errors"
	"strings"
	"testing"
)

// shown is a builtin that returns its converted parameters as text.
func shown(c *Call) (any, error) {
	parts := make([]string, 0, len(c.params))
	for _, p := range c.params {
		if c.Has(p.Name) {
			parts = append(parts, p.Name+"="+showValue(c.Value(p.Name)))
		}
	}
	return strings.Join(parts, " "), nil
}

var declared = []Builtin{
	{Name: "new_store", Positional: 1, Impl: shown, Params: []Param{
		{Name: "name", Alias: "store_name", Type: String, Required: true},
		{Name: "instance_prefix", Type: String},
		{Name: "instance_count", Type: Integer, Default: 1, Min: Bound(1), Max: Bound(256)},
		{Name: "nodes", Type: Table},
		{Name: "atomic", Type: Boolean, Default: true},
		{Name: "timeout_sec", Type: Number, Default: 30.0, Min: Bound(0)},
		{Name: "form", Type: String, Enum: []string{"table", "json", "mermaid"}},
	}},
	{Name: "connect", Positional: 1, Impl: shown, Params: []Param{
		{Name: "managers", Type: Strings, Rest: true, Check: func(v any) error {
			for _, m := range v.([]string) {
				if m == "0.0.0.0" {
					return errors.New("0.0.0.0 is no address to call")
				}
			}
			return nil
		}},
		{Name: "force", Type: Boolean, Default: false},
	}},
	{Name: "with", Positional: 2, Impl: func(c *Call) (any, error) {
		if _, err := c.Func("f").Call(c.Context(), c); err != nil {
			return nil, err
		}
		return strings.Join(c.Strings("managers"), "+"), nil
	}, Params: []Param{
		{Name: "managers", Type: Strings, Required: true},
		{Name: "f", Type: Function, Required: true},
	}},
	{Name: "topology", Impl: shown, Params: []Param{{Name: "count", Type: Integer}}},
	{Name: "topology.validate", Positional: 1, Impl: shown, Params: []Param{{Name: "nodes", Type: Table, Required: true}, {Name: "strict", Type: Boolean}}},
	{Name: "topology.render", Positional: 2, Impl: shown, Params: []Param{{Name: "nodes", Type: Table, Required: true}, {Name: "form", Type: String}}},
	{Name: "all", Positional: 1, Impl: shown, Params: []Param{{Name: "values", Type: Any, Rest: true}}},
	{Name: "json.encode", Positional: 1, Impl: shown, Params: []Param{{Name: "value", Type: Any}, {Name: "indent", Type: Integer}}},
	{Name: "named", Impl: shown, Params: []Param{{Name: "x", Type: Number, Max: Bound(9)}}},
	{Name: "none", Impl: shown},
	{Name: "misuse", Positional: 1, Params: []Param{{Name: "name", Type: String}},
		Impl: func(c *Call) (any, error) { return nil, c.Misuse("name", "%q is taken", c.String("name")) }},
}

func TestHost_ArgumentForms(t *testing.T) {
	const rest = " instance_count=1 atomic=true timeout_sec=30\n"
	checkSnippets(t, []snippet{
		{`print(new_store("S"))`, `name="S"` + rest},
		{`print(new_store{"S"})`, `name="S"` + rest},
		{`print(new_store{name = "S"})`, `name="S"` + rest},
		{`print(new_store{store_name = "S"})`, `name="S"` + rest},
		{`print(new_store("S", {instance_prefix = "p"}))`, `name="S" instance_prefix="p"` + rest},
		{`print(new_store{"S", instance_count = 2, atomic = false, timeout_sec = 0.5})`, "name=\"S\" instance_count=2 atomic=false timeout_sec=0.5\n"},
		{`print(new_store{"S", nodes = {{name = "a"}}, form = "json"})`,
			"name=\"S\" instance_count=1 nodes={{name = \"a\"}} atomic=true timeout_sec=30 form=\"json\"\n"},
		{`print(connect("a", "b"))`, "managers={\"a\", \"b\"} force=false\n"},
		{`print(connect{"a", "b", force = true})`, "managers={\"a\", \"b\"} force=true\n"},
		{`print(connect({"a", "b"}))`, "managers={\"a\", \"b\"} force=false\n"},
		{`print(connect({"a", "b"}, {force = true}))`, "managers={\"a\", \"b\"} force=true\n"},
		{`print(connect("a", {"b", "c"}))`, "managers={\"a\", \"b\", \"c\"} force=false\n"},
		{`print(connect{managers = {"a"}})`, "managers={\"a\"} force=false\n"},
		{`print(connect())`, "force=false\n"},
		{`print(with({"a", "b"}, function() end))`, "a+b\n"},
		{`print(with("a", function() end))`, "a\n"},
		{`print(with{"a", f = function() end})`, "a\n"},
		{`print(topology{count = 3}, topology())`, "count=3\t\n"},
		{`print(topology.validate({{name = "a"}, {name = "b"}}))`, "nodes={{name = \"a\"}, {name = \"b\"}}\n"},
		{`print(topology.validate{{name = "a"}})`, "nodes={{name = \"a\"}}\n"},
		{`print(topology.validate{{{name = "a"}}, strict = true})`, "nodes={{name = \"a\"}} strict=true\n"},
		{`print(topology.validate{nodes = {}})`, "nodes={}\n"},
		{`print(topology.render({1}, "dot"), topology.render{{1}, form = "dot"})`, "nodes={1} form=\"dot\"\tnodes={1} form=\"dot\"\n"},
		{`print(all(1, nil, {a = 1}, "x"))`, "values={1, nil, {a = 1}, \"x\"}\n"},
		{`print(json.encode{value = 5})`, "value={value = 5}\n"},
		{`print(json.encode({1, 2}, {indent = 2}))`, "value={1, 2} indent=2\n"},
		{`print(json.encode(nil))`, "\n"},
		{`local t = {1, a = 2} t.me = t print(all(t, coroutine.create(print)))`, "values={{1, a = 2, me = <cycle>}, <thread>}\n"},
		{`print(named{x = 2}, none())`, "x=2\t\n"},
	}, declared...)
}

func TestHost_ArgumentErrors(t *testing.T) {
	checkSnippets(t, []snippet{
		{"\n\nnew_store{'S', instance_cout = 2}", "error: test.lua:3: new_store: unknown parameter instance_cout: did you mean instance_count?"},
		{"new_store{'S', zzz = 2}", "error: test.lua:1: new_store: unknown parameter zzz: there is name, instance_prefix, instance_count, nodes, atomic, timeout_sec and form"},
		{"none{zzz = 2}", "error: test.lua:1: none: unknown parameter zzz: it takes none"},
		{"new_store{'S', [true] = 2}", "error: test.lua:1: new_store: unknown parameter [true]: parameters have names"},
		{"new_store()", "error: test.lua:1: new_store: parameter name: required, but not given"},
		{"new_store(nil)", "error: test.lua:1: new_store: parameter name: got nil"},
		{"new_store(12)", "error: test.lua:1: new_store: parameter name: got number, want string"},
		{"new_store(print)", "error: test.lua:1: new_store: parameter name: got function, want string"},
		{"new_store('S', 'T')", "error: test.lua:1: new_store: got 2 arguments, takes 1 by position (name)"},
		{"new_store{'S', 'T'}", "error: test.lua:1: new_store: got 2 arguments, takes 1 by position (name)"},
		{"new_store('S', {'T', atomic = true})", "error: test.lua:1: new_store: the table of named parameters has list items: give these before it"},
		{"new_store{'S', name = 'T'}", "error: test.lua:1: new_store: parameter name: given twice, by position and as name"},
		{"new_store{name = 'S', store_name = 'T'}", "error: test.lua:1: new_store: parameter name: given twice, as name and as store_name"},
		{"new_store{'S', instance_count = '2'}", "error: test.lua:1: new_store: parameter instance_count: got string, want integer"},
		{"new_store{'S', instance_count = 3.7}", "error: test.lua:1: new_store: parameter instance_count: got 3.7, want an integer"},
		{"new_store{'S', instance_count = 1/0}", "error: test.lua:1: new_store: parameter instance_count: got inf, want an integer"},
		{"new_store{'S', instance_count = 0}", "error: test.lua:1: new_store: parameter instance_count: 0 is out of range: 1 to 256"},
		{"new_store{'S', timeout_sec = -0.5}", "error: test.lua:1: new_store: parameter timeout_sec: -0.5 is out of range: at least 0"},
		{"new_store{'S', timeout_sec = 0/0}", "error: test.lua:1: new_store: parameter timeout_sec: got nan, want a finite number"},
		{"named{x = 10}", "error: test.lua:1: named: parameter x: 10 is out of range: at most 9"},
		{"named(10)", "error: test.lua:1: named: takes only named parameters: named{name = value, …}"},
		{"new_store{'S', atomic = 1}", "error: test.lua:1: new_store: parameter atomic: got number, want boolean"},
		{"new_store{'S', form = 'jsn'}", `error: test.lua:1: new_store: parameter form: got "jsn": did you mean "json"?`},
		{"new_store{'S', form = 'x'}", `error: test.lua:1: new_store: parameter form: got "x", want table, json or mermaid`},
		{"new_store{'S', nodes = 'x'}", "error: test.lua:1: new_store: parameter nodes: got string, want table"},
		{"new_store{'S', nodes = {1, a = 2}}", "error: test.lua:1: new_store: parameter nodes: a table has list items and other keys (a): give one or the other"},
		{"new_store{'S', nodes = {[7811] = 2}}", "error: test.lua:1: new_store: parameter nodes: a table has the key [7811]: want a list or names"},
		{"local t = {} t[1] = t new_store{'S', nodes = t}", "error: test.lua:1: new_store: parameter nodes: a table contains itself"},
		{"local t = {} for _ = 1, 300 do t = {t} end new_store{'S', nodes = t}", "error: test.lua:1: new_store: parameter nodes: tables are nested deeper than 200"},
		{"connect{'a', 5}", "error: test.lua:1: connect: parameter managers: item 2: got number, want string"},
		{"connect('a', 5)", "error: test.lua:1: connect: parameter managers: got number, want a string or a list of strings"},
		{"connect({'a', {}})", "error: test.lua:1: connect: parameter managers: item 2: got table, want string"},
		{"connect('a', nil, 'b')", "error: test.lua:1: connect: parameter managers: got nil, want a string or a list of strings"},
		{"connect('0.0.0.0')", "error: test.lua:1: connect: parameter managers: 0.0.0.0 is no address to call"},
		{"connect{managers = {a = 1}}", "error: test.lua:1: connect: parameter managers: got a table with the field a, want a string or a list of strings"},
		{"connect(record())", "error: test.lua:1: connect: parameter managers: got row, want a string or a list of strings"},
		{"with('a', 'b')", "error: test.lua:1: with: parameter f: got string, want function"},
		{"topology.validat({})", "error: test.lua:1: topology: no field validat: did you mean validate?"},
		{"topology.validate{node = {}}", "error: test.lua:1: topology.validate: unknown parameter node: did you mean nodes?"},
		{"topology.validate{{coroutine.create(print)}}", "error: test.lua:1: topology.validate: parameter nodes: a thread can't be used here"},
		{"misuse('S')", `error: test.lua:1: misuse: parameter name: "S" is taken`},
		{"local function f()\n\n new_store() end\npcall(print)\nf()", "error: test.lua:3: new_store: parameter name: required, but not given"},
		{"\nprint(select(2, pcall(new_store)))", "test.lua:2: new_store: parameter name: required, but not given\n"},
		{"local f = coroutine.wrap(new_store)\nf()", "error: test.lua:2: new_store: parameter name: required, but not given"},
		{"print(select(2, pcall(new_store)).code)", "usage\n"},
	}, append(giving(), declared...)...)
}

func TestHost_UndeclaredParameterPanics(t *testing.T) {
	c := &Call{Name: "f", params: []Param{{Name: "a"}}, values: []any{5}}
	for _, read := range []func(){func() { c.Value("b") }, func() { c.String("a") }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			read()
		}()
	}
}
