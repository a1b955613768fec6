package lualib

import (
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

type stringLibrary struct{ *Env }

func openStrings(L *lua.LState, e *Env) {
	t, lib := library(L, "string"), stringLibrary{e}
	for name, fn := range map[string]lua.LGFunction{
		"find": lib.find, "match": lib.match, "gmatch": lib.gmatch, "gsub": lib.gsub,
		"format": lib.format, "rep": lib.rep, "sub": lib.sub, "byte": lib.byte, "char": lib.char,
		"lower": lib.lower, "upper": lib.upper,
	} {
		t.RawSetString(name, L.NewFunction(fn))
	}
	t.RawSetString("gfind", t.RawGetString("gmatch"))
	t.RawSetString("dump", lua.LNil)
	lib.openOperators(L, t)
}

func (lib stringLibrary) rep(L *lua.LState) int {
	s := lib.textArgument(L, 1)
	numberArgument(L, 2)
	n := WholeArgument(L, 2, 0)
	if n <= 0 || s == "" {
		L.Push(lua.LString(""))
		return 1
	}
	n = min(n, lib.MaxString+1)
	lib.limitString(L, "string.rep", len(s)*n)
	L.Push(lua.LString(strings.Repeat(s, n)))
	return 1
}

// format implements C's printf for Lua values. %s accepts any value, as tostring shows it.
func (lib stringLibrary) format(L *lua.LState) int {
	format := lib.textArgument(L, 1)
	var out strings.Builder
	argument := 1
	for n := 1; ; n++ {
		checkStop(L, n)
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
			lib.Raise(L, "string.format: the format ends within %%%s", format)
		}
		spec, verb := format[:end], format[end]
		format = format[end+1:]
		argument++
		if argument > L.GetTop() {
			L.ArgError(argument, fmt.Sprintf("no value for %%%s%c", spec, verb))
		}
		if width, precision, _ := strings.Cut(spec[flags:], "."); len(width) > 2 || len(precision) > 2 {
			lib.Raise(L, "string.format: %%%s%c: width and precision have at most two digits", spec, verb)
		}
		out.WriteString(lib.formatOne(L, spec, verb, argument))
		lib.limitString(L, "string.format", out.Len())
	}
	L.Push(lua.LString(out.String()))
	return 1
}

func (lib stringLibrary) formatOne(L *lua.LState, spec string, verb byte, argument int) string {
	switch verb {
	case 's':
		if spec == "" {
			return lib.Text(L, L.Get(argument))
		}
		return fmt.Sprintf("%"+spec+"s", lib.Text(L, L.Get(argument)))
	case 'q':
		return lib.literal(L, lib.textArgument(L, argument))
	case 'd', 'i', 'u', 'c', 'x', 'X', 'o', 'e', 'E', 'f', 'g', 'G':
	default:
		lib.Raise(L, "invalid option '%%%s%c' to 'format'", spec, verb)
	}
	f, ok := numeric(L.Get(argument))
	if !ok {
		lib.badType(L, argument, "number")
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
		L.ArgError(argument, luanum.Format(f)+" is not an integer")
	}
	if verb == 'd' || verb == 'i' {
		return fmt.Sprintf("%"+spec+"d", int64(f))
	}
	unsigned := uint64(int64(f)) // of a negative number, as C does
	if f >= 1<<63 {
		unsigned = uint64(f)
	}
	if verb == 'u' {
		verb = 'd'
	}
	return fmt.Sprintf("%"+spec+string(verb), unsigned)
}

// literal returns a string as Lua 5.1 writes it for %q. A line break stays one, after a backslash.
func (lib stringLibrary) literal(L *lua.LState, s string) string {
	escapes := strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", "\\\n", "\r", `\r`, "\x00", `\000`)
	var out strings.Builder
	out.WriteByte('"')
	for len(s) > longText {
		out.WriteString(escapes.Replace(s[:longText]))
		s = s[longText:]
		lib.limitString(L, "string.format", out.Len())
		checkStop(L, 0)
	}
	out.WriteString(escapes.Replace(s))
	out.WriteByte('"')
	return out.String()
}

// Quote returns a string as a Lua literal on one line.
func Quote(s string) string {
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
			out = append(out, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		default:
			out = append(out, c)
		}
	}
	return string(append(out, '"'))
}
