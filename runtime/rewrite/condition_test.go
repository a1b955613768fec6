package rewrite_test

import (
	"context"
	"strings"
	"testing"

	"dkvrun/runtime"
)

// A condition that is false or nil is assigned like any other value. Each program returns true in Lua 5.1.
func TestCompile_AssignsConditions(t *testing.T) {
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

func TestCompile_ErrorsInConditionsKeepLine(t *testing.T) {
	h := runtime.New(runtime.Options{})
	defer h.Close()
	_, err := h.RunSource(context.Background(), "test", []byte("local a = 1\n\na = a and\n  a.b.c"))
	if err == nil || !strings.HasPrefix(err.Error(), "test:4: ") && !strings.HasPrefix(err.Error(), "test:3: ") {
		t.Errorf("got %v", err)
	}
}
