package commit

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

// repair returns a Recovery of OrdersStore, which managers a, b and c keep. Manager a is the coordinator.
func (w *world) repair() *Recovery {
	r := &Recovery{Transport: w, Clock: w, Store: "OrdersStore", Names: w.names, Timeout: 60e9}
	r.Managers = keepers[:len(w.votes)]
	return r
}

var keepers = []wire.Manager{{Identity: "a", URL: "http://10.0.0.11:7801"}, {Identity: "b", URL: "http://10.0.0.12:7801"}, {Identity: "c", URL: "http://10.0.0.13:7801"}}

// has returns a reply with a manager's state of the store, changed by f.
func has(identity, change string, f func(*wire.StoreState)) Reply {
	s := wire.StoreState{Manager: identity, Store: "OrdersStore", Epoch: 3, Configuration: &wire.Configuration{
		Creation: "op-1", LastOperation: change, Revision: 2, Epoch: 3, Coordinator: "a", Managers: keepers,
	}}
	if f != nil {
		f(&s)
	}
	if s.Prepared != nil {
		s.Prepared.Manager = identity
	}
	text, _ := json.Marshal(s)
	return Reply{Status: 200, Body: text, Attempts: 1}
}

func holding(id string) func(*wire.StoreState) {
	return func(s *wire.StoreState) {
		s.Prepared = &wire.OperationStatus{ID: id, State: wire.OperationPrepared, Action: wire.AddInstanceAction, Owner: "alice",
			Coordinator: "a", Managers: keepers}
	}
}

func forgotten(s *wire.StoreState) { s.Configuration, s.Epoch = nil, 0 }

func (w *world) script(answers map[string][]Reply) *world {
	for message, replies := range answers {
		w.answers[message] = replies
	}
	return w
}

func TestRecovery_Resolve(t *testing.T) {
	done := func(s *wire.StoreState) {
		s.Decisions = []wire.OperationStatus{{ID: "op-9", State: wire.OperationAborted}}
	}
	moved := func(s *wire.StoreState) { s.Configuration.Managers = keepers[:2] }
	for name, test := range map[string]struct {
		b       []Reply // b's first state, then its answers to /settle
		state   State
		row     Result
		message string
		summary string
	}{
		"nothing was prepared": {[]Reply{has("b", "op-2", nil), has("b", "op-2", nil)}, Committed, Done, "Nothing was in doubt", "all of 2 asked managers agree; not asked: 10.0.0.13:7801"},
		"an operation ended":   {[]Reply{has("b", "op-2", holding("op-9")), has("b", "op-2", done)}, Committed, Done, "AddInstance: aborted", "resolved"},
		"an operation ended after a while": {
			[]Reply{has("b", "op-2", holding("op-9")), has("b", "op-2", holding("op-9")), has("b", "op-2", done)}, Committed, Done, "AddInstance: aborted", "resolved",
		},
		"an operation is still prepared": {[]Reply{has("b", "op-2", holding("op-9")), has("b", "op-2", holding("op-9"))}, Unknown, Failed, "by alice is still in progress", "not resolved at 1 of 2"},
		"one was behind":                 {[]Reply{has("b", "op-1", nil), has("b", "op-2", nil)}, Committed, Done, "Took revision 2 from the coordinator", "resolved"},
		"one had lost its vote":          {[]Reply{has("b", "", forgotten), has("b", "op-2", nil)}, Committed, Done, "Had lost the store; took revision 2", "resolved"},
		"one stays without the store":    {[]Reply{has("b", "", forgotten), has("b", "", forgotten)}, Unknown, Failed, "does not have the store", "not resolved"},
		"one stays behind":               {[]Reply{has("b", "op-1", nil), has("b", "op-1", nil)}, Unknown, Failed, "the coordinator 2 (op-2)", "not resolved"},
		"its coordinator is silent":      {[]Reply{has("b", "op-2", nil), refuses(409, wire.CodeCoordinatorSilent, 0)}, Unknown, Failed, "because of home_silent", "not resolved"},
		"one had another content":        {[]Reply{has("b", "op-2", moved), has("b", "op-2", nil)}, Committed, Done, "Had another content of revision 2; took the coordinator's: it lists other managers", "resolved"},
		"one keeps another content":      {[]Reply{has("b", "op-2", moved), has("b", "op-2", moved)}, Unknown, Failed, "another content than the coordinator: it lists other managers", "not resolved"},
		"another store is told of":       {[]Reply{has("b", "op-2", nil), has("b", "op-2", func(s *wire.StoreState) { s.Store = "PaymentsStore" })}, Unknown, Failed, `answered about store "PaymentsStore"`, "not resolved"},
		"another manager answers":        {[]Reply{has("b", "op-2", nil), has("c", "op-2", nil)}, Unknown, Failed, "answered as manager c, not as b", "not resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2).script(map[string][]Reply{
				"0 state": {has("a", "op-2", nil)}, "0 settle": {has("a", "op-2", nil)}, "1 state": test.b[:1], "1 settle": test.b[1:],
			})
			r := w.repair()
			r.Query(context.Background())
			out := r.Resolve(context.Background())
			if row := out.Rows[1]; out.State != test.state || row.Result != test.row ||
				!strings.Contains(row.Message, test.message) {
				t.Errorf("state %d, %+v", out.State, row)
			}
			if !strings.Contains(out.Summary, test.summary) {
				t.Errorf("%q does not say %q", out.Summary, test.summary)
			}
			if want := "to=b&home=http%3A%2F%2F10.0.0.11%3A7801"; w.last.Query != want {
				t.Errorf("asked with %q, want %q", w.last.Query, want)
			}
		})
	}
}

