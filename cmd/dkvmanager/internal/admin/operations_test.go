package admin

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// change returns an operation whose only participant is this manager.
func (b *harness) change(id string) wire.Operation {
	self := b.catalog.Identity()
	planned := wire.AssignRoles(nodes(2, ownHost, otherHost))
	return wire.Operation{
		ID: id, Action: wire.CreateAction, Store: "OrdersStore", Owner: "tester", Coordinator: self,
		Managers: []wire.Manager{{Identity: self, URL: "http://" + ownHost + ":7801"}},
		Epoch:    1, Creation: id, Nodes: planned, Founders: wire.Founders(planned), Desired: wire.DesiredStopped,
	}
}

func (b *harness) to(path string) string {
	return path + "?to=" + url.QueryEscape(b.catalog.Identity())
}

// operation makes a request whose response must be an operation in the given state.
func (b *harness) operation(method, path string, body any, want wire.OperationState) wire.OperationStatus {
	b.t.Helper()
	status, text := b.send(b.request(method, path, body))
	var op wire.OperationStatus
	if err := json.Unmarshal(text, &op); err != nil || status != 200 || op.State != want {
		b.t.Fatalf("%s %s: %d %s, want an operation that is %s", method, path, status, text, want)
	}
	return op
}

func TestOperation_Commits(t *testing.T) {
	b := newHarness(t)
	c := b.change(operation)
	dry := c
	dry.DryRun = true
	if op := b.operation("POST", b.to(wire.OperationsPath()), dry, wire.OperationUnknown); len(op.Claims) != 1 ||
		op.Claims[0] != "orders-1" {
		t.Errorf("claims %v", op.Claims)
	}
	path := wire.OperationPath(c.ID)
	b.operation("GET", path, nil, wire.OperationUnknown)
	b.operation("POST", b.to(wire.OperationsPath()), c, wire.OperationPrepared)
	b.operation("POST", b.to(path+"/renew"), nil, wire.OperationPrepared)
	b.operation("GET", path, nil, wire.OperationPrepared)
	var all []wire.OperationStatus
	if b.get(wire.OperationsPath(), &all); len(all) != 1 || all[0].State != wire.OperationPrepared {
		t.Errorf("%+v", all)
	}

	// The routes that change one manager take the same lock.
	b.refused("POST", wire.StoresPath(), orders(2, ownHost), wire.CodeStoreBusy, "tester")
	other := wire.CreateStore{Name: "CartStore", Nodes: nodes(1, ownHost)}
	b.refused("POST", wire.StoresPath(), other, wire.CodePortTaken, "OrdersStore")

	b.operation("POST", b.to(path+"/commit")+"&epoch=1", nil, wire.OperationCommitted)
	if s := b.store("OrdersStore"); s.LastOperation != c.ID || s.Creation != c.ID || s.Prepared != nil {
		t.Errorf("%+v", s)
	}
	var state wire.StoreState
	if b.get(wire.StatePath("OrdersStore"), &state); state.Of(c.ID) != wire.OperationCommitted || state.Configuration == nil {
		t.Errorf("%+v", state)
	}
	b.operation("POST", b.to(path+"/abort"), wire.AbortRequest{Store: c.Store}, wire.OperationCommitted)

	// While the removal is prepared, no instance starts; after the commit the folders are deleted too.
	gone := wire.Operation{
		ID: "0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a12", Action: wire.RemoveStoreAction, Store: c.Store, Coordinator: c.Coordinator, Managers: c.Managers,
		BaseRevision: 1, BaseOperation: c.ID, Epoch: 2,
	}
	b.operation("POST", b.to(wire.OperationsPath()), gone, wire.OperationPrepared)
	if s := b.store("OrdersStore"); s.Prepared == nil || s.Prepared.ID != gone.ID || s.Prepared.Since == nil {
		t.Errorf("pending is %+v", s.Prepared)
	}
	start := wire.InstancePath("OrdersStore", "orders-1") + "/start"
	b.refused("POST", start, nil, wire.CodeStoreBusy, "RemoveStore")
	b.refused("DELETE", wire.StorePath("OrdersStore"), nil, wire.CodeStoreBusy, "RemoveStore")
	b.refused("DELETE", wire.InstancePath("OrdersStore", "orders-1"), nil, wire.CodeStoreBusy, "RemoveStore")
	b.operation("POST", b.to(wire.OperationPath(gone.ID)+"/commit")+"&epoch=2", nil, wire.OperationCommitted)
	if len(b.sup.removed) != 1 {
		t.Errorf("removed %v", b.sup.removed)
	}
	b.refused("GET", wire.StorePath("OrdersStore"), nil, wire.CodeStoreNotFound, "no store")
}

func TestOperation_Aborts(t *testing.T) {
	b := newHarness(t)
	c := b.change(operation)
	path := wire.OperationPath(c.ID)
	b.operation("POST", b.to(wire.OperationsPath()), c, wire.OperationPrepared)
	b.operation("POST", b.to(path+"/abort"), wire.AbortRequest{Store: c.Store, Epoch: 1}, wire.OperationAborted)
	b.refused("POST", b.to(path+"/commit")+"&epoch=1", nil, wire.CodeOperationAborted, "rolled back")
	b.refused("POST", b.to(path+"/renew"), nil, wire.CodeOperationAborted, "rolled back")
	b.must("POST", wire.StoresPath(), orders(2, ownHost), wire.CodeOK, "Created")
}

