package rewrite

import lua "github.com/yuin/gopher-lua"

const (
	// maxInstructions is how many a function may have: jumps over more go astray.
	maxInstructions = 1 << 17
)

const tooLong = "a function of more than %d instructions, or the main chunk: divide it"

// overlong is the line of the first function that has too many instructions, 0 for none.
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
