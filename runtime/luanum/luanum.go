// Package luanum writes and reads numbers as Lua 5.1 does.
package luanum

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Format writes a number as Lua 5.1 does: %.14g, and inf, -inf, nan.
func Format(f float64) string {
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

// maxText is the maximum length, in bytes, of the text of a number. A longer one takes too long to read.
const maxText = 64 << 10

// Parse reads a number in the syntax of Lua, and reports whether s is one.
func Parse(s string) (float64, bool) {
	if len(s) > maxText || strings.Trim(s, "0123456789abcdefABCDEFxX.+-") != "" { // Go's parser accepts inf, nan and 1_000, too
		return 0, false
	}
	if n, err := strconv.ParseInt(s, 0, 64); err == nil && strings.ContainsAny(s, "xX") {
		return float64(n), true
	}
	if digits, hex := strings.CutPrefix(strings.ToLower(s), "0x"); hex {
		s = "0x" + digits + "p0" // too large for an integer
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// ParseBase reads a whole number in a base from 2 to 36, and reports whether s is one. As in Lua 5.1, a number beyond
// 64 bits becomes the largest one.
func ParseBase(s string, base int) (float64, bool) {
	if len(s) > maxText {
		return 0, false
	}
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	if base == 16 && len(digits) > 2 && strings.EqualFold(digits[:2], "0x") {
		digits = digits[2:]
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	if negative {
		return -float64(n), true
	}
	return float64(n), true
}

// ToGo returns the Go form of a Lua number: an int if it is whole and exact, else a float64.
func ToGo(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return int(f)
	}
	return f
}
