package runtime

import (
	"fmt"
	"io"
	goruntime "runtime"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/lualib"
	"dkvrun/runtime/luanum"
)

// baseLibrary holds Lua's global functions.
type baseLibrary struct {
	conv     *converter
	compiler *compiler
	stdout   io.Writer
	attempt  attempt
	nextItem *lua.LFunction // iterator of ipairs
	nextKey  *lua.LFunction // iterator of pairs
}

// attempt calls a function without arguments. It returns false and what the function raised, if it raises an error.
type attempt func(L *lua.LState, fn *lua.LFunction) (results []lua.LValue, raised lua.LValue, ok bool)

func openBase(L *lua.LState, conv *converter, compiler *compiler, stdout io.Writer, attempt attempt) {
	b := &baseLibrary{conv: conv, compiler: compiler, stdout: stdout, attempt: attempt}
	b.nextItem, b.nextKey = L.NewFunction(b.item), L.NewFunction(b.next)
	globals := L.G.Global
	globals.RawSetString("next", b.nextKey)
	for name, fn := range map[string]lua.LGFunction{
		"assert": b.assert, "collectgarbage": collectGarbage, "error": raiseValue, "ipairs": b.ipairs, "load": b.load, "loadstring": b.loadstring,
		"pairs": b.pairs, "print": b.print, "rawget": b.rawget, "rawset": b.rawset, "select": selectValues,
		"setmetatable": setmetatable, "tonumber": tonumber, "tostring": tostring, "unpack": b.unpack,
	} {
		globals.RawSetString(name, L.NewFunction(fn))
	}
	for _, name := range []string{"dofile", "loadfile", "module", "newproxy", "_printregs", "_GOPHER_LUA_VERSION"} {
		globals.RawSetString(name, lua.LNil)
	}
}

// textOf returns the result of tostring.
func textOf(L *lua.LState, v lua.LValue) string {
	if n, ok := v.(lua.LNumber); ok {
		return luanum.Format(float64(n))
	}
	if fn, ok := L.GetMetaField(v, "__tostring").(*lua.LFunction); ok {
		L.Push(fn)
		L.Push(v)
		L.Call(1, 1)
		s := L.Get(-1)
		L.Pop(1)
		return s.String()
	}
	return v.String()
}

func badType(L *lua.LState, i int, want string) { lualib.BadType(L, i, want, typeName) }

// tostring returns a value as text, or what its __tostring returns.
func tostring(L *lua.LState) int {
	v := L.CheckAny(1)
	fn, ok := L.GetMetaField(v, "__tostring").(*lua.LFunction)
	if !ok {
		L.Push(lua.LString(textOf(L, v)))
		return 1
	}
	L.Push(fn)
	L.Push(v)
	L.Call(1, 1)
	return 1
}