// lose replaces coordinator a. Managers b and c have answered as given.
func lose(t *testing.T, answers map[string][]Reply) (*world, *Outcome) {
	w := newWorld(t, 3).script(map[string][]Reply{
		"0 state": {silent()}, "1 state": {has("b", "op-2", nil)}, "2 state": {has("c", "op-2", holding("op-3"))},
		"1 settle": {refuses(409, wire.CodeCoordinatorSilent, 0)}, "2 settle": {refuses(409, wire.CodeCoordinatorSilent, 0)},
		"1 fence": {has("b", "op-3", nil)}, "2 fence": {has("c", "op-2", holding("op-3"))},
		"1 decide": {has("b", "op-3", nil)}, "2 decide": {has("c", "op-3", nil)},
	}).script(answers)
	r := w.repair()
	r.Query(context.Background())
	lost, found := r.Find("10.0.0.11")
	if !found || !r.IsCoordinator(lost.Identity) {
		t.Fatalf("found %v, %v", lost, found)
	}
	return w, r.ReplaceCoordinator(context.Background(), lost)
}

func (w *world) sentAny(verb string) bool {
	return strings.Contains(strings.Join(w.sent, ", "), " "+verb)
}

func TestRecovery_ReplacesWhenAllSurvivorsHaveFenced(t *testing.T) {
	w, out := lose(t, nil)
	if out.State != Committed || results(out) != "SUCCESS, SUCCESS, SUCCESS" || !strings.Contains(out.Summary, "on all of 2 managers") {
		t.Errorf("%+v", out)
	}
	// The lost manager is in the session.
	if row := out.Rows[0]; row.Code != wire.CodeUnchanged || row.Message != "Declared lost: its decisions no longer count" {
		t.Errorf("%+v", row)
	}
	if !strings.HasSuffix(strings.Join(w.sent, ", "), "1 fence, 2 fence, 1 decide, 2 decide") {
		t.Errorf("sent %v", w.sent)
	}
	var verdict wire.DecideRequest
	if err := json.Unmarshal(w.last.Body, &verdict); err != nil || verdict.Lost != "a" || verdict.Coordinator != "b" ||
		strings.Join(verdict.Committed, " ") != "op-3 op-2" {
		t.Errorf("%+v, %v", verdict, err)
	}
}

// Manager b has committed the removal of the store with the lost coordinator, and c is in doubt about it.
func TestRecovery_CarriesARemovalForward(t *testing.T) {
	removed := func(s *wire.StoreState) { s.Configuration, s.Removed = nil, "op-9" }
	waits := has("c", "op-2", holding("op-9"))
	w, out := lose(t, map[string][]Reply{
		"1 state": {has("b", "", removed)}, "1 settle": {has("b", "", removed)}, "1 fence": {has("b", "", removed)},
		"2 state": {waits}, "2 fence": {waits},
		"1 decide": {has("b", "", removed)}, "2 decide": {has("c", "", removed)},
	})
	var verdict wire.DecideRequest
	if err := json.Unmarshal(w.last.Body, &verdict); err != nil || out.State != Committed ||
		strings.Join(verdict.Committed, " ") != "op-9 op-2" {
		t.Errorf("%+v, %v, %+v", verdict, err, out)
	}
}

