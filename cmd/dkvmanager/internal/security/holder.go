package security

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
)

// One server at a time holds the authority: the one that made the cluster, or the last one to which the key was
// brought. The access log names its manager. A copy of the key on another server signs nothing, once the line is known
// there: two servers that sign would write two branches of the log.

// ErrNoAuthority is the error of what only the server can do that holds the authority.
var ErrNoAuthority = errors.New("the key of the cluster's authority is not on this server")

// openAuthority reads what only the server has that holds the authority's key.
func (m *Member) openAuthority(ring *keyring) (err error) {
	if ring.authority, err = load(m.keys, pki.AuthorityFile, pki.AuthorityOf); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ring.users, err = load(m.keys, pki.UserIssuerFile, pki.IssuerOf)
	if errors.Is(err, fs.ErrNotExist) { // the authority admits another one
		ring.users, err = newIssuer(m.keys, pki.UserIssuerFile, ring.authority, []identity.Kind{identity.User}, m.now())
	}
	return err
}

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

// Export returns the authority with its key, as Import takes it.
func (m *Member) Export() (*identity.Bundle, error) {
	authority, err := m.holding()
	if err != nil {
		return nil, err
	}
	return authority.Bundle(), nil
}

// heardLately is the time within which another member must have told its access log before this server may take the
// authority over.
const heardLately = 10 * time.Second

// Import makes this server the holder of the authority, whose key it gets from Export. It may be repeated after a
// crash. It returns the manager whose server held the authority before, and whether that is another one.
//
// A line that the earlier holder wrote and that this server doesn't know would make two branches of the log, so the
// server must have heard another member lately, unless the earlier holder is the only one.
func (m *Member) Import(b *identity.Bundle) (earlier identity.Identity, moved bool, err error) {
	authority, err := pki.AuthorityOf(b)
	if err != nil {
		return earlier, false, fmt.Errorf("the exported key %w", err)
	}
	state := m.State()
	earlier = identity.Identity{Kind: identity.Manager, Cluster: state.Cluster, Name: state.Holder}
	moved = state.Holder != m.self.Name
	switch why := m.Excluded(); {
	case authority.Cluster != m.self.Cluster:
		return earlier, false, fmt.Errorf("the exported key is of the authority of cluster %s, this manager is of cluster %s",
			authority.Cluster, m.self.Cluster)
	case state.Roots[access.Hash(identity.HashKey(authority.Root))] == nil:
		return earlier, false, errors.New("the exported key is of an authority that cluster " + m.self.Cluster +
			" does not trust: it was replaced since, and a later export has the key that counts")
	case why != "":
		return earlier, false, errors.New(why)
	case moved && !m.mayTakeOver():
		return earlier, false, errors.New("no other manager has told this one its access log lately, so lines of it may be missing here: " +
			"let the manager of this server run, see with pki status that it reaches others, and repeat this")
	}
	m.renewing.Lock()
	defer m.renewing.Unlock()
	users, err := newIssuer(m.keys, pki.UserIssuerFile, authority, []identity.Kind{identity.User}, m.now())
	if err == nil {
		err = m.keys.Save(pki.AuthorityFile, authority.Bundle())
	}
	if err == nil {
		err = failpoint.At("import.files")
	}
	if err != nil {
		return earlier, false, err
	}
	if moved {
		now := m.now()
		e := access.Entry{Kind: access.Holder, Subject: m.self.String()}
		_, err = m.log.Add(func(l *access.Log) (access.Entry, error) { return l.Prepare(e, authority.Key, now) }, now)
	}
	if err == nil {
		ring := *m.ring()
		ring.authority, ring.users = authority, users
		m.keyring.Store(&ring)
	}
	return earlier, moved, err
}

// minBranch is the number of digits by which a branch of the access log is named at least.
const minBranch = 8

// Settle ends a fork of the access log: the lines of one side, named by the first digits of the hash of its first line,
// as Status shows them, count nothing from now on. It may be the side that counts more lines, which the log follows
// until then. It returns the number of that line.
func (m *Member) Settle(side string) (int64, error) {
	found := map[access.Hash]int64{}
	var known []string
	for _, f := range m.State().Forks {
		for _, h := range []access.Hash{f.Theirs, f.Ours} {
			if name := h.String()[:minBranch]; h != (access.Hash{}) && !slices.Contains(known, name) {
				known = append(known, name)
			}
			if h != (access.Hash{}) && strings.HasPrefix(h.String(), side) {
				found[h] = f.Number
			}
		}
	}
	switch {
	case len(known) == 0:
		return 0, errors.New("the access log has no branch")
	case len(side) < minBranch || len(found) != 1:
		return 0, fmt.Errorf("%.80q names no branch of the access log, or more than one: there is %s",
			side, strings.Join(known, ", "))
	}
	authority, err := m.holding()
	if err != nil {
		return 0, err
	}
	for h, number := range found {
		return number, m.log.Settle(h, authority.Key, m.now())
	}
	return 0, nil // found has one
}

// mayTakeOver reports whether this server knows as much of the access log as it can.
func (m *Member) mayTakeOver() bool {
	state := m.State()
	for name := range state.Members {
		if name != m.self.Name && name != state.Holder {
			return m.now().Sub(time.Unix(m.heard.Load(), 0)) <= heardLately
		}
	}
	return true
}

// holder describes the manager whose server holds the authority, with its URL if that is known.
func (m *Member) holder() string {
	name := m.State().Holder
	if url := m.urlOf(name); url != "" {
		return fmt.Sprintf("manager %s, %s", name, url)
	}
	if _, is := m.State().Members[name]; !is {
		return fmt.Sprintf("manager %s, which is no longer a member", name)
	}
	return identity.Identity{Kind: identity.Manager, Cluster: m.self.Cluster, Name: name}.Describe()
}
