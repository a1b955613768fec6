package rewrite_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"dkvrun/runtime"
	"dkvrun/runtime/rewrite"
)

// defects lists programs that return true in Lua 5.1 and that gopher-lua compiles wrongly. name is the file of the
// repair. refused is the start of the message if the repair refuses the program.
var defects = []struct{ name, source, refused string }{
	{name: "assign.go, issue #440: several targets",
		source: `local a, b = 1, 2 a, b = b, a return a == 2 and b == 1`},
	{name: "assign.go, issue #280: a condition",
		source: `local a = {} a = a.b and 1 return a == nil`},
	{name: "assign.go: ... in parentheses",
		source: `local function f(...) local v, w, x = 1, 2, 3 v = (...) return w == 2 and x == 3 end return f(5)`},
	{name: "assign.go: a call in parentheses",
		source: `local function two(a, b) return a .. b end
local function f(v) v = (two("<", v)) return v end local ok, text = pcall(f, "a") return ok and text == "<a"`},
	{name: "concat.go: fractions",
		source: `return (0.1 + 0.2) .. "" == "0.3"`},
	{name: "concat.go: infinity",
		source: `return 1 / 0 .. "" == "inf"`},
	{name: "number.go, issue #478: a leading zero",
		source: `return 0012 == 12`},
	{name: "loop.go, issue #514, pull request #528: a loop over next",
		source: `local function count(t) local n = 0 do local a, b, c, d, e, f = 2, 2, 2, 2, 2, 2 end
for k, v in next, t do n = n + 1 end return n end return count({7, 8, 9}) == 3`},
	{name: "table_keyed.go: a field with a key at the end",
		source: `local function f() return "x", "y" end local t = {"a", k = f()} return #t == 1 and t.k == "x"`},
	{name: "table_flush.go: 50 items and a field with a key",
		source: `local function f() return "v" end local t = {` + repeated(50, "%d,") + `k = (f())}
return #t == 50 and t[1] == 0 and t.k == "v"`},
	{name: "table_flush.go: 50 items and a call",
		source: `local function f() return "x", "y" end local t = {` + repeated(50, "%d,") + `f()}
return #t == 52 and t[1] == 0 and t[51] == "x"`,
		refused: "a list of 50, 100, … items can't end in a call"},
	{name: "table_size.go, pull request #537: more than 25,550 items",
		source:  `local t = {` + repeated(25_600, "1,") + `} return #t == 25600`,
		refused: "a list of more than 25550 items"},
	{name: "jump.go: a loop of more than 131,071 instructions",
		source:  `local n = 0 for i = 1, 3 do n = n + 1 ` + repeated(70_000, "x=1 ") + `end return n == 3`,
		refused: "a function of more than 131072 instructions"},
}

func TestCompile_RepairsDefects(t *testing.T) {
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			if raw := rewrite.RunRaw(d.source); raw == "true" {
				t.Error("gopher-lua compiles this program correctly now: remove the repair")
			}
			h := runtime.New(runtime.Options{})
			defer h.Close()
			got, err := h.RunSource(context.Background(), "test", []byte(d.source))
			if d.refused != "" {
				var e *runtime.Error
				if !errors.As(err, &e) || !strings.HasPrefix(e.Message, d.refused) {
					t.Errorf("got %v (%v), want a refusal: %s", got, err, d.refused)
				}
			} else if err != nil || len(got) != 1 || got[0] != true {
				t.Errorf("got %v (%v), want true", got, err)
			}
		})
	}
}
