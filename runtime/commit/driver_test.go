package commit

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

func TestDriver_Outcomes(t *testing.T) {
	full := refuses(503, wire.CodeReadOnly, 0)
	gone := refuses(410, wire.CodeOperationAborted, 0)
	cases := map[string]struct {
		answers  map[string][]Reply
		state    State
		rows     string
		messages string
		says     string
	}{
		"all vote": {
			nil, Committed, "SUCCESS, SUCCESS, SUCCESS",
			"1 prepare, 0 prepare, 2 prepare, 1 commit, 0 commit, 2 commit", "created on all of 3",
		},
		"the coordinator says no": {
			map[string][]Reply{"1 prepare": {refuses(409, wire.CodePortTaken, 0)}}, Aborted, "SKIPPED, FAILED, SKIPPED",
			"1 prepare, 1 abort", "nothing remains changed on any of 3",
		},
		"another says no": {
			map[string][]Reply{"2 prepare": {full}}, Aborted, "ROLLED BACK, ROLLED BACK, FAILED",
			"1 prepare, 0 prepare, 2 prepare, 1 abort, 0 abort, 2 abort", "nothing remains changed",
		},
		"another is silent": {
			map[string][]Reply{"0 prepare": {silent()}, "0 abort": {silent()}}, Aborted, "FAILED, ROLLED BACK, ROLLED BACK",
			"1 prepare, 0 prepare, 2 prepare, 1 abort, 0 abort, 2 abort", "nothing remains changed",
		},
		"the reply to the commit is lost": {
			map[string][]Reply{"1 commit": {silent(), says(wire.OperationStatus{State: wire.OperationCommitted})}}, Committed, "SUCCESS, SUCCESS, SUCCESS",
			"1 prepare, 0 prepare, 2 prepare, 1 commit, 1 commit, 0 commit, 2 commit", "created on all of 3",
		},
		"the coordinator has aborted it": {
			map[string][]Reply{"1 commit": {gone}}, Aborted, "ROLLED BACK, FAILED, ROLLED BACK",
			"1 prepare, 0 prepare, 2 prepare, 1 commit, 0 abort, 2 abort", "nothing remains changed",
		},
		"the coordinator has no record of it": {
			map[string][]Reply{"1 commit": {refuses(404, wire.CodeOperationNotFound, 0)}}, Unknown, "FAILED, FAILED, FAILED",
			"1 prepare, 0 prepare, 2 prepare, 1 commit", "has no record of the operation",
		},
		"the coordinator can't write the commit": {
			map[string][]Reply{"1 commit": {full}}, Aborted, "ROLLED BACK, FAILED, ROLLED BACK",
			"1 prepare, 0 prepare, 2 prepare, 1 commit, 1 abort, 0 abort, 2 abort", "nothing remains changed",
		},
		"the abort comes too late": {
			map[string][]Reply{"2 prepare": {full}, "1 abort": {says(wire.OperationStatus{State: wire.OperationCommitted})}}, Committed, "SUCCESS, SUCCESS, SUCCESS",
			"1 prepare, 0 prepare, 2 prepare, 1 abort, 0 commit, 2 commit", "created on all of 3",
		},
		"one misses the commit": {
			map[string][]Reply{"2 commit": {silent()}}, Committed, "SUCCESS, SUCCESS, FAILED",
			"1 prepare, 0 prepare, 2 prepare, 1 commit, 0 commit, 2 commit", "10.0.0.13:7801 follows by itself",
		},
		"a higher epoch was seen": {
			map[string][]Reply{"2 prepare": {refuses(409, wire.CodeStaleEpoch, 7),
				says(wire.OperationStatus{State: wire.OperationPrepared, Epoch: 8})}},
			Committed, "SUCCESS, SUCCESS, SUCCESS",
			"1 prepare, 0 prepare, 2 prepare, 1 prepare, 0 prepare, 2 prepare, 1 commit, 0 commit, 2 commit", "created on all of 3",
		},
		"all votes but for another epoch": {
			map[string][]Reply{"0 prepare": {says(wire.OperationStatus{State: wire.OperationPrepared, Epoch: 9})}}, Aborted, "FAILED, ROLLED BACK, ROLLED BACK",
			"1 prepare, 0 prepare, 2 prepare, 1 abort, 0 abort, 2 abort", "nothing remains changed",
		},
		"a vote for another epoch that stays": {
			map[string][]Reply{"0 prepare": {says(wire.OperationStatus{State: wire.OperationPrepared, Epoch: 9})},
				"0 abort": {refuses(409, wire.CodeStaleEpoch, 9)}}, Aborted, "FAILED, ROLLED BACK, ROLLED BACK",
			"1 prepare, 0 prepare, 2 prepare, 1 abort, 0 abort, 2 abort", "rolled back, and in doubt at 10.0.0.11:7801 until",
		},
		"a vote that stays": {
			map[string][]Reply{"0 prepare": {full}, "2 abort": {silent()}}, Aborted, "FAILED, ROLLED BACK, ROLLED BACK",
			"1 prepare, 0 prepare, 2 prepare, 1 abort, 0 abort, 2 abort", "rolled back, and in doubt at 10.0.0.13:7801 until",
		},
		"the coordinator's vote for another epoch that stays": {
			map[string][]Reply{"1 prepare": {says(wire.OperationStatus{State: wire.OperationPrepared, Epoch: 9})},
				"1 abort": {refuses(409, wire.CodeStaleEpoch, 9)}}, Unknown, "FAILED, FAILED, FAILED",
			"1 prepare, 1 abort", "unknown outcome: the coordinator 10.0.0.12:7801 refuses (stale_epoch)",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			for message, replies := range test.answers {
				w.answers[message] = replies
			}
			out := w.runner().Run(context.Background())
			if out.State != test.state || results(out) != test.rows {
				t.Errorf("state %d with %s, want %d with %s", out.State, results(out), test.state, test.rows)
			}
			if w.after() != test.messages {
				t.Errorf("sent %s\nwant %s", w.after(), test.messages)
			}
			if !strings.Contains(out.Summary, test.says) {
				t.Errorf("%q does not say %q", out.Summary, test.says)
			}
		})
	}
}

