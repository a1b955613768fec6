package runtime

import (
	"context"
	"reflect"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

func TestProtect_Calls(t *testing.T) {
	checkSnippets(t, []snippet{
		{"local n = 0 local function w(f) pcall(f) n = n + 1 end w(type) w(error) w(error) w(type) print(n)", "4\n"},
		{"local n = 0 local function w(f) xpcall(f, tostring) n = n + 1 end w(error) w(error) print(n)", "2\n"},
		{"local n = 0 local function w(f) pcall(try, f) n = n + 1 end w(error) w(error) print(n)", "2\n"},
		{"local n = 0 local function w() pcall(function() n = n + 1 pcall(error) n = n + 1 error('x') end) n = n + 1 end w() w() print(n)", "6\n"},
		{"local keep for i = 1, 3 do pcall(function() local v = i * 10 keep = function() v = v + 1 return v end error('x') end) end print(keep(), keep())", "31\t32\n"},
		{"local keep xpcall(function() local v = 1 keep = function() v = v + 1 return v end error('x') end, tostring) local a, b, c = 7, 8, 9 print(keep(), keep())", "2\t3\n"},
		{"local co = coroutine.wrap(function() local n = 0 while true do pcall(error) n = n + 1 coroutine.yield(n) end end) co() co() print(co())", "3\n"},
		{"print(pcall(function(...) return select('#', ...), ... end, nil, 2, nil))", "true\t3\tnil\t2\tnil\n"},
		{"print(pcall(setmetatable({}, {__call = function(_, x) return x end}), 'called'))", "true\tcalled\n"},
		{"print(pcall(nil))", "false\ttest.lua:1: attempt to call a nil value\n"},
		{"local function deep(i) local ok, e = pcall(deep, i + 1) if ok then return e end return i end print(deep(1) < 201)", "true\n"},
		{"local function f() return f() + 1 end print((pcall(f)), xpcall(f, function(e) return 'handled ' .. e end))",
			"false\tfalse\thandled test.lua:1: stack overflow: calls nest deeper than 20000\n"},
		{"print(xpcall(error, function() error('in the handler', 0) end))", "false\tin the handler\n"},
		{"print(xpcall(function() return 1, nil, 2 end, print))", "true\t1\tnil\t2\n"},
		{"xpcall(print)", "error: test.lua:1: bad argument #2 to 'xpcall' (function expected, got no value)"},
		{"print(pcall(coroutine.yield))", "false\ttest.lua:1: coroutine.yield: can't yield outside of a coroutine\n"},
		{"print(coroutine.resume(coroutine.create(function() pcall(coroutine.yield, 1) return 'on' end)))", "true\ton\n"},
		{"print(coroutine.running(), pcall(coroutine.running))", "nil\ttrue\tnil\n"},
		{"local co co = coroutine.create(function() print(coroutine.running() == co, select(2, pcall(coroutine.running)) == co) end) coroutine.resume(co)", "true\ttrue\n"},
	}, failing...)
}

// Each program returns true in Lua 5.1.
var protectedLocals = []string{
	`local n = 0 local function up() n = n + 1 end pcall(error) up() n = n + 1 return n == 2`,
	`local n = 0 local function up() n = n + 1 end local ok = pcall(function() up() error("x") end) n = n + 1 up() return not ok and n == 3`,
	`local keep local function deep(i) local v = i keep = function() v = v + 1 return v end if i < 30 then deep(i + 1) end error("x") end
	pcall(deep, 1) local a, b, c, d, e = 9, 9, 9, 9, 9 return keep() == 31 and keep() == 32`,
	`local keep local function over(i) local v = i if i == 5 then keep = function() v = v + 1 return v end end return 1 + over(i + 1) end
	pcall(over, 1) local function fill(a, b, c) return a and fill(b, c) or 0 end fill(7, 8, 9) return keep() == 6 and keep() == 7`,
	`local keep pcall(function() local v = 1 keep = function() v = v + 1 return v end coroutine.wrap(function() error("x") end)() end)
	local a, b, c = 7, 8, 9 return keep() == 2 and keep() == 3`,
	`local n = 0 local function up() n = n + 1 end xpcall(error, function() up() end) n = n + 1 return n == 2`,
}

func TestProtect_LocalsStayShared(t *testing.T) {
	for _, source := range protectedLocals {
		h, _ := testHost(t)
		if got, err := h.RunSource(context.Background(), "test.lua", []byte(source)); err != nil || len(got) != 1 || got[0] != true {
			t.Errorf("%s gives %v (%v)", source, got, err)
		}
	}
}

// The test fails when gopher-lua keeps captured locals shared after an error. The guards are not needed then.
func TestProtect_GopherLuaClosesOuterLocals(t *testing.T) {
	for _, source := range protectedLocals[:2] {
		L := lua.NewState()
		if err := L.DoString(source); err != nil {
			t.Fatal(err)
		}
		if L.Get(-1) == lua.LTrue {
			t.Errorf("gopher-lua issue #448 is repaired: %s", source)
		}
		L.Close()
	}
}

// Checks the unexported fields of a thread that callHere and depth use. If the test fails, they have to be adapted.
func TestProtect_UnexportedFields(t *testing.T) {
	if !sharesThreads {
		t.Fatal("gopher-lua's threads have no uvcache, currentFrame and Idx of the types that protected calls need")
	}
	if openField.Name != "uvcache" || openField.Type != reflect.TypeFor[*lua.Upvalue]() {
		t.Errorf("the list of open locals is %s %v", openField.Name, openField.Type)
	}
	h, _ := testHost(t)
	look := h.main.NewFunction(func(L *lua.LState) int {
		reflected := reflect.ValueOf(L).Elem()
		if got, want := uintptr(reflect.ValueOf(openLocals(L)).Pointer()), reflected.FieldByName("uvcache").UnsafeAddr(); got != want {
			t.Errorf("the list of open locals is at %x, not at %x", want, got)
		}
		if got := *openLocals(L); got == nil || got.Value() != lua.LNumber(7) {
			t.Errorf("the first open local is %v, not the one with 7", got)
		}
		n := 0
		for _, ok := L.GetStack(n + 1); ok; _, ok = L.GetStack(n + 1) {
			n++
		}
		if got := depth(L); got != n {
			t.Errorf("the depth is %d, not %d", got, n)
		}
		return 0
	})
	h.globals.RawSetString("look", look)
	source := `local v = 7 local function up() return v end
local function f(n) if n > 0 then return 1 + f(n - 1) end look() return up() end local sum = f(20) return sum`
	if got, err := h.RunSource(context.Background(), "test.lua", []byte(source)); err != nil || got[0] != 27 {
		t.Errorf("got %v (%v)", got, err)
	}
}

func TestProtect_Nesting(t *testing.T) {
	checkSnippets(t, []snippet{
		{"local function deep(i) if i == 190 then return i end return select(2, pcall(deep, i + 1)) end print(deep(1))", "190\n"},
		{"local function deep(i) if i == 190 then return i end local ok, v = pcall(deep, i + 1) return v end print(deep(1))", "190\n"},
		{"local function deep(i) if i == 190 then error('end') end local ok, v = pcall(deep, i + 1) error(v, 0) end print(pcall(deep, 1))",
			"false\ttest.lua:1: end\n"},
		{"local function deep(i) if i == 190 then return i end local ok, v = xpcall(deep, print, i + 1) return v end print(deep(1))", "190\n"},
		{"local n = 0 local function h(e) n = n + 1 return e end local function deep(i) if i == 190 then error('end', 0) end " +
			"local ok, v = xpcall(deep, h, i + 1) error(v, 0) end print(xpcall(deep, h, 1)) print(n)", "false\tend\n190\n"},
		{"local function deep(i) local ok, e = xpcall(deep, tostring, i + 1) if ok then return e end return i end print(deep(1) < 201)", "true\n"},
		{"local function sum(n) if n == 0 then return 0 end return n + sum(n - 1) end local function at(n) if n == 0 then return select(2, pcall(sum, 250)) end " +
			"return (at(n - 1)) end print(at(50), at(150), at(250))", "31375\t31375\t31375\n"},
		{"local function deep(i) if i == 40 then return i end local ok, v = pcall(coroutine.wrap(deep), i + 1) return v end print(deep(1))", "40\n"},
		{"local function down(n) if n == 0 then return pcall(error, 'x') end local ok, a, b = pcall(down, n - 1) return a, b end print(down(150))", "false\tx\n"},
	})
}

func TestProtect_Coroutines(t *testing.T) {
	checkSnippets(t, []snippet{
		{"local co = coroutine.create(function() local ok, e = pcall(function() coroutine.yield(1) end) coroutine.yield(e) return 'end' end) " +
			"print(coroutine.resume(co)) print(coroutine.resume(co)) print(coroutine.status(co))",
			"true\ttest.lua:1: " + yieldInside + "\ntrue\tend\ndead\n"},
		{"print(pcall(coroutine.wrap(function() error('x') end)))", "false\ttest.lua:1: x\n"},
		{"print(pcall(function() local co = coroutine.create(function() error({}) end) local ok, e = coroutine.resume(co) return ok, type(e) end))", "true\tfalse\ttable\n"},
		{"local co = coroutine.wrap(function() for i = 1, 3 do pcall(error) coroutine.yield(i) end end) print(co(), co(), co())", "1\t2\t3\n"},
		{"local co = coroutine.wrap(function() return pcall(error, 'x') end) print(co())", "false\tx\n"},
		{"local co = coroutine.wrap(function(a) return pcall(function(...) return ... end, a, 2) end) print(co(1))", "true\t1\t2\n"},
		{"local w = coroutine.wrap(function() error('x', 0) end) pcall(w) print(coroutine.running()) local co = coroutine.wrap(function() coroutine.yield(5) end) print(co())",
			"nil\n5\n"},
		{"local co = coroutine.create(function() xpcall(coroutine.yield, print) end) print(coroutine.resume(co))", "test.lua:1: " + yieldInside + "\ntrue\n"},
	})
}

func TestProtect_Handlers(t *testing.T) {
	checkSnippets(t, []snippet{
		{"print(xpcall(function() error('a', 0) end, function(e) error(e .. 'b', 0) end))", "false\tab\n"},
		{"print(xpcall(function() error('a', 0) end, function(e) return pcall(error, e .. 'b') end))", "false\tfalse\n"},
		{"print(xpcall(function() error('a', 0) end, function(e) return select(2, pcall(error, e .. 'b')) end))", "false\tab\n"},
		{"local function over() return 1 + over() end print(xpcall(over, function() error('in the handler', 0) end))", "false\tin the handler\n"},
		{"local function over() return 1 + over() end print(xpcall(error, over))", "false\ttest.lua:1: stack overflow: calls nest deeper than 20000\n"},
		{"print(pcall(xpcall, error, function() return 'outer' end))", "true\tfalse\touter\n"},
		{"print(xpcall(function() local x = nil; return x.y end, function(e) return 'handled ' .. e end))",
			"false\thandled test.lua:1: attempt to index local 'x' (a nil value)\n"},
	})
}

// A level outside of the protected call has no position.
func TestProtect_Levels(t *testing.T) {
	checkSnippets(t, []snippet{
		{"print(pcall(error, 'x'))", "false\tx\n"},
		{"print(pcall(function() error('x', 1) end))", "false\ttest.lua:1: x\n"},
		{"print(pcall(function() error('x', 2) end))", "false\tx\n"},
		{"print(pcall(function() error('x', 4) end))", "false\tx\n"},
		{"local function f() error('x', 2) end\nprint(pcall(function()\nlocal v = f()\nend))", "false\ttest.lua:3: x\n"},
	})
}

func TestProtect_EndsWhenCancelled(t *testing.T) {
	for _, source := range []string{
		"while true do pcall(function() end) end",
		"while true do pcall(function() while true do end end) end",
		"local function f() while true do xpcall(error, f) end end f()",
	} {
		h, _ := testHost(t)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err := h.RunSource(ctx, "test.lua", []byte(source))
		cancel()
		if e := asError(err); e == nil || e.Code != codeTimeout {
			t.Errorf("%s ends with %v", source, err)
		}
	}
}
