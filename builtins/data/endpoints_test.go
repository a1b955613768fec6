package data

import (
	"testing"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

func TestEndpoints_Owner(t *testing.T) {
	store := func(name, host string, port int) wire.Store {
		node := wire.Node{Name: "x-1", Host: host, ClustronPort: 7811, ClientPort: port}
		return wire.Store{Name: name, Instances: []wire.Instance{{Node: node}}}
	}
	stores := []wire.Store{store("A", "10.0.0.11", 7861), store("B", "10.0.0.11", 7862), store("A", "10.0.0.12", 7862), store("C", "10.0.0.12", 7862)}
	for _, c := range []struct {
		host string
		port int
		want string
	}{
		{"10.0.0.11", 7861, "A"}, {"10.0.0.11", 7862, "B"}, {"10.0.0.12", 7862, "A"}, {"10.0.0.11", 7863, ""}, {"10.0.0.13", 7861, ""},
	} {
		if got := owner(stores, "A", fanout.Endpoint{Host: c.host, Port: c.port}); got != c.want {
			t.Errorf("%s:%d is of %q, want %q", c.host, c.port, got, c.want)
		}
	}
}
