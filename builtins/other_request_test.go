package builtins

import (
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

// A refusal answers only the request that was made: "no such store" about another request says nothing about the store.
func TestOtherRequest_RefusalIsNoAnswer(t *testing.T) {
	h := newHonest(t, "127.48.3.9")
	const (
		otherAction  = "answered about StopInstance:x, which was not requested"
		otherStore   = "answered about store U, which was not requested"
		otherRequest = "answered another request: something changed this one on its way"
		nothing      = "answered without naming the request"
		query        = `print(#get_store("T"))`
		remove       = `remove_store{"T", confirm = "T"}:check()`
		removeEach   = `remove_store{"S", confirm = "S", atomic = false}:check()`
	)
	removal := wire.ActionRequest{Action: wire.RemoveStoreAction, Store: "S"}
	forced := wire.ActionRequest{Action: wire.RemoveStoreAction, Store: "S", Force: true}
	for _, test := range []struct{ action, store, digest, call, want string }{
		{"GetStore", "T", "", query, "0"},
		{"GetStore", "T", "", remove, "There is no store T here"},
		{"StopInstance:x", "T", "", query, otherAction},
		{"StopInstance:x", "T", "", remove, otherAction},
		{"StopInstance:x", "S", "", removeEach, otherAction},
		{"Request", "", "", query, "answered about Request, which was not requested"},
		{"GetStore", "U", "", query, otherStore},
		{"GetStore", "", "", query, nothing},
		{"RemoveStore", "S", removal.Digest(), removeEach, "There is no store S here"},
		{"RemoveStore", "U", removal.Digest(), removeEach, otherStore},
		{"RemoveStore", "S", forced.Digest(), removeEach, otherRequest},
		{"RemoveStore", "S", "", removeEach, nothing},
	} {
		h.reset(func(kind string, a answered) answered {
			if kind == "missing" || kind == "delete" {
				r := wire.RefuseStoreNotFound.With("T")
				r.Action, r.Store, r.Digest = test.action, test.store, test.digest
				a.status, a.body = r.StatusCode, encode(r)
			}
			return a
		})
		shown := runAgainst(t, test.call, &hostile{Endpoint: h.Endpoint})
		absent := strings.Contains(test.want, "There is no store")
		if !strings.Contains(shown, test.want) || !absent && strings.Contains(shown, "SUCCESS") {
			t.Errorf("%s of %s, %s: want %q:\n%s", test.action, test.store, test.call, test.want, shown)
		}
	}
}
