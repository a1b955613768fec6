package runtime

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

// maxString is the length, in bytes, of the longest string that a library function makes.
const maxString = 64 << 20

func (h *Host) openStrings() {
	for name, fn := range map[string]lua.LGFunction{
		"find": h.stringFind, "match": h.stringMatch, "gmatch": h.stringGmatch, "gsub": h.stringGsub,
		"format": h.stringFormat, "rep": h.stringRep, "sub": h.stringSub, "byte": h.stringByte, "char": h.stringChar,
		"lower": h.stringLower, "upper": h.stringUpper,
	} {
		h.strings.RawSetString(name, h.main.NewFunction(fn))
	}
	h.strings.RawSetString("gfind", lua.LNil)
	h.strings.RawSetString("dump", lua.LNil)
	h.openStringOperators()
}

// limitString raises where a string would be too long.
func limitString(L *lua.LState, function string, length int) {
	if length > maxString {
		raiseUsage(L, "%s: the result is longer than %d MiB", function, maxString>>20)
	}
}

// textArgument is a string or number argument; errors and objects count as their text.
func textArgument(L *lua.LState, function string, i int) string {
	switch v := L.Get(i).(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return luanum.Format(float64(v))
	case *lua.LUserData:
		if _, ok := v.Value.(*Error); ok {
			return textOf(L, v)
		}
	}
	raiseUsage(L, "%s: argument %d: got %s, want string", function, i, typeName(L.Get(i)))
	return ""
}

func (h *Host) stringRep(L *lua.LState) int {
	s := textArgument(L, "string.rep", 1)
	L.CheckNumber(2)
	n := wholeArgument(L, 2, 0)
	if n <= 0 || s == "" {
		L.Push(lua.LString(""))
		return 1
	}
	if n > maxString {
		n = maxString + 1
	}
	limitString(L, "string.rep", len(s)*n)
	L.Push(lua.LString(strings.Repeat(s, n)))
	return 1
}

func (h *Host) concat(L *lua.LState) int {
	t, sep := L.CheckTable(1), L.OptString(2, "")
	first, last := L.OptInt(3, 1), L.OptInt(4, t.Len())
	var out strings.Builder
	for i := first; i <= last; i++ {
		v := t.RawGetInt(i)
		if !lua.LVCanConvToString(v) {
			raiseUsage(L, "table.concat: item %d: got %s, want string", i, typeName(v))
		}
		out.WriteString(textOf(L, v))
		if i < last {
			out.WriteString(sep)
		}
		limitString(L, "table.concat", out.Len())
	}
	L.Push(lua.LString(out.String()))
	return 1
}

// stringFormat is C's printf for Lua's values: %s takes any value as tostring shows it.
func (h *Host) stringFormat(L *lua.LState) int {
	format := textArgument(L, "string.format", 1)
	var out strings.Builder
	argument := 1
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			out.WriteString(format)
			break
		}
		out.WriteString(format[:i])
		format = format[i+1:]
		if strings.HasPrefix(format, "%") {
			out.WriteByte('%')
			format = format[1:]
			continue
		}
		flags := len(format) - len(strings.TrimLeft(format, "-+ #0"))
		end := flags + len(format[flags:]) - len(strings.TrimLeft(format[flags:], "0123456789."))
		if end == len(format) {
			raiseUsage(L, "string.format: the format ends within %%%s", format)
		}
		spec, verb := format[:end], format[end]
		format = format[end+1:]
		argument++
		if argument > L.GetTop() {
			raiseUsage(L, "string.format: argument %d is missing: %%%s%c has no value", argument, spec, verb)
		}
		if width, precision, _ := strings.Cut(spec[flags:], "."); len(width) > 2 || len(precision) > 2 {
			raiseUsage(L, "string.format: %%%s%c: width and precision have at most two digits", spec, verb)
		}
		out.WriteString(h.formatOne(L, spec, verb, argument))
		limitString(L, "string.format", out.Len())
	}
	L.Push(lua.LString(out.String()))
	return 1
}

func (h *Host) formatOne(L *lua.LState, spec string, verb byte, argument int) string {
	switch verb {
	case 's':
		return fmt.Sprintf("%"+spec+"s", textOf(L, L.Get(argument)))
	case 'q':
		return quote(textArgument(L, "string.format", argument))
	case 'd', 'i', 'u', 'c', 'x', 'X', 'o', 'e', 'E', 'f', 'g', 'G':
	default:
		raiseUsage(L, "string.format: %%%s%c is not a format", spec, verb)
	}
	f, ok := numeric(L.Get(argument))
	if !ok {
		raiseUsage(L, "string.format: argument %d: got %s, want number", argument, typeName(L.Get(argument)))
	}
	switch verb {
	case 'e', 'E', 'f', 'g', 'G':
		if math.IsInf(f, 0) || math.IsNaN(f) {
			width, _, _ := strings.Cut(strings.Trim(spec, "+ #0"), ".")
			return fmt.Sprintf("%"+width+"s", luanum.Format(f))
		}
		if !strings.Contains(spec, ".") && verb != 'f' {
			spec += ".6"
		}
		return fmt.Sprintf("%"+spec+string(verb), f)
	case 'c':
		return fmt.Sprintf("%"+spec+"s", string([]byte{byte(int(f))}))
	}
	if math.IsNaN(f) || f < -1<<63 || f >= 1<<64 || f >= 1<<63 && (verb == 'd' || verb == 'i') {
		raiseUsage(L, "string.format: argument %d: %s is not an integer", argument, luanum.Format(f))
	}
	if verb == 'd' || verb == 'i' {
		return fmt.Sprintf("%"+spec+"d", int64(f))
	}
	unsigned := uint64(int64(f)) // of what is negative, as C does
	if f >= 1<<63 {
		unsigned = uint64(f)
	}
	if verb == 'u' {
		verb = 'd'
	}
	return fmt.Sprintf("%"+spec+string(verb), unsigned)
}

// quote writes a string as Lua reads it.
func quote(s string) string {
	out := make([]byte, 0, len(s)+2)
	out = append(out, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		case c < ' ' || c == 0x7f:
			out = append(out, '\\')
			out = append(out, fmt.Sprintf("%03s", strconv.Itoa(int(c)))...)
		default:
			out = append(out, c)
		}
	}
	return string(append(out, '"'))
}
