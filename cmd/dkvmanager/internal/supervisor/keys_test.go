package supervisor

import (
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// The manager that keeps a node of another server is the one at its endpoint, else the only one on its host.
func TestKeys_Keeper(t *testing.T) {
	t.Parallel()
	managers := []wire.Manager{
		{Identity: "m-1", URL: "https://10.0.0.11:7801"}, {Identity: "m-2", URL: "https://10.0.0.12:7801"},
		{Identity: "m-3", URL: "https://10.0.0.12:7802"}, {Identity: "m-4", URL: "https://Server4.example:7801"},
	}
	for _, test := range []struct {
		node wire.Node
		want string
	}{
		{wire.Node{Host: "10.0.0.11"}, "m-1"},
		{wire.Node{Host: "10.0.0.12"}, ""},
		{wire.Node{Host: "10.0.0.12", Manager: "10.0.0.12:7802"}, "m-3"},
		{wire.Node{Host: "other.example", Manager: "server4.example:7801"}, "m-4"},
		{wire.Node{Host: "10.0.0.11", Manager: "10.9.9.9:7801"}, "m-1"},
		{wire.Node{Host: "10.0.0.99"}, ""},
	} {
		if got := keeper(managers, test.node); got != test.want {
			t.Errorf("%+v is kept by %q, want %q", test.node, got, test.want)
		}
	}
}

// What people are told of an instance's certificate where its process says nothing: that of an older version, adopted
// after an upgrade, is not one that starts.
func TestKeys_Process(t *testing.T) {
	for _, c := range []struct {
		keys  *engine.Keys
		ready bool
		want  string
	}{
		{nil, false, "the process is starting"},
		{nil, true, `older version, which does not tell what it trusts: restart_store{"S", rolling = true}`},
		{&engine.Keys{Serial: "1"}, true, "shows an earlier certificate"},
		{&engine.Keys{Serial: "2"}, true, ""},
	} {
		got := wire.Certificate{Store: "S", Serial: "2"}
		addKeys(&got, c.keys, c.ready)
		if !strings.HasSuffix(got.Problem, c.want) || (c.want == "") != (got.Problem == "") {
			t.Errorf("%+v: got %q", c, got.Problem)
		}
	}
}