func tonumber(L *lua.LState) int {
	v := L.CheckAny(1)
	if L.GetTop() > 1 && L.Get(2) != lua.LNumber(10) {
		base := lualib.WholeArgument(L, 2, 10)
		if base < 2 || base > 36 {
			L.ArgError(2, "base out of range: 2 to 36")
		}
		if !lua.LVCanConvToString(v) {
			badType(L, 1, "string")
		}
		if n, ok := luanum.ParseBase(strings.TrimSpace(textOf(L, v)), base); ok {
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
		if n, ok := luanum.Parse(strings.TrimSpace(string(v))); ok {
			L.Push(lua.LNumber(n))
		} else {
			L.Push(lua.LNil)
		}
	default:
		L.Push(lua.LNil)
	}
	return 1
}

// print writes its arguments as Format shows them, with tabs between them.
func (b *baseLibrary) print(L *lua.LState) int {
	parts := make([]string, L.GetTop())
	for i := range parts {
		v := L.Get(i + 1)
		if t, ok := v.(*lua.LTable); ok && L.GetMetaField(t, "__tostring") == lua.LNil {
			parts[i] = b.conv.show(t)
		} else {
			parts[i] = textOf(L, v)
		}
	}
	fmt.Fprintln(b.stdout, strings.Join(parts, "\t"))
	return 0
}

// assert raises its second argument if the first is false or nil. For an object, and a record or list with a Source, it
// raises the error of the object type's Assert.
func (b *baseLibrary) assert(L *lua.LState) int {
	v := L.CheckAny(1)
	if o := sourceOf(v); o != nil && o.ObjectType().Assert != nil {
		if err := o.ObjectType().Assert(o); err != nil {
			e := *asError(err)
			if e.Line == 0 {
				e.File, e.Line = position(L)
			}
			raise(L, &e)
		}
	}
	if lua.LVAsBool(v) {
		return L.GetTop()
	}
	switch message := L.Get(2).(type) {
	case *lua.LNilType:
		raiseText(L, "assertion failed!", 1)
	case lua.LString:
		if _, line, _ := b.compiler.splitPosition(string(message)); line > 0 {
			raiseText(L, string(message), 0)
		}
		raiseText(L, string(message), 1)
	default:
		L.Error(message, 1)
	}
	return 0
}

// raiseValue raises any value. It adds the position of the caller's level to a text.
func raiseValue(L *lua.LState) int {
	v, level := L.Get(1), lualib.WholeArgument(L, 2, 1)
	if s, ok := v.(lua.LString); ok {
		raiseText(L, string(s), level)
	}
	L.Error(v, level)
	return 0
}

// collectGarbage does what Go's garbage collector allows: a collection, and the memory in use in KiB.
func collectGarbage(L *lua.LState) int {
	option := lua.LValue(lua.LString("collect"))
	if L.Get(1) != lua.LNil {
		option = L.Get(1)
	}
	result := lua.LValue(lua.LNumber(0))
	switch option {
	case lua.LString("collect"):
		goruntime.GC()
	case lua.LString("step"):
		goruntime.GC()
		result = lua.LTrue
	case lua.LString("count"):
		var use goruntime.MemStats
		goruntime.ReadMemStats(&use)
		result = lua.LNumber(float64(use.HeapAlloc) / 1024)
	case lua.LString("stop"), lua.LString("restart"), lua.LString("setpause"), lua.LString("setstepmul"):
	default:
		if option.Type() != lua.LTString {
			badType(L, 1, "string")
		}
		L.ArgError(1, "invalid option '"+option.String()+"'")
	}
	L.Push(result)
	return 1
}

// selectValues implements select: the arguments from a position on, or their number.
func selectValues(L *lua.LState) int {
	n := L.GetTop() - 1
	if L.Get(1) == lua.LString("#") {
		L.Push(lua.LNumber(n))
		return 1
	}
	if L.Get(1) == lua.LNil {
		badType(L, 1, "number")
	}
	i := lualib.WholeArgument(L, 1, 0)
	if i < 0 {
		i += n + 1
	}
	if i < 1 {
		L.ArgError(1, "index out of range")
	}
	return max(0, n+1-i)
}

// setmetatable sets the metatable of a table. Other values have none, or one that all of their type share.
func setmetatable(L *lua.LState) int {
	t, ok := L.Get(1).(*lua.LTable)
	if !ok {
		badType(L, 1, "table")
	}
	mt := L.Get(2)
	if mt.Type() != lua.LTTable && (mt != lua.LNil || L.GetTop() < 2) {
		L.ArgError(2, "nil or table expected")
	}
	if L.GetMetaField(t, "__metatable") != lua.LNil {
		L.RaiseError("cannot change a protected metatable")
	}
	t.Metatable = mt
	L.SetTop(1)
	return 1
}

// load compiles a text, or the pieces of a text that a function returns.
func (b *baseLibrary) load(L *lua.LState) int {
	switch v := L.Get(1).(type) {
	case lua.LString:
		return b.chunk(L, string(v))
	case *lua.LFunction:
		src, raised, ok := b.pieces(L, v)
		if !ok {
			L.Push(lua.LNil)
			L.Push(raised)
			return 2
		}
		return b.chunk(L, src)
	}
	badType(L, 1, "string or function")
	return 0
}

// loadstring compiles a text.
func (b *baseLibrary) loadstring(L *lua.LState) int {
	text, ok := L.Get(1).(lua.LString)
	if !ok {
		badType(L, 1, "string")
	}
	return b.chunk(L, string(text))
}

// pieces calls a function until it returns nil or an empty text, and joins what it returned. It returns false and the
// error if the function raises one.
func (b *baseLibrary) pieces(L *lua.LState, reader *lua.LFunction) (src string, raised lua.LValue, ok bool) {
	var out strings.Builder
	for out.Len() <= MaxSource {
		results, raised, ok := b.attempt(L, reader)
		if !ok {
			return "", raised, false
		}
		if len(results) == 0 || results[0] == lua.LNil {
			break
		}
		piece, ok := results[0].(lua.LString)
		if !ok {
			return "", lua.LString("reader function must return a string"), false
		}
		if piece == "" {
			break
		}
		out.WriteString(string(piece))
	}
	return out.String(), nil, true
}

// chunkName returns the name of a chunk as messages show it, as in Lua 5.1: without a leading = or @, and otherwise as
// a source, of which the first line is shown, or its first 60 bytes.
func chunkName(name string) string {
	if name != "" && (name[0] == '=' || name[0] == '@') {
		return name[1:]
	}
	line, _, _ := strings.Cut(name, "\n")
	line = strings.ToValidUTF8(line[:min(len(line), 60)], "")
	if line != name {
		line += "..."
	}
	return `[string "` + line + `"]`
}

// chunk compiles a text with the name that is the second argument. It pushes the function, or nil and the error.
func (b *baseLibrary) chunk(L *lua.LState, src string) int {
	ctx := taskOf(L).context()
	fn, err := b.compiler.compileUntil(ctx, chunkName(L.OptString(2, "=(load)")), []byte(src))
	if err != nil && err == ctx.Err() {
		L.RaiseError("%v", err)
	}
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString(err.Error()))
		return 2
	}
	fn.Env = L.Env // setfenv(0, …) changes it
	L.Push(fn)
	return 1
}
