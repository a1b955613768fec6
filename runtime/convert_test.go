package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

var rowType = &RecordType{Name: "row", Fields: []Field{{Name: "name"}, {Name: "port"}, {Name: "tags"}}}

func row(name string, port int) Record {
	return Record{Type: rowType, Values: map[string]any{"name": name, "port": port}}
}

// fleet is an object with items, fields, a method and its own assert.
type fleet struct {
	names []string
	ok    bool
}

var fleetType = &ObjectType{Name: "fleet"}

func init() {
	*fleetType = ObjectType{
		Name: "fleet",
		Fields: []Field{{Name: "ok", Get: func(o Object) any { return o.(*fleet).ok }},
			{Name: "self", Get: func(o Object) any { return o }}},
		Methods: []Builtin{{Name: "check", Positional: 1, Params: []Param{{Name: "word", Type: String, Default: "fine"}},
			Impl: func(c *Call) (any, error) { return c.String("word") + fmt.Sprint(len(c.Self.(*fleet).names)), nil }}},
		Len:    func(o Object) int { return len(o.(*fleet).names) },
		At:     func(o Object, i int) any { return row(o.(*fleet).names[i-1], 7000+i) },
		String: func(o Object) string { return fmt.Sprintf("fleet of %d", len(o.(*fleet).names)) },
		Assert: func(o Object) error {
			if o.(*fleet).ok {
				return nil
			}
			return errors.New("the fleet failed")
		},
	}
}

func (*fleet) ObjectType() *ObjectType { return fleetType }

// ticket is an object without items.
type ticket struct{}

var ticketType = &ObjectType{Name: "ticket",
	Fields: []Field{{Name: "id", Get: func(Object) any { return 7 }}, {Name: "note", Get: func(Object) any { return nil }}}}

func (ticket) ObjectType() *ObjectType { return ticketType }

func given(name string, v any) Builtin {
	return Builtin{Name: name, Impl: func(*Call) (any, error) { return v, nil }}
}

func giving() []Builtin {
	down := &fleet{names: []string{"a"}}
	return []Builtin{
		given("record", row("a", 7001)),
		given("nested", Record{Type: rowType, Values: map[string]any{"name": "n", "tags": []string{"t"}}}),
		given("spoilt", Record{Type: rowType, Values: map[string]any{"name": "n", "port": make(chan int)}}),
		given("rows", List{Items: []any{row("a", 7001), row("longer", 7002)}, Type: &RecordType{Name: "rows", Fields: []Field{{Name: "ok"}, {Name: "unreachable"}}},
			Values: map[string]any{"ok": false}}),
		given("lines", List{Items: []any{"x", "y"}, String: func(items []any) string { return fmt.Sprint(len(items), " lines") }}),
		given("fleet", &fleet{names: []string{"a", "b"}, ok: true}),
		given("down", down),
		given("ticket", ticket{}),
		given("data", map[string]any{"list": []any{1, "x", nil, true}, "none": []any{}, "empty": map[string]any{}, "words": []string{"p", "q"}}),
		{Name: "encode", Positional: 1, Params: []Param{{Name: "value", Type: Any}},
			Impl: func(c *Call) (any, error) { return encoded(c.Value("value")) }},
		{Name: "plain", Positional: 1, Params: []Param{{Name: "value", Type: Table}},
			Impl: func(c *Call) (any, error) { return fmt.Sprintf("%#v", c.Value("value")), nil }},
		{Name: "pass", Positional: 1, Params: []Param{{Name: "value", Type: Any}},
			Impl: func(c *Call) (any, error) { return c.Value("value"), nil }},
	}
}