func TestDriver_SilentCoordinatorMeansUnknown(t *testing.T) {
	w := newWorld(t, 3)
	w.answers["1 commit"] = []Reply{silent()}
	out := w.runner().Run(context.Background())
	if out.State != Unknown || results(out) != "FAILED, FAILED, FAILED" {
		t.Errorf("state %d with %s", out.State, results(out))
	}
	for _, message := range w.sent {
		if strings.HasSuffix(message, "commit") && !strings.HasPrefix(message, "1 ") || strings.HasSuffix(message, "abort") {
			t.Errorf("sent %s, and the coordinator had not decided", message)
		}
	}
	if waited := w.now.Sub(newWorld(t, 1).now); waited < 25e9 || waited > 30e9 {
		t.Errorf("asked the coordinator for %s", waited)
	}
	if !strings.Contains(out.Summary, "the coordinator 10.0.0.12:7801 does not answer") {
		t.Error(out.Summary)
	}
}

func TestDriver_PreflightRefusesBeforeAnythingIsWritten(t *testing.T) {
	w := newWorld(t, 3)
	w.answers["0 preflight"] = []Reply{refuses(409, wire.CodePortTaken, 0)}
	w.answers["2 preflight"] = []Reply{silent()}
	out := w.runner().Run(context.Background())
	if out.State != Refused || results(out) != "FAILED, SKIPPED, FAILED" || w.after() != "" || out.Busy || out.Stale {
		t.Errorf("%+v, sent %s", out, w.after())
	}
}

func TestDriver_PreflightChecksClaims(t *testing.T) {
	for _, claims := range [][]string{{"orders-2"}, {}} {
		w := newWorld(t, 2)
		w.answers["0 preflight"] = []Reply{says(wire.OperationStatus{State: wire.OperationUnknown, Claims: claims})}
		out := w.runner().Run(context.Background())
		if out.State != Refused || !strings.Contains(results(out), "FAILED") || w.after() != "" {
			t.Errorf("claims %v: %s, sent %s", claims, results(out), w.after())
		}
	}
}

func TestDriver_BusyRowsAreNotFinal(t *testing.T) {
	busy := refuses(409, wire.CodeStoreBusy, 0)
	for message, want := range map[string]State{"0 preflight": Refused, "1 prepare": Aborted, "2 prepare": Aborted} {
		w := newWorld(t, 3)
		w.answers[message] = []Reply{busy}
		r := w.runner()
		r.OnRow = func(int, Row) { t.Errorf("%s: a row was shown", message) }
		if out := r.Run(context.Background()); !out.Busy || out.State != want {
			t.Errorf("%s: %+v", message, out)
		}
	}
}

