package twophase

import (
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/catalog"
)

// named changes a manager's records of the store's name.
func (m *member) named(change func(*catalog.Name)) {
	m.cluster.t.Helper()
	err := m.Catalog.Update(func(d *catalog.Data) error { d.SetName("OrdersStore", change); return nil })
	if err != nil {
		m.cluster.t.Fatal(err)
	}
}

func TestParticipant_ConfirmNeedsAllManagers(t *testing.T) {
	for _, test := range []struct {
		name string
		with func(f *cluster)
		want string // empty: confirmed
	}{
		{"all have it", func(*cluster) {}, ""},
		{"one is silent", func(f *cluster) { f.down[f.all[2].host] = true }, "does not answer"},
		{"this one has voted for another", func(f *cluster) {
			if _, err := f.all[0].Prepare(f.narrowed()); err != nil {
				f.t.Fatal(err)
			}
		}, "has an operation in progress"},
		{"one is ahead", func(f *cluster) {
			c := f.narrowed()
			f.prepare(c)
			for _, m := range f.all[:2] {
				if _, err := m.Commit(c.ID, c.Epoch); err != nil {
					f.t.Fatal(err)
				}
			}
		}, "has another configuration"},
		{"one is suspect", func(f *cluster) { f.all[1].doubt(func(*catalog.Data) error { return nil }) }, "older catalog"},
		{"one lists this one as fenced", func(f *cluster) {
			f.all[1].named(func(n *catalog.Name) { n.Fenced = []string{f.all[0].self()} })
		}, "has declared this manager lost"},
		{"one is in a replacement", func(f *cluster) {
			f.all[2].named(func(n *catalog.Name) { n.Replacing = f.all[1].self() })
		}, "has an operation in progress"},
		{"one has a new disk", func(f *cluster) {
			f.all[2].dir = f.t.TempDir()
			f.all[2].open()
		}, "is another manager now"},
		{"this one was declared lost", func(f *cluster) {
			f.all[0].named(func(n *catalog.Name) { n.DeclaredLost = true })
		}, "does not keep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newCluster(t)
			c := f.createStore()
			test.with(f)
			err := f.all[0].Confirm(ctx, c.Store, c.ID, "")
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
