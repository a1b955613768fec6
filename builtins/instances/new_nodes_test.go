package instances

import (
	"testing"

	"dkvrun/builtins/internal/cluster/clustertest"
	"dkvrun/runtime/wire"
)

func TestNewNodes_Continue(t *testing.T) {
	v := clustertest.View(nil)
	v.Latest.Instances = []wire.Instance{
		{Node: wire.Node{Name: "orders-1", Host: "a", ClustronPort: 7811, ClientPort: 7861}},
		{Node: wire.Node{Name: "orders-2", Host: "a", ClustronPort: 7812, ClientPort: 7862}},
		{Node: wire.Node{Name: "orders-9", Host: "b", ClustronPort: 7811, ClientPort: 7861}},
	}
	first := nextNode(v, "a", nil)
	if first.Name != "orders-10" || first.ClustronPort != 7813 || first.ClientPort != 7863 {
		t.Errorf("%+v", first)
	}
	second := nextNode(v, "new", []wire.Node{first})
	if second.Name != "orders-11" || second.ClustronPort != 7811 || second.ClientPort != 7861 {
		t.Errorf("%+v", second)
	}
}