func TestDriver_DryRunEndsAfterThePreflight(t *testing.T) {
	w := newWorld(t, 2)
	r := w.runner()
	r.Operation.DryRun = true
	if out := r.Run(context.Background()); out.State != DryRun || results(out) != "PLANNED, PLANNED" || w.after() != "" {
		t.Errorf("%+v, sent %s", out, w.after())
	}
}

func TestDriver_FailFastStopsAtTheFirstNo(t *testing.T) {
	w := newWorld(t, 3)
	w.answers["0 prepare"] = []Reply{refuses(409, wire.CodePortTaken, 0)}
	r := w.runner()
	r.FailFast = true
	out := r.Run(context.Background())
	if results(out) != "FAILED, ROLLED BACK, SKIPPED" || w.after() != "1 prepare, 0 prepare, 1 abort, 0 abort" {
		t.Errorf("%s, sent %s", results(out), w.after())
	}
}

func TestDriver_CancelledRunAborts(t *testing.T) {
	w := newWorld(t, 3)
	ctx, cancel := context.WithCancel(context.Background())
	r := w.runner()
	r.Transport = interrupt{w, cancel}
	out := r.Run(ctx)
	if out.State != Aborted || !strings.Contains(w.after(), "1 abort, 0 abort") {
		t.Errorf("%+v, sent %s", out, w.after())
	}
}

func TestDriver_CancelledPreflightBlamesNobody(t *testing.T) {
	w := newWorld(t, 3)
	ctx, cancel := context.WithCancel(context.Background())
	r := w.runner()
	r.Transport = stopped{cancel}
	out := r.Run(ctx)
	const want = "OrdersStore: nothing was changed on any of 3 managers: the run was stopped before " +
		"10.0.0.11:7801 and 10.0.0.12:7801 and 10.0.0.13:7801 answered"
	if out.State != Refused || out.Summary != want {
		t.Errorf("%s, %q", results(out), out.Summary)
	}
}

// stopped cancels the run while it waits for answers.
type stopped struct{ cancel context.CancelFunc }

func (s stopped) Send(_ context.Context, requests []Request, _ Send) []Reply {
	s.cancel()
	replies := make([]Reply, len(requests))
	for i := range replies {
		replies[i] = Reply{Class: "cancelled", Message: "cancelled before the answer arrived"}
	}
	return replies
}

// interrupt cancels the run when all have voted.
type interrupt struct {
	*world
	cancel context.CancelFunc
}

func (i interrupt) Send(ctx context.Context, requests []Request, how Send) []Reply {
	replies := i.world.Send(ctx, requests, how)
	if i.after() == "1 prepare, 0 prepare, 2 prepare" {
		i.cancel()
	}
	return replies
}

func TestDriver_RowsComeInTheManagersOrder(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		w := newWorld(t, 3)
		r := w.runner()
		r.Parallel = parallel
		var order []int
		r.OnRow = func(i int, _ Row) { order = append(order, i) }
		r.Run(context.Background())
		if want := map[bool]int{false: 0, true: 1}[parallel]; len(order) != 3 || order[0] != want {
			t.Errorf("parallel %v: %v", parallel, order)
		}
	}
}

func TestDriver_ResendsCommits(t *testing.T) {
	w := newWorld(t, 3)
	w.answers["2 commit"] = []Reply{silent(), says(wire.OperationStatus{State: wire.OperationCommitted})}
	r := w.runner()
	r.Run(context.Background())
	w.sent = make([]string, 3)
	if out := r.ResendCommit(context.Background()); results(out) != "SUCCESS, SUCCESS, SUCCESS" || w.after() != "2 commit" {
		t.Errorf("%s, sent %s", results(out), w.after())
	}
}

// A manager of an older version refuses a field that it does not know: the row says what to do.
func TestDriver_OlderManager(t *testing.T) {
	w := newWorld(t, 2)
	text, err := json.Marshal(wire.Result{StatusCode: 400, Code: wire.CodeBadRequest, Message: "clusterTls: " + wire.UnknownField})
	if err != nil {
		t.Fatal(err)
	}
	w.answers["1 preflight"] = []Reply{{Status: 400, Body: text, Attempts: 1}}
	out := w.runner().Run(context.Background())
	if out.State != Refused || out.Rows[1].Hint != wire.OlderManager || w.after() != "" {
		t.Errorf("%+v, sent %s", out, w.after())
	}
}
