package data

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"sync"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// identity tells a store from every other one, also from a later store of the same name: a client port of a store that
// was removed can be used by another one. It is learned from the managers, and from the first answer of an endpoint.
//
// Each request names the store, and an instance of another one refuses it. Instances of versions before that, and
// engines that dkvmanager does not run, ignore the name: so each answer is checked too, and the first write to an
// endpoint follows a read of it.
type identity struct {
	creation string // the id of the operation that created the store; empty if no manager said it

	mu sync.Mutex
	// cluster is the engine's id of the store's cluster, as wire.Instance has it; empty while it is not known.
	cluster string
	checked map[fanout.Endpoint]bool // the endpoints whose last answer was of that cluster
}

// newIdentity returns the identity of a store as a manager describes it, with the id of its cluster, if known.
func newIdentity(creation, cluster string) *identity {
	return &identity{creation: creation, cluster: cluster, checked: map[fanout.Endpoint]bool{}}
}

// query returns the parameters by which a request names the store.
func (i *identity) query() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	q := url.Values{}
	if i.creation != "" {
		q.Set(wire.CreationParam, i.creation)
	}
	if i.cluster != "" {
		q.Set(wire.ClusterParam, i.cluster)
	}
	return q.Encode()
}

// isChecked reports whether the last answer of an endpoint was of the store.
func (i *identity) isChecked(at fanout.Endpoint) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.checked[at]
}

// check compares the answer of an endpoint with the store, and returns what differs, or "". Where the store's cluster
// is not known, it is from now on that of the answer.
func (i *identity) check(at fanout.Endpoint, h header) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	there := h.cluster()
	i.cluster = cmp.Or(i.cluster, there)
	i.checked[at] = there == i.cluster
	if i.checked[at] {
		return ""
	}
	return fmt.Sprintf("its cluster is %s, not %s", there, i.cluster)
}

// refuted records that an endpoint has refused a request as one for another store.
func (i *identity) refuted(at fanout.Endpoint) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.checked, at)
}

// cluster returns the id of the cluster that an answer is of, as wire.Instance has it.
func (h header) cluster() string {
	id, err := strconv.ParseUint(h.ClusterID.String(), 10, 64)
	if err != nil {
		return h.ClusterID.String()
	}
	return strconv.FormatUint(id, 16)
}

// codeOtherStore is the code of a request whose endpoints belong to another store.
const codeOtherStore = "other_store"

// otherStore returns the error of a request for which no endpoint of the store was left: the last one is of another
// store, for a reason. written is true if that store has carried the request out, a write.
func (s *store) otherStore(c *runtime.Call, at fanout.Endpoint, reason string, written bool) error {
	text := fmt.Sprintf("%s: %s is a client port of another store than the %s that was connected: %s", c.Name, at, s.name, reason)
	if written {
		text += "; that store has carried out the write"
	}
	err := c.Errorf(codeOtherStore, "%s", text)
	err.InDoubt = written
	err.Hint = fmt.Sprintf("connect_store(%q) returns an object of the present store", s.name)
	switch v := s.view(c); {
	case v == nil || v.Silent > 0 && v.Latest == nil:
	case v.Latest == nil:
		err.Hint = fmt.Sprintf("no manager knows a store %s any more", s.name)
	case s.id.creation != "" && v.Latest.Creation != s.id.creation:
		err.Hint = fmt.Sprintf("%s was removed and created again: connect_store(%q) returns an object of the new store", s.name, s.name)
	}
	return err
}

// identityOf returns the identity of a store in a view.
func identityOf(v *cluster.View) *identity { return newIdentity(v.Latest.Creation, v.Cluster()) }
