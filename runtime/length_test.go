package runtime

import (
	"testing"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/lualib"
)

// Checks that a table with a large key is small, and that the operators and functions of lists see all items of a list
// whose last ones are in a map.
func TestLength_LongLists(t *testing.T) {
	checkSnippets(t, []snippet{
		{`local t = {} t[60000000] = nil t[60000000] = 1 print(#t, t[60000000], next(t)) print(table.maxn(t), next(t, 60000000))`,
			"0\t1\t60000000\t1\n60000000\tnil\n"},
		{`local last, t = 2^21 - 1, {} -- the last key that gopher-lua's list has
for i = 1, last + 3 do t[i] = i end
print(#t - last, t[last] - last, t[last + 1] - last, t[last + 3] - last, t[last + 4])
t[#t + 1] = "a" table.insert(t, "b") print(#t - last, t[#t - 1], t[#t], unpack(t, last + 3, #t))
table.insert(t, last, "x") print(#t - last, t[last - 1], t[last], t[last + 1], t[#t - 1], t[#t])
print(table.remove(t), table.remove(t, last), table.remove(t), #t - last, t[last], t[#t])
local n = 0 for i, v in ipairs(t) do n = i end print(n - last, table.concat(t, ",", last))
t[#t] = 0 table.sort(t) print(t[1], t[2], t[#t - 1], t[#t])
n = t n = #n print(n - last)
for i = 1, 5 do table.remove(t) end print(#t - last, t[#t], t[#t + 1]) table.insert(t, 7) print(#t - last, t[#t])
t[last] = 1 t[last + 1] = 2 setmetatable(t, {__len = function() return last end}) print(#t == last)`,
			`3	0	1	3	nil
5	a	b	2097154	a	b
6	2097150	x	2097151	a	b
b	x	a	3	2097151	2097154
3	2097151,2097152,2097153,2097154
0	1	2097152	2097153
3
-2	2097148	nil
-1	7
true
`},
	})
	if lua.MaxArrayIndex != lualib.MaxArrayIndex {
		t.Errorf("the lists of tables have up to %d items", lua.MaxArrayIndex)
	}
}
