package rewrite_test

import (
	"context"
	"testing"

	"dkvrun/runtime"
)

// A loop starts with the first key, whatever earlier code left in its registers.
func TestCompile_LoopsStartAtFirstKey(t *testing.T) {
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
