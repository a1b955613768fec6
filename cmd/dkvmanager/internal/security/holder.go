package security

import (
	"errors"
	"fmt"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/identity"
)

// One server at a time holds the authority: the one that made the cluster, or the last one to which the key was brought.
// The access log names its manager. A copy of the key on another server signs nothing, once the line is known there: two
// servers that sign would write two branches of the log.

// ErrNoAuthority is the error of what only the server can do that holds the authority.
var ErrNoAuthority = errors.New("the key of the cluster's authority is not on this server")

// holding returns the authority if this server holds it. The error, which wraps ErrNoAuthority, says where it is, or
// which file is missing.
func (m *Member) holding() (*pki.Authority, error) {
	state := m.State()
	holds := state.Holder == m.self.Name
	switch {
	case holds && m.ring().authority != nil:
		return m.ring().authority, nil
	case holds:
		return nil, fmt.Errorf("%w, although it belongs here: %s is missing: restore the file from a backup, "+
			"or bring the key back with dkvmanager pki import", ErrNoAuthority, m.keys.Path(pki.AuthorityFile))
	case m.ring().authority != nil:
		return nil, fmt.Errorf("%w: run the command on the server of %s; the copy %s signs nothing: "+
			"delete it, or bring the key here with dkvmanager pki import", ErrNoAuthority, m.holder(), m.keys.Path(pki.AuthorityFile))
	}
	return nil, fmt.Errorf("%w: run the command on the server of %s", ErrNoAuthority, m.holder())
}

// holder describes the manager whose server holds the authority, with its URL if that is known.
func (m *Member) holder() string {
	name := m.State().Holder
	for _, other := range m.Managers() {
		if other.Identity == name {
			return fmt.Sprintf("manager %s, %s", name, other.URL)
		}
	}
	if _, is := m.State().Members[name]; !is {
		return fmt.Sprintf("manager %s, which is no longer a member", name)
	}
	return identity.Identity{Kind: identity.Manager, Cluster: m.self.Cluster, Name: name}.Describe()
}