func TestOperation_Refusals(t *testing.T) {
	b := newHarness(t)
	c := b.change(operation)
	b.operation("POST", b.to(wire.OperationsPath()), c, wire.OperationPrepared)
	path := wire.OperationPath(c.ID)
	for _, other := range []string{"?to=somebody", ""} {
		for _, verb := range []string{"commit", "renew"} {
			b.refused("POST", path+"/"+verb+other, nil, wire.CodeWrongManager, "is for another one")
		}
		b.refused("POST", path+"/abort"+other, wire.AbortRequest{Store: c.Store}, wire.CodeWrongManager, "is for another one")
		b.refused("POST", wire.OperationsPath()+other, c, wire.CodeWrongManager, "is for another one")
	}
	another := c
	another.Owner = "somebody else"
	b.refused("POST", b.to(wire.OperationsPath()), another, wire.CodeOperationDiffers, "use a new id")
	b.refused("POST", b.to(wire.OperationPath("0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a19")+"/commit")+"&epoch=1", nil, wire.CodeOperationNotFound, "not known here")
	b.refused("GET", wire.OperationPath("x"), nil, wire.CodeBadRequest, "want a UUID")
	for said, spoil := range map[string]func(*wire.Operation){
		"id: got":         func(c *wire.Operation) { c.ID = "x" },
		"creation: got":   func(c *wire.Operation) { c.Creation = "x" },
		"action: got":     func(c *wire.Operation) { c.Action = "Format" },
		"home:":           func(c *wire.Operation) { c.Coordinator = "x" },
		"nodes[0].role":   func(c *wire.Operation) { c.Nodes = nodes(2, ownHost) },
		"founders":        func(c *wire.Operation) { c.Founders = nil },
		"managers[0].url": func(c *wire.Operation) { c.Managers = []wire.Manager{{Identity: c.Coordinator, URL: "x"}} },
		"desired: got":    func(c *wire.Operation) { c.Desired = "Dancing" },
		"owner:":          func(c *wire.Operation) { c.Owner = fmt.Sprintf("%300d", 1) },
		"drop:":           func(c *wire.Operation) { c.Drop = c.Coordinator },
	} {
		bad := b.change("0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a13")
		spoil(&bad)
		got := b.do("POST", b.to(wire.OperationsPath()), bad)
		if got.StatusCode != 400 || !strings.Contains(got.Message, said) {
			t.Errorf("got %d %q, want 400 and %q", got.StatusCode, got.Message, said)
		}
	}
}

func TestRepair_Routes(t *testing.T) {
	b := newHarness(t)
	c := b.change(operation)
	c.Managers = append(c.Managers, wire.Manager{Identity: "zz-lost", URL: "http://" + otherHost + ":7801"})
	b.operation("POST", b.to(wire.OperationsPath()), c, wire.OperationPrepared)
	b.operation("POST", b.to(wire.OperationPath(c.ID)+"/commit")+"&epoch=1", nil, wire.OperationCommitted)
	var state wire.StoreState
	if status, text := b.send(b.request("POST", b.to(wire.ResolvePath(c.Store)), nil)); status != 200 ||
		json.Unmarshal(text, &state) != nil || state.Configuration == nil {
		t.Errorf("settle: %d %s", status, text)
	}
	b.refused("POST", b.to(wire.FencePath(c.Store)), wire.FenceRequest{Survivors: []string{}}, wire.CodeBadRequest, "lost")
	b.refused("POST", b.to(wire.FencePath(c.Store)), wire.FenceRequest{Lost: "zz-lost", Survivors: []string{b.catalog.Identity()}},
		wire.CodeWrongCoordinator, "coordinates changes of")
	if err := b.catalog.Update(func(d *catalog.Data) error { d.Stores[c.Store].Coordinator = "zz-lost"; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		path string
		body any
		want string
	}{
		{wire.FencePath(c.Store), wire.FenceRequest{Lost: "zz-lost", Survivors: []string{b.catalog.Identity()}}, "zz-lost"},
		{wire.DecidePath(c.Store), wire.DecideRequest{Lost: "zz-lost", Coordinator: b.catalog.Identity()}, ""},
	} {
		state = wire.StoreState{}
		if status, text := b.send(b.request("POST", b.to(step.path), step.body)); status != 200 ||
			json.Unmarshal(text, &state) != nil || state.Replacing != step.want {
			t.Errorf("%s: %d %s", step.path, status, text)
		}
		if step.want != "" {
			b.refused("DELETE", wire.StorePath(c.Store), nil, wire.CodeReplacementUnfinished, "has begun")
		}
	}
	if s := b.store(c.Store); s.Coordinator != b.catalog.Identity() || len(s.Managers) != 1 {
		t.Errorf("home %s of %v", s.Coordinator, s.Managers)
	}
}
