package runtime

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// formatNumber writes a number as Lua 5.1 does: %.14g, and inf, -inf, nan.
func formatNumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f == math.Trunc(f) && math.Abs(f) <= 1<<53:
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', 14, 64)
}

func (h *Host) tonumber(L *lua.LState) int {
	v := L.CheckAny(1)
	if L.GetTop() > 1 && L.Get(2) != lua.LNumber(10) {
		base := L.CheckInt(2)
		if base < 2 || base > 36 {
			h.raise(L, h.errorHere(L, "tonumber: base %d is out of range: 2 to 36", base))
		}
		s := strings.ToLower(strings.TrimSpace(h.text(L, v)))
		if base == 16 {
			s = strings.TrimPrefix(s, "0x")
		}
		if n, err := strconv.ParseInt(s, base, 64); err == nil {
			L.Push(lua.LNumber(n))
		} else {
			L.Push(lua.LNil)
		}
		return 1
	}
	switch v := v.(type) {
	case lua.LNumber:
		L.Push(v)
	case lua.LString:
		L.Push(parseNumber(strings.TrimSpace(string(v))))
	default:
		L.Push(lua.LNil)
	}
	return 1
}

// parseNumber reads a number as Lua's sources write it, nil where it isn't one.
func parseNumber(s string) lua.LValue {
	if strings.Trim(s, "0123456789abcdefABCDEFxX.+-") != "" { // Go reads inf, nan and 1_000 too
		return lua.LNil
	}
	if n, err := strconv.ParseInt(s, 0, 64); err == nil && strings.ContainsAny(s, "xX") {
		return lua.LNumber(n)
	}
	if digits, hex := strings.CutPrefix(strings.ToLower(s), "0x"); hex {
		s = "0x" + digits + "p0" // more than an integer holds
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return lua.LNil
	}
	return lua.LNumber(f)
}

// number is the Go form of a Lua number: int where it is whole and exact, else float64.
func number(n lua.LNumber) any {
	f := float64(n)
	if f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return int(f)
	}
	return f
}
