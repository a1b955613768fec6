package admin

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

// Every response states which manager sends it, also a refusal, and one of a request that has no route.
func TestAnswers_StateTheManager(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	for _, test := range []struct {
		method, path, body string
		status             int
		kind               string
	}{
		{"GET", wire.InfoPath(), "", 200, "application/json"},
		{"GET", wire.HealthPath(), "", 200, "application/json"},
		{"GET", wire.StoresPath(), "", 200, "application/json"},
		{"GET", wire.Prefix + "/openapi.json", "", 200, "application/json"},
		{"GET", wire.InstancePath("OrdersStore", "orders-1") + "/log", "", 200, "text/plain; charset=utf-8"},
		{"POST", wire.InstancePath("OrdersStore", "orders-1") + "/start", "", 200, "application/json"},
		{"GET", wire.StorePath("Other"), "", 404, "application/json"},
		{"GET", "/", "", 404, "application/json"},
		{"GET", wire.Prefix + "/nowhere", "", 404, "application/json"},
		{"PUT", wire.StoresPath(), "x", 405, "application/json"},
		{"GET", wire.StorePath("1"), "", 400, "application/json"},
		{"POST", wire.StoresPath(), "x", 400, "application/json"},
	} {
		resp, err := b.server.Client().Do(b.request(test.method, test.path, test.body))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != test.status || resp.Header.Get(wire.ManagerHeader) != b.catalog.Identity() ||
			resp.Header.Get("Content-Type") != test.kind {
			t.Errorf("%s %s: %d %v", test.method, test.path, resp.StatusCode, resp.Header)
		}
	}
}

// A refused connection gets an answer before the server has read the request. It states the manager as well.
func TestAnswers_RefusedConnectionStatesTheManager(t *testing.T) {
	listener, err := net.Listen("tcp", ownHost+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	refuseConnection(server, "m-1", wire.Refuse(wire.CodeTooBusy, "try again later"))
	got, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"HTTP/1.1 503 ", "\r\nDkv-Manager: m-1\r\n", "\r\nContent-Type: application/json\r\n", `"manager":"m-1"`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}

// Results name the store and the digest of the request as the manager understood it, successes as well as refusals.
func TestAnswers_NameTheRequest(t *testing.T) {
	b := newHarness(t)
	create := wire.CreateStore{Name: "OrdersStore", Nodes: nodes(2, ownHost)}
	change := wire.ChangeInstances{BaseRevision: 1, Nodes: nodes(3, ownHost)}
	other := wire.CreateStore{Name: "OrdersStore", Nodes: nodes(1, ownHost)}
	const (
		store  = "OrdersStore"
		first  = "orders-1"
		last   = "orders-3"
		absent = "orders-9"
	)
	remove := func(base uint64) wire.ActionRequest {
		return wire.ActionRequest{
			Action: wire.RemoveInstanceAction, Store: store, Instance: last, BaseRevision: base, LoseData: true,
		}
	}
	for _, test := range []struct {
		asked wire.ActionRequest
		code  string
	}{
		{wire.ActionRequest{Action: wire.RemoveStoreAction, Store: store}, wire.CodeStoreNotFound},
		{wire.ActionRequest{Action: wire.CreateAction, Store: store, Create: &create}, wire.CodeOK},
		{wire.ActionRequest{Action: wire.CreateAction, Store: store, Create: &create}, wire.CodeUnchanged},
		{wire.ActionRequest{Action: wire.CreateAction, Store: store, Create: &other}, wire.CodeStoreExists},
		{wire.ActionRequest{Action: wire.AddInstanceAction, Store: store, Change: &change}, wire.CodeOK},
		{wire.ActionRequest{Action: wire.StartInstanceAction, Store: store, Instance: first}, wire.CodeOK},
		{wire.ActionRequest{Action: wire.StartInstanceAction, Store: store, Instance: absent}, wire.CodeInstanceNotFound},
		{wire.ActionRequest{Action: wire.RestartInstanceAction, Store: store, Instance: first}, wire.CodeOK},
		{wire.ActionRequest{
			Action: wire.RestartInstanceAction, Store: store, Instance: absent, Rolling: true, Without: []string{"a", "b"},
		}, wire.CodeInstanceNotFound},
		{wire.ActionRequest{Action: wire.StopInstanceAction, Store: store, Instance: first}, wire.CodeOK},
		{wire.ActionRequest{Action: wire.StopInstanceAction, Store: store, Instance: first, Force: true}, wire.CodeUnchanged},
		{remove(1), wire.CodeStaleRevision},
		{remove(2), wire.CodeOK},
		{wire.ActionRequest{Action: wire.RemoveStoreAction, Store: store, Force: true}, wire.CodeOK},
	} {
		method, path := test.asked.Route()
		var body any
		if text := test.asked.Body(); text != nil {
			body = string(text)
		}
		got := b.do(method, path, body)
		if got.Code != test.code || got.Store != store || got.Digest != test.asked.Digest() {
			t.Errorf("%s %s: got %+v, want %s and the digest %s", method, path, got, test.code, test.asked.Digest())
		}
	}
	if got := b.do(http.MethodGet, wire.StorePath("Other"), nil); got.Store != "Other" || got.Digest != "" {
		t.Errorf("a refused query names %q and the digest %q", got.Store, got.Digest)
	}
}
