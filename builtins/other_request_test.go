package builtins

import (
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

// A refusal answers only the request that was made: "no such store" about another request says nothing about the store.
func TestOtherRequest_RefusalIsNoAnswer(t *testing.T) {
	h := newHonest(t, "127.48.3.9")
	const other = "answered about StopInstance:x, which was not requested"
	for _, test := range []struct{ action, call, want string }{
		{"GetStore", `print(#get_store("T"))`, "0"},
		{"GetStore", `remove_store{"T", confirm = "T"}:check()`, "There is no store T here"},
		{"StopInstance:x", `print(#get_store("T"))`, other},
		{"StopInstance:x", `remove_store{"T", confirm = "T"}:check()`, other},
		{"StopInstance:x", `remove_store{"T", confirm = "T", atomic = false}:check()`, other},
		{"Request", `print(#get_store("T"))`, "answered about Request, which was not requested"},
	} {
		h.reset(func(kind string, a answered) answered {
			if kind == "missing" || kind == "delete" {
				r := wire.RefuseStoreNotFound.With("T")
				r.Action = test.action
				a.status, a.body = r.StatusCode, encode(r)
			}
			return a
		})
		shown := runAgainst(t, test.call, &hostile{Endpoint: h.Endpoint})
		if !strings.Contains(shown, test.want) || test.action != "GetStore" && strings.Contains(shown, "SUCCESS") {
			t.Errorf("%s, %s: want %q:\n%s", test.action, test.call, test.want, shown)
		}
	}
}
