package runtime

import (
	"reflect"
	"sync"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// gopher-lua 1.1.2 allocates a thread's call stack in segments of 8 calls as it grows, but the list of the segments at
// once, for the largest stack. For 20,000 calls the list takes 20 KB, more than the rest of a task. So each thread
// begins with a list for callStackSize calls, and the instruction that calls a function extends a list that is almost
// full. Calls that Go code makes, of metamethods, iterators and callbacks, don't extend it.

const (
	// maxCalls limits how deep calls nest on a thread.
	maxCalls = 20_000
	// callStackSize is the number of calls that a new thread has room for.
	callStackSize = 256 + sparedCalls
	// sparedCalls is the number of calls that are left when a list is extended, and for the code that handles a stack
	// overflow.
	sparedCalls = 64
)

// callStack has the fields of gopher-lua's private type for a call stack in segments.
type callStack struct {
	segments []unsafe.Pointer
	last     uint16 // index of the last segment in use
	_        uint8
}

// registry has the fields of gopher-lua's private type for the values of a thread's calls.
type registry struct {
	values []lua.LValue
	_      int
	growBy int
	_      [4]int
}

// interfaceValue is the memory of a variable of an interface type.
type interfaceValue struct{ table, value unsafe.Pointer }

var (
	stackField, _    = reflect.TypeFor[lua.LState]().FieldByName("stack")
	registryField, _ = reflect.TypeFor[lua.LState]().FieldByName("reg")
	// growingStack identifies call stacks in segments. It is nil if this version of gopher-lua has other private
	// fields; calls then nest callStackSize deep.
	growingStack unsafe.Pointer
	// extendsStacks reports whether calls extend the lists of call stacks.
	extendsStacks bool
	// learnStacks sets growingStack and extendsStacks from the first host's state, and calls boundLists, so that a run
	// without Lua does not pay for it.
	learnStacks sync.Once
)

// growingStackOf returns what identifies the call stacks of L, which are in segments, or nil if they are not as known.
func growingStackOf(L *lua.LState) unsafe.Pointer {
	stack := reflect.ValueOf(L).Elem().FieldByIndex(stackField.Index).Elem().Type()
	if stack.Kind() != reflect.Pointer || !sameFields(stack.Elem(), reflect.TypeFor[callStack]()) ||
		!sameFields(registryField.Type.Elem(), reflect.TypeFor[registry]()) {
		return nil
	}
	return stackOf(L).table
}

func stackOf(L *lua.LState) *interfaceValue {
	return (*interfaceValue)(unsafe.Add(unsafe.Pointer(L), stackField.Offset))
}

func registryOf(L *lua.LState) *registry {
	return *(**registry)(unsafe.Add(unsafe.Pointer(L), registryField.Offset))
}

// instructions are gopher-lua's functions for the instructions of its virtual machine.
//
//go:linkname instructions github.com/yuin/gopher-lua.jumpTable
var instructions [lua.OP_NOP + 1]func(L *lua.LState, instruction uint32, base unsafe.Pointer) int

// replaceCall lets the instruction that calls a function extend the list of a call stack. It reports whether it could.
func replaceCall() bool {
	original := instructions[lua.OP_CALL]
	if original == nil || growingStack == nil {
		return false
	}
	instructions[lua.OP_CALL] = func(L *lua.LState, instruction uint32, base unsafe.Pointer) int {
		if s := stackOf(L); s.table == growingStack {
			stack := (*callStack)(s.value)
			if int(stack.last)+sparedCalls/lua.FramesPerSegment >= len(stack.segments) {
				stack.extend(L)
			}
		}
		return original(L, instruction, base)
	}
	return true
}

// extend makes room for twice as many calls, or raises an error.
func (s *callStack) extend(L *lua.LState) {
	const most = (maxCalls + sparedCalls) / lua.FramesPerSegment
	n := len(s.segments)
	if n >= most {
		if spared := int(s.last)+2 < n; !spared || !handlesError(L) {
			L.RaiseError(overflow+": calls nest deeper than %d", maxCalls)
		}
		return
	}
	segments := make([]unsafe.Pointer, min(2*n, most))
	copy(segments, s.segments)
	s.segments = segments
	reserve(L, 0)
}

// reserve lets the values of a thread's calls grow by half, and by n at least, once there is no room. Where gopher-lua
// adds a fixed number each time, the time to copy them grows with their square.
func reserve(L *lua.LState, n int) {
	if growingStack != nil {
		values := registryOf(L)
		values.growBy = max(values.growBy, len(values.values)/2, n)
	}
}

// hasGrown reports whether a thread takes far more memory than a new one.
func hasGrown(L *lua.LState) bool {
	const calls, values = callStackSize / lua.FramesPerSegment, 1 << 13
	return extendsStacks && (len((*callStack)(stackOf(L).value).segments) > calls || len(registryOf(L).values) > values)
}
