package commit

import (
	"context"
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
	pretender := func(o *wire.OperationStatus) { o.Manager = "m0" }
	for name, test := range map[string]struct {
		message string
		reply   Reply
		state   State
		rows    string
		says    string
	}{
		"a vote for another operation":       {"2 prepare", op(wire.OperationPrepared, other), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", "answered about another operation"},
		"a vote in another's name":           {"2 prepare", op(wire.OperationPrepared, pretender), Aborted, "ROLLED BACK, ROLLED BACK, FAILED", "answered as manager m0, not as m2"},
		"no objection to another one":        {"2 preflight", op(wire.OperationUnknown, other), Refused, "SKIPPED, SKIPPED, FAILED", "another operation"},
		"the largest possible epoch":         {"2 preflight", op(wire.OperationUnknown, func(o *wire.OperationStatus) { o.Epoch = math.MaxUint64 }), Refused, "SKIPPED, SKIPPED, FAILED", "reports epoch 18446744073709551615"},
		"an epoch that is too high":          {"2 preflight", op(wire.OperationUnknown, func(o *wire.OperationStatus) { o.Epoch = wire.EpochStep }), Refused, "SKIPPED, SKIPPED, FAILED", "reports epoch 4294967296"},
		"refused for the largest epoch":      {"2 prepare", refuses(409, wire.CodeStaleEpoch, math.MaxUint64), Aborted, "ROLLED BACK, ROLLED BACK, ROLLED BACK", ""},
		"yes, then aborted":                  {"2 commit", op(wire.OperationAborted, nil), Committed, "SUCCESS, SUCCESS, FAILED", "reports the operation as aborted"},
		"yes, then unknown":                  {"2 commit", op(wire.OperationUnknown, nil), Committed, "SUCCESS, SUCCESS, FAILED", "reports the operation as unknown"},
		"yes, then still prepared":           {"2 commit", op(wire.OperationPrepared, nil), Committed, "SUCCESS, SUCCESS, FAILED", "reports the operation as pending"},
		"the coordinator: yes, then unknown": {"1 commit", op(wire.OperationUnknown, nil), Unknown, "FAILED, FAILED, FAILED", "reports the operation as unknown"},
		"the coordinator: another one":       {"1 commit", op(wire.OperationCommitted, other), Unknown, "FAILED, FAILED, FAILED", "answered about another operation"},
		"committed, and a refusal":           {"2 commit", Reply{Status: 200, Body: []byte(`{"state":"committed"`)}, Committed, "SUCCESS, SUCCESS, FAILED", "not one of the admin API"},
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
