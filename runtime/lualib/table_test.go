package lualib_test

import "testing"

func TestLua_TableFunctions(t *testing.T) {
	checkSnippets(t, []snippet{
		{`local t = {1, 2, 3} t[3] = nil print(table.remove(t), #t)`, "2\t1\n"},
		{`local t = {1, 2, 3} print(table.remove(t, 1), table.concat(t, ","))`, "1\t2,3\n"},
		{`local t = {1, 2, 3} print(select("#", table.remove(t, 0), table.remove(t, -1), table.remove(t, 4)), #t)`, "2\t3\n"},
		{`print(select("#", table.remove({})))`, "0\n"},
		{`local t = {3, 2, 1} t[3] = nil table.sort(t) print(table.concat(t, ","))`, "2,3\n"},
		{`local t = {2, 3, 1} table.sort(t, nil) print(table.concat(t, ","))`, "1,2,3\n"},
		{`local t = {2, 3, 1} table.sort(t, function(a, b) return a > b end) print(table.concat(t, ","))`, "3,2,1\n"},
		{`local t = {3, 1, 2} table.sort(t, function(a, b) t[4] = 0 return a < b end) print(table.concat(t, ","))`, "1,2,3,0\n"},
		{`table.sort({1, "a"})`, "error: test.lua:1: attempt to compare string with number"},
		{`local t = {} table.insert(t, "b") table.insert(t, 1, "a") table.insert(t, 3, "c") print(table.concat(t))`, "abc\n"},
		{`table.insert({}, 0, 1)`, "error: test.lua:1: bad argument #2 to 'insert' (position 0 is out of range: at least 1)"},
		{`table.insert({}, 1, 2, 3)`, "error: test.lua:1: wrong number of arguments to 'insert': a table, a position if it isn't the end, and one value"},
		{`print(table.maxn{[10] = 1, [2.5] = 2, [1e12] = 3, x = 4}, table.maxn{1, nil, 3}, table.maxn{})`, "1000000000000\t3\t0\n"},
	})
}