func TestHost_RecordsAndLists(t *testing.T) {
	checkSnippets(t, []snippet{
		{`local r = record() print(r.name, r.port, r.tags, r)`, "a\t7001\tnil\t{name = \"a\", port = 7001}\n"},
		{`local r = record() r.extra = 1 r.name = "b" print(r, tostring(r), encode(r))`,
			"{name = \"b\", port = 7001, extra = 1}\t{name = \"b\", port = 7001, extra = 1}\t{\"name\":\"b\",\"port\":7001,\"tags\":null,\"extra\":1}\n"},
		{`local r = record() r.name = nil for k, v in pairs(r) do print(k, v) end print(r.name, rawget(r, "port"))`, "port\t7001\nnil\t7001\n"},
		{`local r = record() rawset(r, "x", 1) print(r.x, r.name, next(record()))`, "1\ta\tname\ta\n"},
		{`local r = nested() r.tags[1] = "changed" print(r.tags[1], r.name, r == r, r.tags == r.tags)`, "changed\tn\ttrue\ttrue\n"},
		{`print(spoilt().name, pcall(function() return spoilt().port end))`,
			"n\tfalse\ttest.lua:1: row: bug in dkvrun: a chan int has no form in Lua\n"},
		{`print(plain(record()))`, `map[string]interface {}{"name":"a", "port":7001}` + "\n"},
		{`print(record().nmae)`, "error: test.lua:1: row: no field nmae: did you mean name?"},
		{`print(record()[1])`, "error: test.lua:1: row: no field [1]"},
		{`local r = rows() print(#r, r[1].name, r[3], r.ok, r.unreachable)`, "2\ta\tnil\tfalse\tnil\n"},
		{`print(rows().okk)`, "error: test.lua:1: rows: no field okk: did you mean ok?"},
		{`print(rows())`, "name    port\na       7001\nlonger  7002\n"},
		{`local n = 0 for k in pairs(rows()) do n = n + k end print(n)`, "3\n"},
		{`print(encode(rows()))`, `[{"name":"a","port":7001,"tags":null},{"name":"longer","port":7002,"tags":null}]` + "\n"},
		{`local r = rows() table.sort(r, function(a, b) return a.port > b.port end) table.remove(r) print(r[1].name, #r, pass(r).ok)`, "longer\t1\tfalse\n"},
		{`local l = lines() l[3] = "z" print(l, tostring(l), l[1], encode(l))`, "3 lines\t3 lines\tx\t[\"x\",\"y\",\"z\"]\n"},
		{`lines().x = 1 print(lines().y)`, "error: test.lua:1: list: no field y"},
		{`print(plain(rows()))`, `[]interface {}{map[string]interface {}{"name":"a", "port":7001}, map[string]interface {}{"name":"longer", "port":7002}}` + "\n"},
		{`print(getmetatable(rows()), getmetatable(record()))`, "rows\trow\n"},
		{`local d = data() print(d, #d.list, d.list[4])`, "{empty = {}, list = {1, \"x\", nil, true}, none = {}, words = {\"p\", \"q\"}}\t4\ttrue\n"},
		{`print(encode(data()))`, `{"empty":{},"list":[1,"x",null,true],"none":[],"words":["p","q"]}` + "\n"},
		{`print(encode({}), encode({a = 1}), encode("x"), encode(2.5))`, "[]\t{\"a\":1}\t\"x\"\t2.5\n"},
	}, giving()...)
}

