package rewrite

import (
	"strings"
	"testing"
)

// defects lists what gopher-lua compiles wrongly, with its upstream number where there is one. Each program returns true
// in Lua 5.1.
var defects = []struct{ what, source string }{
	{"issue #440: assignment of several values", `local a, b = 1, 2 a, b = b, a return a == 2 and b == 1`},
	{"issue #280: assignment of a condition", `local a = {} a = a.b and 1 return a == nil`},
	{"a value in parentheses", `local function f(...) local v, w, x = 1, 2, 3 v = (...) return w == 2 and x == 3 end return f(5)`},
	{"issue #514, pull request #528: loops over next", `local function count(t) local n = 0 do local a, b, c, d, e, f = 2, 2, 2, 2, 2, 2 end
for k, v in next, t do n = n + 1 end return n end return count({7, 8, 9}) == 3`},
	{"a field with a key after list items", `local function f() return "x", "y" end local t = {"a", k = f()} return #t == 1 and t.k == "x"`},
	{"pull request #537: lists of more than 25,550 items", `local t = {` + strings.Repeat("1,", 25_600) + `} return #t == 25600`},
}

func TestCompile_RepairsDefects(t *testing.T) {
	for _, d := range defects {
		if raw := runRaw(t, d.source); raw == "true" {
			t.Errorf("gopher-lua by itself is right now, so that the repair may go: %s", d.what)
		}
		if strings.HasPrefix(d.what, "pull request #537") {
			continue // such lists are refused: see TestCompile_RefusesLimits
		}
		if got := runRewritten(t, d.source); got != "true" {
			t.Errorf("%s: got %s", d.what, got)
		}
	}
}
