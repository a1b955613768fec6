package wire

import (
	"strings"
	"testing"
	"time"
)

func TestRefusal_FillsInMessageAndHint(t *testing.T) {
	for _, c := range []struct {
		refusal       Refusal
		args          []any
		status        int
		message, hint string
	}{
		{RefuseStoreBusy, []any{"Orders", "alice", "noon", CreateAction, "op-1"}, 409,
			"Orders is being changed by alice since noon (CreateStore, operation op-1)", `repair_store("Orders") resolves`},
		{RefuseOperationAborted, []any{"op-1"}, 410, "operation op-1 was rolled back or timed out; nothing of it remains; run it again", ""},
		{RefuseSuspect, []any{"m1", "Orders"}, 503, "manager m1 had to fall back", "from its coordinator"},
		{RefuseReplacementUnfinished, []any{"Orders", "m1"}, 409, "without manager m1", `lost = "m1"`},
		{RefuseWrongCoordinator, []any{"Orders", "m1", "m2"}, 409, "manager m1 coordinates changes of Orders, not m2", ""},
		{RefuseCoordinatorAlive, []any{"m1", time.Second, time.Minute}, 409, "answered 1s ago", ""},
	} {
		r := c.refusal.With(c.args...)
		if r.StatusCode != c.status || r.Code != c.refusal.Code || r.Success {
			t.Errorf("%s: got %+v", c.refusal.Code, r)
		}
		if !strings.Contains(r.Message, c.message) || !strings.Contains(r.Hint, c.hint) ||
			strings.Contains(r.Message+r.Hint, "%!") {
			t.Errorf("%s: got %q, hint %q", c.refusal.Code, r.Message, r.Hint)
		}
	}
}
