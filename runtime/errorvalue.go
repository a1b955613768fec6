package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// errorToLua makes the userdata that a script catches: it has fields, and works as its own text in
// tostring, in .. and for the methods of strings (err:find("refused")).
func (h *Host) errorToLua(e *Error) *lua.LUserData {
	ud := h.main.NewUserData()
	ud.Value = e
	ud.Metatable = h.errorMeta
	return ud
}

func (h *Host) newErrorMetatable() *lua.LTable {
	L := h.main
	mt := L.CreateTable(0, 4)
	mt.RawSetString("__metatable", lua.LString("error"))
	mt.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString(L.CheckUserData(1).Value.(*Error).Error()))
		return 1
	}))
	mt.RawSetString("__concat", L.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString(h.text(L, L.Get(1)) + h.text(L, L.Get(2))))
		return 1
	}))
	mt.RawSetString("__index", L.NewFunction(h.errorField))
	return mt
}

var errorFields = []string{"code", "file", "hint", "line", "message", "traceback"}

func (h *Host) errorField(L *lua.LState) int {
	e, key := L.CheckUserData(1).Value.(*Error), L.Get(2)
	switch key {
	case lua.LString("message"):
		L.Push(lua.LString(e.Message))
	case lua.LString("hint"):
		L.Push(lua.LString(e.Hint))
	case lua.LString("code"):
		L.Push(lua.LString(e.Code))
	case lua.LString("file"):
		L.Push(lua.LString(e.File))
	case lua.LString("line"):
		L.Push(lua.LNumber(e.Line))
	case lua.LString("traceback"):
		L.Push(lua.LString(e.Traceback))
	default:
		method, ok := h.strings.RawGet(key).(*lua.LFunction)
		if !ok {
			h.raise(L, h.noField(L, "error", key, errorFields))
		}
		L.Push(L.NewFunction(func(L *lua.LState) int {
			L.Insert(method, 1)
			L.Replace(2, lua.LString(h.text(L, L.Get(2))))
			L.Call(L.GetTop()-1, lua.MultRet)
			return L.GetTop()
		}))
	}
	return 1
}
