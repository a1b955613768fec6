package builtins

import (
	"fmt"

	"dkvrun/runtime"
)

// unseen holds the results whose failures the script has not looked at.
type unseen struct{ list []*Results }

func (u *unseen) first() *Results {
	for len(u.list) > 0 {
		if r := u.list[0]; !r.looked() {
			return r
		}
		u.list = u.list[1:]
	}
	return nil
}

// mayAct refuses an action while an earlier failure stands that nothing has looked at: a script that
// doesn't look must not go on as if all were well.
func (r *Run) mayAct(c *runtime.Call) error {
	if r.KeepGoing {
		return nil
	}
	before := r.unseen.first()
	if before == nil {
		return nil
	}
	return &runtime.Error{
		File: before.file, Line: before.line, Code: "overlooked",
		Message: fmt.Sprintf("%s, and nothing looked at it: not running %s (line %d)", before.summary(), c.Name, c.Line),
		Hint:    fmt.Sprintf("look at what %s returns (ok, failed, check()), or wrap it in assert(…)", before.builtin),
	}
}
