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
		{RefuseSuspect, []any{"m1", "Orders"}, 503, "manager m1 had to fall back", "heals when all answer"},
		{RefuseReplacementUnfinished, []any{"Orders", "m1"}, 409, "without manager m1", `lost = "m1"`},
		{RefuseWrongCoordinator, []any{"Orders", "m1", "m2"}, 409, "manager m1 coordinates changes of Orders, not m2", ""},
		{RefuseStartStopped, []any{"orders-1"}, 500, "orders-1 was stopped while it started", ""},
		{RefuseStartFails, []any{"orders-1", "exit status 1"}, 500, "can't start: exit status 1", ""},
		{RefusePortTaken, []any{"10.0.0.11:7861", "is in use", "7862 is free"}, 409, "10.0.0.11:7861 is in use", "7862 is free"},
		{RefuseUnknownFolderInUse, []any{"/data/a", "Orders", 12}, 409, "process 12 runs in it", "end process 12, then"},
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
