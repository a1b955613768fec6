package rewrite

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// for k, v in next, t: gopher-lua 1.1.2 leaves the control variable of a generic for loop unset when the loop has
// fewer than three values and variables. The loop then starts after the key that an earlier value in the same register
// happens to be (issue #514, pull request #528). A loop over one call, such as pairs(t), isn't affected.
//
// initLoop gives such a loop three variables, so that gopher-lua sets all registers of the loop.
func initLoop(s *ast.GenericForStmt) {
	if len(s.Exprs) == 1 && mayGiveSeveral(s.Exprs[0]) {
		return
	}
	for n := len(s.Names) + 1; n <= 3; n++ {
		s.Names = append(s.Names, fmt.Sprintf("(name %d)", n)) // can't be a name in a script
	}
}

// loopLocals stand for the registers that a loop uses besides its variables.
var loopLocals = []string{"(loop)", "(loop)", "(loop)"}
