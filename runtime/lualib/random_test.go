package lualib_test

import "testing"

func TestLua_RandomIsSeeded(t *testing.T) {
	const script = `math.randomseed(42) local a, b = math.random(), math.random(10)
		math.randomseed(42) print(a == math.random(), b == math.random(10), b >= 1 and b <= 10)`
	checkSnippets(t, []snippet{
		{script, "true\ttrue\ttrue\n"},
		{`for _ = 1, 100 do local x = math.random(3, 5) assert(x >= 3 and x <= 5) end print(math.random(7, 7))`, "7\n"},
		{`math.random(5, 1)`, "error: test.lua:1: bad argument #2 to 'random' (interval is empty: no integer from 5 to 1)"},
	})
	first, second := output(t, `print(math.random())`), output(t, `print(math.random())`)
	if first != second {
		t.Errorf("two hosts with one seed gave %s and %s", first, second)
	}
}
