package instancekeys

import (
	"reflect"
	"testing"
)

// The file keeps the later one of two topologies of a store; that of a store created anew takes its place.
func TestTopology_ReplacedBy(t *testing.T) {
	t.Parallel()
	has := Topology{Creation: "a", Epoch: 3, Revision: 5}
	for _, test := range []struct {
		next     *Topology
		replaced bool
	}{
		{nil, false},
		{&Topology{Creation: "a", Epoch: 3, Revision: 6}, true},
		{&Topology{Creation: "a", Epoch: 3, Revision: 5, Managers: []string{"m"}}, true},
		{&Topology{Creation: "a", Epoch: 3, Revision: 4}, false},
		{&Topology{Creation: "a", Epoch: 2, Revision: 9}, false},
		{&Topology{Creation: "a", Epoch: 4, Revision: 1}, true},
		{&Topology{Creation: "b", Epoch: 1, Revision: 1}, true},
	} {
		got := has.replacedBy(test.next)
		want := has
		if test.replaced {
			want = *test.next
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: got %+v, want %+v", test.next, got, want)
		}
	}
}