func TestRecovery_SuspectManagerIsNotTheNewCoordinator(t *testing.T) {
	w, out := lose(t, map[string][]Reply{"1 fence": {has("b", "op-3", func(s *wire.StoreState) { s.Suspect = true })}})
	var verdict wire.DecideRequest
	if err := json.Unmarshal(w.last.Body, &verdict); err != nil || verdict.Coordinator != "c" || out.State != Committed {
		t.Errorf("%+v, %v, %+v", verdict, err, out)
	}
}

func TestRecovery_DecidesNothingWithoutAllSurvivors(t *testing.T) {
	alive := refuses(409, wire.CodeCoordinatorAlive, 0)
	for name, answers := range map[string]map[string][]Reply{
		"one is silent": {"2 fence": {silent()}},
		"one has a recent answer of the coordinator": {"2 fence": {alive}},
	} {
		if w, out := lose(t, answers); out.State != Unknown || w.sentAny("decide") {
			t.Errorf("%s: %+v, sent %v", name, out, w.sent)
		}
	}
	if w, out := lose(t, map[string][]Reply{"2 fence": {alive, has("c", "op-2", holding("op-3"))}}); out.State != Committed || w.now.Unix() == 0 {
		t.Errorf("one has a recent answer of the coordinator: %+v", out)
	}
}

func TestRecovery_ReachableCoordinatorIsNotFenced(t *testing.T) {
	for name, answers := range map[string]map[string][]Reply{
		"this runner":                   {"0 state": {has("a", "op-2", nil)}},
		"the manager on 10.0.0.13:7801": {"2 settle": {has("c", "op-2", nil)}},
	} {
		if w, out := lose(t, answers); out.State != Refused || w.sentAny("fence") || !strings.Contains(out.Summary, "answers "+name) {
			t.Errorf("%s: %+v, sent %v", name, out, w.sent)
		}
	}
}

// Manager c has created another store of the name, with another coordinator, while b is in doubt about the lost one.
func TestRecovery_FollowersOfAnotherCoordinatorTakeNoPart(t *testing.T) {
	waits := func(s *wire.StoreState) {
		forgotten(s)
		holding("op-3")(s)
	}
	promised := func(s *wire.StoreState) {
		waits(s)
		s.Replacing = "a"
	}
	w, out := lose(t, map[string][]Reply{
		"1 state": {has("b", "", waits)}, "1 fence": {has("b", "", promised)}, "1 decide": {has("b", "", forgotten)},
		"2 state": {has("c", "op-7", func(s *wire.StoreState) { s.Configuration.Coordinator = "c" })},
	})
	if out.State != Committed || results(out) != "SUCCESS, SUCCESS, SUCCESS" || strings.Contains(strings.Join(w.sent, ", "), "2 fence") {
		t.Errorf("%+v, sent %v", out, w.sent)
	}
}

func TestRecovery_SuspectManagerMayCoordinateANameWithoutStore(t *testing.T) {
	suspect := func(s *wire.StoreState) {
		forgotten(s)
		s.Suspect = true
	}
	w, out := lose(t, map[string][]Reply{
		"1 state": {has("b", "", holding("op-3"))}, "1 fence": {has("b", "", suspect)}, "2 fence": {has("c", "", suspect)},
	})
	var verdict wire.DecideRequest
	if err := json.Unmarshal(w.last.Body, &verdict); err != nil || len(verdict.Committed) > 0 || out.State != Committed {
		t.Errorf("%+v, %v, %+v", verdict, err, out)
	}
}

func TestRecovery_NeedsASurvivor(t *testing.T) {
	w := newWorld(t, 1).script(map[string][]Reply{
		"0 state": {has("a", "op-2", func(s *wire.StoreState) { s.Suspect, s.Configuration.Managers = true, keepers[:1] })},
	})
	r := w.repair()
	r.Query(context.Background())
	if out := r.ReplaceCoordinator(context.Background(), keepers[0]); out.State != Refused ||
		!strings.Contains(out.Summary, "no other manager keeps it") || w.sentAny("fence") {
		t.Errorf("%+v", out)
	}
}

func TestRecovery_SurvivorMustBeConnected(t *testing.T) {
	w := newWorld(t, 2).script(map[string][]Reply{"0 state": {silent()}, "1 state": {has("b", "op-2", nil)}})
	r := w.repair()
	r.Query(context.Background())
	if out := r.ReplaceCoordinator(context.Background(), keepers[0]); out.State != Refused ||
		!strings.Contains(out.Summary, "10.0.0.13:7801 keeps the store too") || w.sentAny("fence") {
		t.Errorf("%+v", out)
	}
}
