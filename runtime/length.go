package runtime

import (
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/lualib"
)

// baseField is the index, among the values of a thread's calls, of the first register of a call.
var baseField, _ = frameField.Type.Elem().FieldByName("LocalBase")

// boundLists sets lua.MaxArrayIndex to lualib.MaxArrayIndex, and lets the instruction of the operator # count the items
// of longer lists, too. It does nothing for a version of gopher-lua with other private fields.
func boundLists() {
	original := instructions[lua.OP_LEN]
	if original == nil || growingStack == nil || baseField.Type != reflect.TypeFor[int]() {
		return
	}
	lua.MaxArrayIndex = lualib.MaxArrayIndex
	instructions[lua.OP_LEN] = func(L *lua.LState, instruction uint32, base unsafe.Pointer) int {
		first := *(*int)(unsafe.Add(*framePointer(L), baseField.Offset))
		operand := int(instruction & 0x1ff)
		if operand >= 1<<8 { // a constant
			return original(L, instruction, base)
		}
		t, isTable := registryOf(L).values[first+operand].(*lua.LTable) // the result may replace it
		outcome := original(L, instruction, base)
		if !isTable {
			return outcome
		}
		result := &registryOf(L).values[first+int(instruction>>18&0xff)]
		if n, ok := (*result).(lua.LNumber); ok && n == lualib.MaxArrayIndex-1 && L.GetMetaField(t, "__len") == lua.LNil {
			*result = lua.LNumber(lualib.Length(t))
		}
		return outcome
	}
}
