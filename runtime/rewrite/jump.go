package rewrite

import lua "github.com/yuin/gopher-lua"

// A jump of gopher-lua 1.1.2 reaches 131,071 instructions. For a longer one, some statements report "too long to jump."
// and others compile a jump to a wrong place. No upstream issue is known. Compile refuses functions that are so long
// that they could contain such a jump.

// maxInstructions limits the instructions of a function.
const maxInstructions = 1 << 17

const tooLong = "a function of more than %d instructions, or the main chunk: divide it"

// overlong returns the line of the first function with too many instructions, or 0.
func overlong(proto *lua.FunctionProto) int {
	if len(proto.Code) >= maxInstructions {
		return max(1, proto.LineDefined)
	}
	for _, inner := range proto.FunctionPrototypes {
		if line := overlong(inner); line > 0 {
			return line
		}
	}
	return 0
}
