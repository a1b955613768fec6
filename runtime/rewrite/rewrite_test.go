package rewrite_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"dkvrun/runtime"
)

func TestRewrite_TableConstructorsKeepTheirFields(t *testing.T) {
	items := make([]string, 50)
	for i := range items {
		items[i] = fmt.Sprint(i + 1)
	}
	fifty := strings.Join(items, ", ")
	for source, want := range map[string]string{
		`{"a", k = f()}`:                           "1 a x",
		`{"a", k = ...}`:                           "1 a one",
		`{"a", k = f(), "b"}`:                      "2 a x",
		`{f(), k = 1}`:                             "1 x 1",
		`{k = 1, f()}`:                             "2 x 1",
		`{k = 1, ...}`:                             "2 one 1",
		`({n = {"a", k = f()}}).n`:                 "1 a x",
		`(function() return {"a", k = f()} end)()`: "1 a x",
		`{` + fifty + `, k = f()}`:                 "50 1 x",
		`{` + fifty + `, k = "v", (f())}`:          "51 1 v",
		`{0, ` + fifty + `, k = "v", f()}`:         "53 0 v",
		`{` + fifty + `, k = "v", j = "w"}`:        "50 1 v",
	} {
		h := runtime.New(runtime.Options{})
		chunk := `local function f() return "x", "y" end
local function build(...) local t = ` + source + ` return #t .. " " .. tostring(t[1]) .. " " .. tostring(t.k) end
return build("one", "two")`
		got, err := h.RunSource(context.Background(), "test", []byte(chunk))
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s gives %v (%v), want %s", source, got, err, want)
		}
		h.Close()
	}
}

// A condition that is false or nil is assigned like any other value.
func TestRewrite_ConditionsAreAssigned(t *testing.T) {
	for _, source := range []string{
		`local a = {} a = a.b and a.b.c return a == nil`,
		`local a = {b = false} a = a.b and 1 return a == false`,
		`local a = {b = 2} a = a.b and a.c return a == nil`,
		`local a = {b = {c = 3}} a = (a.b and a.b.c) return a == 3`,
		`local a = {} a = a.b and a.c and a.d return a == nil`,
		`local a = {} a = a.b and 1 or a.c and 2 or 3 return a == 3`,
		`local a = function() return nil end a = a() and 1 return a == nil`,
		`local a, b = {}, 2 a, b = a.x and 1, b and a return a == nil and b.x == nil and type(b) == "table"`,
		`local a, b, c = {}, 2, 3 a, b, c = a.x and 1, (function() return 5, 6 end)() return a == nil and b == 5 and c == 6`,
		`local a, n = {}, 0 local function count() n = n + 1 end a = a.x and 1, count() return a == nil and n == 1`,
		`local a = {} local function up() a = a.b and 1 return a end return up() == nil and a == nil`,
		`g = {} g = g.b and 1 return rawget(_G, "g") == nil`,
		`local seen = {} for _, v in ipairs{{x = 1}, {}} do local e = 0 e = v.x and v.x seen[#seen + 1] = tostring(e) end return table.concat(seen, ",") == "1,nil"`,
		`local a repeat a = {} a = a.b and 1 until a == nil return a == nil`,
	} {
		h := runtime.New(runtime.Options{})
		got, err := h.RunSource(context.Background(), "test", []byte(source))
		if err != nil || len(got) != 1 || got[0] != true {
			t.Errorf("%s gives %v (%v)", source, got, err)
		}
		h.Close()
	}
}

// An error within one keeps its line.
func TestRewrite_ConditionsKeepTheirLines(t *testing.T) {
	h := runtime.New(runtime.Options{})
	defer h.Close()
	_, err := h.RunSource(context.Background(), "test", []byte("local a = 1\n\na = a and\n  a.b.c"))
	if err == nil || !strings.HasPrefix(err.Error(), "test:4: ") && !strings.HasPrefix(err.Error(), "test:3: ") {
		t.Errorf("got %v", err)
	}
}

// A loop begins at the beginning, whatever an earlier one has left behind.
func TestRewrite_LoopsBeginAtTheBeginning(t *testing.T) {
	for _, loop := range []string{
		`for k, v in next, t do n = n + 1 end`,
		`for k in next, t do n = n + 1 end`,
		`for k, v in next, (same(t)) do n = n + 1 end`,
		`for k in next, same(t) do n = n + 1 end`,
		`for k, v in next, same(t) do n = n + 1 end`,
		`for k, v in next, t, nil do n = n + 1 end`,
		`for k, v in pairs(t) do n = n + 1 end`,
		`for _, v in ipairs(t) do n = n + 1 end`,
		`for k in pairs(t) do n = n + 1 end`,
		`for k, v, none in next, t do n = n + (none == nil and 1 or 0) end`,
		`for k in function(_, last) if n < 3 and last == (n > 0 and n or nil) then n = n + 1 return n end end do end`,
	} {
		h := runtime.New(runtime.Options{})
		chunk := `local function same(t) return t end
local function count(t) local n = 0 do local a, b, c, d, e, f = 2, 2, 2, 2, 2, 2 end ` + loop + ` return n end
return count({7, 8, 9})`
		got, err := h.RunSource(context.Background(), "test", []byte(chunk))
		if err != nil || len(got) != 1 || got[0] != 3 {
			t.Errorf("%s counts %v (%v)", loop, got, err)
		}
		h.Close()
	}
}

func TestRewrite_ListThatCannotBeCompiledIsRefused(t *testing.T) {
	h := runtime.New(runtime.Options{})
	defer h.Close()
	_, err := h.RunSource(context.Background(), "test", []byte("local t\nt = {"+strings.Repeat("1, ", 50)+"f()}"))
	if err == nil || !strings.HasPrefix(err.Error(), "test:2: a list of 50, 100") {
		t.Errorf("got %v", err)
	}
}
