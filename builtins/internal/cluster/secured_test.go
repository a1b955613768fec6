package cluster

import (
	"encoding/json"
	"strings"
	"testing"

	"dkvrun/builtins/report"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// TestReadResult_Secured reads the refusals of secured managers: who the caller is, and what to do.
func TestReadResult_Secured(t *testing.T) {
	asked := Asked{Operation: "GetStores"}
	for _, c := range []struct {
		refusal       *wire.Result
		action, who   string
		message, hint string
	}{
		{wire.RefuseTLSRequired.With("prod"), "Request", "", "this manager is secured",
			"use a credential of cluster prod; run dkvmanager credential --name YOU"},
		{wire.RefuseNotAuthenticated.With("prod", "it has expired"), "GetStores", "dkv://user.prod/ci", "it has expired",
			"for a new credential run dkvmanager credential --name ci --role ROLE"},
		{wire.RefuseNotAllowed.With("viewer ci may not remove a store: that takes admin"), "GetStores", "dkv://user.prod/ci",
			"viewer ci may not remove a store: that takes admin", ""},
	} {
		c.refusal.Action, c.refusal.Manager = c.action, "m1"
		body, err := json.Marshal(c.refusal)
		if err != nil {
			t.Fatal(err)
		}
		answer := fanout.Answer{Status: c.refusal.StatusCode, Manager: "m1", As: c.who, Body: body}
		row := ReadResult(report.Row{Manager: "a:7801"}, Member{}, asked, answer)
		if row.Code != c.refusal.Code || row.Success || row.Who != c.who || row.InDoubt ||
			!strings.Contains(row.Message, c.message) || !strings.Contains(row.Hint, c.hint) || (c.hint == "") != (row.Hint == "") {
			t.Errorf("%s: %+v", c.refusal.Code, row)
		}
	}
}

// A manager of an older version has no route for what dkvrun requests: the row says what to do.
func TestReadResult_OlderManager(t *testing.T) {
	refusal := wire.Refuse(wire.CodeNotFound, "there is no such path")
	refusal.Action, refusal.Manager = "Request", "m1"
	body, err := json.Marshal(refusal)
	if err != nil {
		t.Fatal(err)
	}
	answer := fanout.Answer{Status: refusal.StatusCode, Manager: "m1", Body: body}
	row := ReadResult(report.Row{Manager: "a:7801"}, Member{}, Asked{Operation: "Certificates"}, answer)
	if row.Success || row.Hint != wire.OlderManager {
		t.Errorf("%+v", row)
	}
}
