package runtime

import (
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/rewrite"
)

// callFrame has the fields of gopher-lua's private type for an active call.
type callFrame struct {
	_      int
	fn     *lua.LFunction
	parent *callFrame
	pc     int // of the next instruction
	_      [3]int
	nargs  int
	_      [2]int
}

// knowsFrames is false if this version of gopher-lua has other frames. Messages then name fewer variables and fields.
var knowsFrames = sameFields(frameField.Type.Elem(), reflect.TypeFor[callFrame]())

// sameFields reports whether each named field of b is at the place of a field of a with the same kind.
func sameFields(a, b reflect.Type) bool {
	places := map[uintptr]reflect.Kind{}
	for i := range a.NumField() {
		places[a.Field(i).Offset] = a.Field(i).Type.Kind()
	}
	for i := range b.NumField() {
		if f := b.Field(i); f.Name != "_" && places[f.Offset] != f.Type.Kind() {
			return false
		}
	}
	return a.Size() == b.Size()
}

// currentFrame returns the innermost call of L, or nil.
func currentFrame(L *lua.LState) *callFrame {
	if !knowsFrames {
		return nil
	}
	return *(**callFrame)(unsafe.Add(unsafe.Pointer(L), frameField.Offset))
}

// instruction is an instruction of gopher-lua's virtual machine.
type instruction uint32

func (i instruction) op() int { return int(i >> 26) }
func (i instruction) a() int  { return int(i>>18) & 0xff }
func (i instruction) b() int  { return int(i) & 0x1ff }
func (i instruction) c() int  { return int(i>>9) & 0x1ff }
func (i instruction) bx() int { return int(i) & 0x3ffff }

// jump returns how far a jump goes, counted from the next instruction.
func (i instruction) jump() int { return i.bx() - 1<<17 + 1 }

// isConstant reports whether an operand is the constant that constantOf returns, and not a register.
func isConstant(operand int) bool { return operand&(1<<8) != 0 }

// current returns the instruction that a Lua function is at.
func (f *callFrame) current() instruction { return instruction(f.fn.Proto.Code[f.pc-1]) }

// name returns what the source calls the value in a register before the current instruction: "local 'x'",
// "field 'port'", or "" if it has no name there.
func (f *callFrame) name(register int) string {
	kind, name := nameOf(f.fn.Proto, f.pc-1, register)
	if name == "" {
		return ""
	}
	return kind + " '" + name + "'"
}

// nameOf returns what the source calls the value in a register before the instruction at pc, and which kind of name
// that is: local, global, field, method or upvalue.
func nameOf(proto *lua.FunctionProto, pc, register int) (kind, name string) {
	local, start, certain := rewrite.LocalAt(proto, pc, register)
	if local != "" && certain {
		return visibleName("local", local)
	}
	at := setter(proto, pc, register)
	if local != "" && at < start { // nothing else has used the register since
		return visibleName("local", local)
	}
	if at < 0 {
		return "", ""
	}
	switch i := instruction(proto.Code[at]); i.op() {
	case lua.OP_GETGLOBAL:
		kind, name = "global", constantText(proto, i.bx())
	case lua.OP_MOVE, lua.OP_MOVEN:
		if i.b() < i.a() {
			return nameOf(proto, at, i.b())
		}
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS:
		kind, name = "field", operandText(proto, i.c())
	case lua.OP_GETUPVAL:
		if i.b() < len(proto.DbgUpvalues) {
			kind, name = "upvalue", proto.DbgUpvalues[i.b()]
		}
	case lua.OP_SELF:
		if i.a() == register {
			kind, name = "method", operandText(proto, i.c())
		}
	}
	return visibleName(kind, name)
}

// visibleName returns no name for a variable that the compiler made.
func visibleName(kind, name string) (string, string) {
	if name == "" || name[0] == '(' && kind != "field" {
		return "", ""
	}
	return kind, name
}

func operandText(proto *lua.FunctionProto, operand int) string {
	if !isConstant(operand) {
		return ""
	}
	return constantText(proto, operand&^(1<<8))
}

func constantText(proto *lua.FunctionProto, i int) string {
	if i >= len(proto.Constants) {
		return ""
	}
	text, _ := proto.Constants[i].(lua.LString)
	return string(text)
}

// setter returns the index of the last instruction before end that sets a register, or -1. It follows jumps forward.
func setter(proto *lua.FunctionProto, end, register int) int {
	last := -1
	for pc := 0; pc < end; pc++ {
		i := instruction(proto.Code[pc])
		switch a := i.a(); i.op() {
		case lua.OP_LOADNIL:
			if a <= register && register <= i.b() {
				last = pc
			}
		case lua.OP_SELF:
			if register == a || register == a+1 {
				last = pc
			}
		case lua.OP_CALL, lua.OP_TAILCALL, lua.OP_VARARG:
			if register >= a {
				last = pc
			}
		case lua.OP_TFORLOOP:
			if register >= a+2 {
				last = pc
			}
		case lua.OP_FORLOOP, lua.OP_FORPREP:
			if register == a || register == a+3 {
				last = pc
			}
		case lua.OP_JMP:
			if to := pc + 1 + i.jump(); pc < to && to <= end {
				pc = to - 1
			}
		case lua.OP_SETLIST:
			if i.c() == 0 { // the next word is data
				pc++
			}
		case lua.OP_CLOSURE:
			if register == a {
				last = pc
			}
			pc += int(proto.FunctionPrototypes[i.bx()].NumUpvalues) // one instruction for each upvalue follows
		case lua.OP_SETGLOBAL, lua.OP_SETUPVAL, lua.OP_SETTABLE, lua.OP_SETTABLEKS, lua.OP_EQ, lua.OP_LT, lua.OP_LE,
			lua.OP_TEST, lua.OP_RETURN, lua.OP_CLOSE, lua.OP_NOP:
		default:
			if register == a {
				last = pc
			}
		}
	}
	return last
}

// calledName returns what the source calls the function of a call, and which kind of name that is. Both are empty if
// Go code called it.
func (f *callFrame) calledName() (kind, name string) {
	caller := f.parent
	if caller == nil || caller.fn.IsG {
		return "", ""
	}
	switch i := caller.current(); i.op() {
	case lua.OP_CALL, lua.OP_TAILCALL:
		return nameOf(caller.fn.Proto, caller.pc-1, i.a())
	}
	return "", ""
}