func TestHost_Objects(t *testing.T) {
	checkSnippets(t, []snippet{
		{`local f = fleet() print(f, tostring(f), f.ok, #f, f[2].name, f[3], f[0])`, "fleet of 2\tfleet of 2\ttrue\t2\tb\tnil\tnil\n"},
		{`print(fleet():check(), fleet():check("is"), fleet():check{word = "w"})`, "fine2\tis2\tw2\n"},
		{`for i, r in ipairs(fleet()) do io.write(i, r.name, " ") end print()`, "1a 2b \n"},
		{`for i, r in pairs(fleet()) do io.write(i, r.name, " ") end print()`, "1a 2b \n"},
		{`local a, b = unpack(fleet()) print(a.name, b.name, (select("#", unpack(fleet(), 2))))`, "a\tb\t1\n"},
		{`local f = fleet() print(f == f.self, f == fleet(), f == down(), f ~= down())`, "true\ttrue\tfalse\ttrue\n"},
		{`print(encode(fleet()), encode(ticket()))`, `[{"name":"a","port":7001,"tags":null},{"name":"b","port":7002,"tags":null}]` + "\t" + `{"id":7,"note":null}` + "\n"},
		{`print(plain(fleet()))`, `[]interface {}{map[string]interface {}{"name":"a", "port":7001}, map[string]interface {}{"name":"b", "port":7002}}` + "\n"},
		{`for k, v in pairs(ticket()) do print(k, v) end print(ticket())`, "id\t7\n<ticket>\n"},
		{`print(assert(fleet()).ok)`, "true\n"},
		{"\nassert(down())", "error: test.lua:2: the fleet failed"},
		{`print(fleet().okk)`, "error: test.lua:1: fleet: no field okk: did you mean ok?"},
		{`print(ticket()[1])`, "error: test.lua:1: ticket: no field [1]"},
		{`print(ticket().x)`, "error: test.lua:1: ticket: no field x: there is id and note"},
		{`fleet().ok = false`, "error: test.lua:1: fleet: ok can't be set: it is read-only"},
		{`fleet().check()`, "error: test.lua:1: fleet:check: called on a nil: call it with a colon"},
		{`fleet().check(ticket())`, "error: test.lua:1: fleet:check: called on a ticket: call it with a colon"},
		{`fleet():check{wrd = 1}`, "error: test.lua:1: fleet:check: unknown parameter wrd: did you mean word?"},
		{`fleet():check(fleet())`, "error: test.lua:1: fleet:check: parameter word: got fleet, want string"},
		{`next(fleet())`, "error: test.lua:1: bad argument #1 to 'next' (table expected, got fleet)"},
		{`ipairs(ticket())`, "error: test.lua:1: bad argument #1 to 'ipairs' (table expected, got ticket)"},
		{`setmetatable(fleet(), {})`, "error: test.lua:1: bad argument #1 to 'setmetatable' (table expected, got fleet)"},
	}, giving()...)
}

// Tables of which each holds the next one twice have billions of parts.
func TestHost_TablesThatShareTables(t *testing.T) {
	if defaultLimits != (valueLimits{parts: 2_000_000, shown: 200_000}) {
		t.Errorf("the limits are %+v", defaultLimits)
	}
	const shared = `local t = {1} for i = 1, 40 do t = {t, t} end `
	h, out := testHost(t)
	h.conv.limits = valueLimits{parts: 2000, shown: 200}
	most := h.conv.limits.shown * 256 // bytes
	if got := output(t, h, out, shared+`print(t) print(#tostring(t) > 0)`); len(got) > most || !strings.Contains(got, "<…>") {
		t.Errorf("shown in %d bytes", len(got))
	}
	if got := output(t, h, out, shared+`error(t)`); len(got) > most || !strings.Contains(got, "<…>") {
		t.Errorf("the error is shown in %d bytes", len(got))
	}
	values, err := h.Eval(context.Background(), `(function() `+shared+`return t end)()`)
	if err != nil || len(values) != 1 {
		t.Fatal(values, err)
	}
	e := jsonEncoder{limit: 2000}
	if err := e.value(values[0], 0); err == nil || !strings.Contains(err.Error(), "or holds more than 2000 values") {
		t.Errorf("JSON: %v", err)
	}
}

