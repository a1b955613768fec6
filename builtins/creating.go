package builtins

import (
	"cmp"
	"fmt"
	"time"

	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

// beingMade is the change that managers have voted for of a store that none of them has; nil where there is
// none. It takes another question to them.
func (r *Run) beingMade(c *runtime.Call, v *view) *wire.Operation {
	var there []member
	for _, s := range v.sightings {
		if s.row.Success {
			there = append(there, s.member)
		}
	}
	all, err := r.askOf(c, there, wire.StatePath(v.name))
	if err != nil {
		return nil
	}
	for _, h := range all {
		var s wire.StoreState
		if h.decode(&s) && s.Pending != nil {
			return s.Pending
		}
	}
	return nil
}

// making says who makes a store, and since when.
func making(store string, op *wire.Operation) string {
	text := fmt.Sprintf("%s is still being created by %s", store, cmp.Or(op.Owner, "a runner"))
	if op.Since != nil {
		text += " since " + op.Since.UTC().Format(time.RFC3339)
	}
	return text + fmt.Sprintf(" (operation %s)", op.ID)
}

// notThere is the error for a store that no manager has; one that is being created is said to be.
func (r *Run) notThere(c *runtime.Call, v *view) error {
	if op := r.beingMade(c, v); op != nil {
		return stillMade(c, v, op)
	}
	return v.unknownStore(c)
}

func stillMade(c *runtime.Call, v *view, op *wire.Operation) error {
	err := c.Errorf(wire.CodeStoreBusy, "%s: %s", c.Name, making(v.name, op))
	err.Hint = fmt.Sprintf("try again when it is done; repair_store(%q) settles what was left behind", v.name)
	return err
}
