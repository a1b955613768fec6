package commit

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

// Answers that contradict the protocol, from faulty managers or proxies, count as no answers.
func TestDriver_InvalidAnswers(t *testing.T) {
	op := func(state wire.OperationState, change func(*wire.OperationStatus)) Reply {
		o := wire.OperationStatus{State: state, Epoch: 1}
		if change != nil {
			change(&o)
		}
		return says(o)
	}
	other := func(o *wire.OperationStatus) { o.ID = "another" }
	content := func(o *wire.OperationStatus) { o.Digest, o.Store = "00ff", "OrdersStore" }
	store := func(o *wire.OperationStatus) { o.Store = "PaymentsStore" }
	action := func(o *wire.OperationStatus) { o.Action = wire.RemoveStoreAction }
	epoch := func(o *wire.OperationStatus) { o.Epoch = 99 }
	largest := func(o *wire.OperationStatus) { o.Epoch = math.MaxUint64 }
	tooHigh := func(o *wire.OperationStatus) { o.Epoch = wire.EpochStep }
	pretender := func(o *wire.OperationStatus) { o.Manager = "m0" }
	for name, test := range map[string]struct {
		message string
		reply   Reply
		state   State
		rows    string
		says    string
	}{
		"a vote for another operation":              {"2 prepare", op(wire.OperationPrepared, other), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", "answered about another operation"},
		"a vote in another's name":                  {"2 prepare", op(wire.OperationPrepared, pretender), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", "answered as manager m0, not as m2"},
		"no objection to another one":               {"2 preflight", op(wire.OperationUnknown, other), Refused, "SKIPPED, SKIPPED, FAILED", "another operation"},
		"the largest possible epoch":                {"2 preflight", op(wire.OperationUnknown, largest), Refused, "SKIPPED, SKIPPED, FAILED", "reports epoch 18446744073709551615"},
		"an epoch that is too high":                 {"2 preflight", op(wire.OperationUnknown, tooHigh), Refused, "SKIPPED, SKIPPED, FAILED", "reports epoch 4294967296"},
		"refused for the largest epoch":             {"2 prepare", refuses(409, wire.CodeStaleEpoch, math.MaxUint64), Aborted, "ROLLED BACK, ROLLED BACK, ROLLED BACK", ""},
		"yes, then aborted":                         {"2 commit", op(wire.OperationAborted, nil), Committed, "SUCCESS, SUCCESS, FAILED", "reports the operation as aborted"},
		"yes, then unknown":                         {"2 commit", op(wire.OperationUnknown, nil), Committed, "SUCCESS, SUCCESS, FAILED", "reports the operation as unknown"},
		"yes, then still prepared":                  {"2 commit", op(wire.OperationPrepared, nil), Committed, "SUCCESS, SUCCESS, FAILED", "reports the operation as pending"},
		"the coordinator: yes, then unknown":        {"1 commit", op(wire.OperationUnknown, nil), Unknown, "FAILED, FAILED, FAILED", "reports the operation as unknown"},
		"the coordinator: another one":              {"1 commit", op(wire.OperationCommitted, other), Unknown, "FAILED, FAILED, FAILED", "answered about another operation"},
		"committed, and a refusal":                  {"2 commit", Reply{Status: 200, Body: []byte(`{"state":"committed"`)}, Committed, "SUCCESS, SUCCESS, FAILED", "not one of the admin API"},
		"a vote for another content":                {"2 prepare", op(wire.OperationPrepared, content), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", "the request was changed on its way"},
		"a vote for another store":                  {"2 prepare", op(wire.OperationPrepared, store), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", `has store "PaymentsStore" in the operation, not OrdersStore`},
		"the coordinator votes for another content": {"1 prepare", op(wire.OperationPrepared, content), Aborted, "SKIPPED, FAILED, SKIPPED", "the request was changed on its way"},
		"another content is checked":                {"2 preflight", op(wire.OperationUnknown, content), Refused, "SKIPPED, SKIPPED, FAILED", "has another content"},
		"another content is committed":              {"2 commit", op(wire.OperationCommitted, content), Committed, "SUCCESS, SUCCESS, FAILED", "has another content"},
		"another store is committed":                {"2 commit", op(wire.OperationCommitted, store), Committed, "SUCCESS, SUCCESS, FAILED", "PaymentsStore"},
		"the coordinator commits another content":   {"1 commit", op(wire.OperationCommitted, content), Unknown, "FAILED, FAILED, FAILED", "has another content"},
		"a vote for another action":                 {"2 prepare", op(wire.OperationPrepared, action), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", `has action "RemoveStore" in the operation, not CreateStore`},
		"a vote at another epoch":                   {"2 prepare", op(wire.OperationPrepared, epoch), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", "has the operation at epoch 99, not 1"},
		"the coordinator votes at another epoch":    {"1 prepare", op(wire.OperationPrepared, epoch), Aborted, "SKIPPED, FAILED, SKIPPED", "has the operation at epoch 99, not 1"},
		"another action is committed":               {"2 commit", op(wire.OperationCommitted, action), Committed, "SUCCESS, SUCCESS, FAILED", "RemoveStore"},
		"another epoch is committed":                {"2 commit", op(wire.OperationCommitted, epoch), Committed, "SUCCESS, SUCCESS, FAILED", "at epoch 99"},
		"the coordinator commits another epoch":     {"1 commit", op(wire.OperationCommitted, epoch), Unknown, "FAILED, FAILED, FAILED", "at epoch 99"},
		"aborted instead of a vote":                 {"2 prepare", op(wire.OperationAborted, nil), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", "had aborted the operation already"},
		"the coordinator: aborted instead":          {"1 prepare", op(wire.OperationAborted, nil), Aborted, "SKIPPED, FAILED, SKIPPED", "had aborted the operation already"},
		"unknown instead of a vote":                 {"2 prepare", op(wire.OperationUnknown, nil), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", "reports the operation as unknown when it is asked for its vote"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			w.answers[test.message] = []Reply{test.reply}
			out := w.runner().Run(context.Background())
			if out.State != test.state || results(out) != test.rows {
				t.Errorf("state %d with %s, want %d with %s", out.State, results(out), test.state, test.rows)
			}
			var said []string
			for _, row := range out.Rows {
				said = append(said, row.Message)
			}
			if !strings.Contains(strings.Join(said, "\n"), test.says) {
				t.Errorf("%q does not say %q", said, test.says)
			}
		})
	}
}

// "Rolled back" is said only after the coordinator has said so about this operation, in its own name.
func TestDriver_RefusalsOfTheCommit(t *testing.T) {
	named := func(id, manager string) Reply {
		r := wire.RefuseOperationAborted.With(id)
		r.OperationID, r.Manager = id, manager
		text, _ := json.Marshal(r)
		return Reply{Status: 410, Body: text, Attempts: 1}
	}
	gone, unknown := refuses(410, wire.CodeOperationAborted, 0), refuses(404, wire.CodeOperationNotFound, 0)
	committed := says(wire.OperationStatus{State: wire.OperationCommitted})
	pending := says(wire.OperationStatus{State: wire.OperationPrepared})
	none := says(wire.OperationStatus{State: wire.OperationUnknown})
	for name, test := range map[string]struct {
		older   bool
		answers map[string][]Reply
		state   State
		tail    string // the messages after the votes
	}{
		"its own":                        {false, map[string][]Reply{"1 commit": {gone}}, Aborted, "1 commit, 0 abort, 2 abort"},
		"about another operation":        {false, map[string][]Reply{"1 commit": {named("op-9", "a"), committed}}, Committed, "1 commit, 1 commit, 0 commit, 2 commit"},
		"another manager's":              {false, map[string][]Reply{"1 commit": {named("op", "m2"), committed}}, Committed, "1 commit, 1 commit, 0 commit, 2 commit"},
		"without names, and it is false": {true, map[string][]Reply{"1 commit": {gone}, "1 op": {committed}}, Committed, "1 commit, 1 op, 0 commit, 2 commit"},
		"without names, and it is true":  {true, map[string][]Reply{"1 commit": {gone}}, Aborted, "1 commit, 1 op, 0 abort, 2 abort"},
		"without names, too early":       {true, map[string][]Reply{"1 commit": {gone, committed}, "1 op": {pending}}, Committed, "1 commit, 1 op, 1 commit, 0 commit, 2 commit"},
		"without names, then silence":    {true, map[string][]Reply{"1 commit": {gone, committed}, "1 op": {silent()}}, Committed, "1 commit, 1 op, 1 commit, 0 commit, 2 commit"},
		"forgotten, and it is false":     {true, map[string][]Reply{"1 commit": {unknown}, "1 op": {committed}}, Committed, "1 commit, 1 op, 0 commit, 2 commit"},
		"forgotten, and it is true":      {true, map[string][]Reply{"1 commit": {unknown}, "1 op": {none}}, Unknown, "1 commit, 1 op"},
		"with the wrong status": {false, map[string][]Reply{"1 commit": {refuses(409, wire.CodeOperationAborted, 0), committed}}, Committed,
			"1 commit, 1 commit, 0 commit, 2 commit"},
		"read-only, and it has committed": {true, map[string][]Reply{"1 commit": {refuses(503, wire.CodeReadOnly, 0)}, "1 op": {committed}}, Committed,
			"1 commit, 1 op, 0 commit, 2 commit"},
		"read-only, and it has not": {true, map[string][]Reply{"1 commit": {refuses(503, wire.CodeReadOnly, 0)}, "1 op": {pending}}, Aborted,
			"1 commit, 1 op, 1 abort, 0 abort, 2 abort"},
		"an abort that is refused, and it has aborted": {true, map[string][]Reply{"2 prepare": {silent()}, "1 abort": {refuses(409, wire.CodeStaleEpoch, 9)}}, Aborted,
			"1 abort, 1 op, 0 abort, 2 abort"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3).script(test.answers)
			w.older = test.older
			out := w.runner().Run(context.Background())
			if tail := strings.TrimPrefix(w.after(), "1 prepare, 0 prepare, 2 prepare, "); out.State != test.state || tail != test.tail {
				t.Errorf("state %d, want %d\nsent %s\nwant %s\n%s", out.State, test.state, tail, test.tail, out.Summary)
			}
		})
	}
}

// However short the time limit is, the coordinator is asked again after one missing answer.
func TestDriver_CoordinatorIsAskedTwice(t *testing.T) {
	w := newWorld(t, 3).script(map[string][]Reply{
		"1 commit": {silent(), says(wire.OperationStatus{State: wire.OperationCommitted})},
	})
	r := w.runner()
	r.DecideTimeout = 0
	if out := r.Run(context.Background()); out.State != Committed {
		t.Errorf("state %d: %s", out.State, out.Summary)
	}
}

// The summary does not say "does not answer" about a coordinator whose answer is invalid.
func TestDriver_GarbageIsNotSilence(t *testing.T) {
	w := newWorld(t, 3).script(map[string][]Reply{"1 commit": {{Status: 200, Body: []byte("SSH-2.0")}}})
	if out := w.runner().Run(context.Background()); out.State != Unknown || strings.Contains(out.Summary, "does not answer") ||
		!strings.Contains(out.Summary, "the coordinator 10.0.0.12:7801 gives no valid answer") {
		t.Errorf("state %d: %s", out.State, out.Summary)
	}
}

// Encoding as JSON replaces bytes that are not UTF-8; the driver compares the digest of the content as managers decode
// it.
func TestDriver_DigestIsOfWhatIsSent(t *testing.T) {
	w := newWorld(t, 2)
	r := w.runner()
	r.Operation.Owner = "alice\xff@ops"
	if out := r.Run(context.Background()); out.State != Committed {
		t.Errorf("state %d: %s", out.State, out.Summary)
	}
}
