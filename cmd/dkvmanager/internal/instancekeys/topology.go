package instancekeys

import (
	"fmt"
	"slices"

	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
)

// Topology says which manager keeps which instance of a store. The certificate of an instance counts only if the issuer
// of that manager's server has made it: every server has an issuer for instances, and a stolen one must not make those
// of other servers.
type Topology struct {
	// Creation is the id of the operation that created the store. Epoch and Revision are those of the configuration: a
	// later one of the same store has a higher epoch, or the same epoch and a higher revision.
	Creation string `json:"creation"`
	Epoch    uint64 `json:"epoch"`
	Revision uint64 `json:"revision"`
	// Managers are the identities of the managers that keep the store's configuration; empty if the store names none.
	Managers []string `json:"managers"`
	// Instances has the instances by name.
	Instances map[string]Place `json:"instances"`
}

// Place is where an instance is.
type Place struct {
	// Manager is the identity of the manager that keeps the instance; empty if the store's configuration doesn't tell
	// which of its managers does.
	Manager string `json:"manager,omitempty"`
	Gateway bool   `json:"gateway,omitempty"`
}

// replacedBy returns the later one of two topologies: of the file, and of the catalog, which may have been loaded from
// an older generation. Nil means that the catalog doesn't know the store.
func (t Topology) replacedBy(next *Topology) Topology {
	if next == nil || next.Creation == t.Creation &&
		(next.Epoch < t.Epoch || next.Epoch == t.Epoch && next.Revision < t.Revision) {
		return t
	}
	return *next
}

// checkIssuer returns nil if the issuer of an instance's certificate may make it: that of the server that keeps it.
// Where the topology doesn't tell, and for an instance that the topology has dropped and that is still a member of
// the running store, it is that of any manager of the store.
func (t Topology) checkIssuer(peer *identity.Peer, state *access.State, isMember func(instance string) bool) error {
	id := peer.Identity
	place, known := t.Instances[id.Name]
	if !known && (isMember == nil || !isMember(id.Name)) {
		return fmt.Errorf("store %s has no instance %s", id.Store, id.Name)
	}
	if place.Manager != "" {
		if !state.IsIssuerOf(place.Manager, peer.Issuer()) {
			return otherServer(id, place.Manager)
		}
		return nil
	}
	for name := range state.Members {
		if (len(t.Managers) == 0 || slices.Contains(t.Managers, name)) && state.IsIssuerOf(name, peer.Issuer()) {
			return nil
		}
	}
	return fmt.Errorf("%s has a certificate that no server of the store has made", id.Describe())
}

// otherServer is the refusal of a certificate that was made by another server than that of a manager.
func otherServer(id identity.Identity, manager string) error {
	return fmt.Errorf("%s has a certificate that another server has made than that of manager %s", id.Describe(), manager)
}