// Values are read and written until the task has to stop.
func TestHost_ConversionStopsWithItsTask(t *testing.T) {
	h, _ := testHost(t)
	table := h.main.NewTable()
	for range 60 {
		next := h.main.NewTable()
		next.Append(table)
		next.Append(table)
		table = next
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h.scheduler.lock.acquire(h.scheduler.root)
	defer h.scheduler.lock.release()
	_, _ = h.scheduler.root.inScope(ctx, func() (Values, error) {
		h.main.G.CurrentThread = h.main
		r := &reader{conv: h.conv, limit: defaultLimits.parts}
		if _, err := r.read(table); !errors.Is(err, errStopped) || r.count > checkEvery {
			t.Errorf("reading ended after %d values with %v", r.count, err)
		}
		e := jsonEncoder{limit: defaultLimits.parts, stopped: h.conv.stopped}
		if err := e.value(tower(60), 0); !errors.Is(err, errStopped) || e.count > checkEvery {
			t.Errorf("writing ended after %d values with %v", e.count, err)
		}
		return nil, nil
	})
	e := jsonEncoder{limit: defaultLimits.parts, stopped: func() bool { return false }}
	if err := e.value([]any{strings.Repeat("x", maxJSON+1), 1}, 0); err == nil || err.Error() != "its JSON is longer than 64 MiB" {
		t.Errorf("a long text ended with %v", err)
	}
}

// The value of a script is read after its last instruction.
func TestHost_ReadingTheResultStops(t *testing.T) {
	h, _ := testHost(t)
	ended, cancel := context.WithCancel(context.Background())
	list := h.main.NewTable()
	for i := range 2 * checkEvery {
		list.Append(lua.LNumber(i))
	}
	if value, complete := h.conv.fromLuaUntil(ended, list); !complete || len(value.([]any)) != 2*checkEvery {
		t.Error("a list is not read whole")
	}
	cancel()
	if _, complete := h.conv.fromLuaUntil(ended, list); complete {
		t.Error("a list is read although its run has ended")
	}
}

func TestLua_LoopsOfLibrariesStop(t *testing.T) {
	h, _ := testHost(t)
	ended, cancel := context.WithCancel(context.Background())
	defer cancel()
	library := func(name, function string) lua.LValue {
		return h.main.G.Global.RawGetString(name).(*lua.LTable).RawGetString(function)
	}
	list := h.main.NewTable()
	for i := range 5000 {
		list.Append(lua.LNumber(i % 7))
	}
	long := lua.LString(strings.Repeat("a", 5000))
	calls := map[string]lua.P{
		"gsub":   {Fn: library("string", "gsub"), NRet: 1, Protect: true},
		"concat": {Fn: library("table", "concat"), NRet: 1, Protect: true},
		"sort":   {Fn: library("table", "sort"), NRet: 0, Protect: true},
		"format": {Fn: library("string", "format"), NRet: 1, Protect: true},
		"quote":  {Fn: library("string", "format"), NRet: 1, Protect: true},
		"upper":  {Fn: library("string", "upper"), NRet: 1, Protect: true},
		"date":   {Fn: library("os", "date"), NRet: 1, Protect: true},
	}
	arguments := map[string][]lua.LValue{
		"gsub": {long, lua.LString("a"), lua.LString("b")}, "concat": {list}, "sort": {list},
		"format": {lua.LString(strings.Repeat("%%", 5000))}, "quote": {lua.LString("%q"), lua.LString(strings.Repeat("a", 2<<20))},
		"upper": {long}, "date": {lua.LString(strings.Repeat("%d", 5000))},
	}
	for _, stopped := range []bool{false, true} {
		if stopped {
			cancel()
		}
		for name, call := range calls {
			thread, _ := h.main.NewThread()
			thread.SetContext(ended)
			if err := thread.CallByParam(call, arguments[name]...); (err != nil) != stopped {
				t.Errorf("%s, stopped %t: %v", name, stopped, err)
			}
		}
	}
}

// A long source is compiled until its run ends, and nothing of it stays in the host.
func TestLua_CompilationsStop(t *testing.T) {
	h, _ := testHost(t)
	long := []byte(strings.Repeat("x = 1 ", longSource/6+1))
	if fn, err := h.compiler.compileUntil(context.Background(), "long", long); err != nil || fn == nil {
		t.Fatal(err)
	}
	_, err := h.compiler.compileUntil(context.Background(), "wrong", append(long, "end"...))
	if err == nil || !strings.Contains(err.Error(), "wrong:1: ") {
		t.Errorf("the error of a long source is %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for range 20 { // the compilation may be done first
		if _, err := h.compiler.compileUntil(ended, "ended", long); err == context.Canceled {
			return
		}
	}
	t.Error("a source is compiled although its run has ended")
}

// Text of JSON is written in pieces that end between two characters.
func TestJSON_LongText(t *testing.T) {
	text := strings.Repeat("\u00e9\n\u20ac\"", longText/4) + "x"
	e := jsonEncoder{limit: 10, stopped: func() bool { return false }}
	if err := e.text(text); err != nil {
		t.Fatal(err)
	}
	if decoded, err := DecodeJSON(e.out.Bytes()); err != nil || decoded != text {
		t.Errorf("a long text is written as another one, or not as JSON: %v", err)
	}
	e = jsonEncoder{limit: 10, stopped: func() bool { return true }}
	if err := e.text(text); err != errStopped {
		t.Errorf("a long text is written although the run has ended: %v", err)
	}
}
