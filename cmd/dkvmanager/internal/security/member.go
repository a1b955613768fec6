// Package security holds the keys of a secured manager, in the folder pki of its data folder: it makes a cluster, lets
// servers join, makes certificates, tokens and credentials, and follows the access log.
//
// The server that made the cluster has the authority's key. It alone makes join tokens, lets servers join and makes
// credentials of users, so that the lines of these are written in one place. Every server has an issuer, with which it
// renews its own certificate without asking anybody.
//
// It protects from two authorities of one cluster, from a token that is used twice, and from a key that a crash leaves
// without its certificate: a folder of keys is made under another name and appears as a whole. It does not protect from
// whoever can read the folder.
package security

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dkvrun/cmd/dkvmanager/internal/external"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

const (
	// folderName is the folder of keys in the data folder. It is there if and only if the manager is secured, unless it
	// was lost: see markerFile.
	folderName = "pki"
	// newFolderName is the folder of keys while it is being made.
	newFolderName = "pki.new"
)

// Member is a secured manager: a member of its cluster. Its methods may be called from any goroutine.
type Member struct {
	keys  pki.Folder
	path  string // of the folder
	self  identity.Identity
	hosts []string
	now   func() time.Time

	log       *access.File
	addresses *addresses

	burnt *burnt
	tls   atomic.Pointer[wire.TLSMode] // nil while the manager doesn't serve

	renewing sync.Mutex                      // is held while keys are replaced
	keyring  atomic.Pointer[keyring]         // never changed, but replaced as a whole
	bundle   atomic.Pointer[identity.Bundle] // the manager's certificate
	external *external.Source                // the certificates of an organisation's own authority; nil for none
	opened   time.Time
	heard    atomic.Int64  // when another member last told its access log, in seconds; 0 if none has
	strange  chan struct{} // see Strangers
	rounds   rounds        // see Await
	refusals refusals
}

// keyring is what the manager signs with and trusts, beside its own certificate.
type keyring struct {
	authority *pki.Authority // nil without its key; see holding
	users     *pki.Issuer    // makes credentials of users; nil without the authority's key
	issuer    *pki.Issuer
	roots     []*x509.Certificate // the one that was added last at the end
}

// ring returns the keys that the manager has now.
func (m *Member) ring() *keyring { return m.keyring.Load() }

// replaceKeys replaces the manager's keys by those that change returns and has written.
func (m *Member) replaceKeys(change func(files pki.Folder, now keyring) (keyring, error)) error {
	m.renewing.Lock()
	defer m.renewing.Unlock()
	next, err := change(m.keys, *m.ring())
	if err == nil {
		m.keyring.Store(&next)
	}
	return err
}

// Open opens the keys of a secured manager. Name is the manager's identity, hosts are the names and addresses under
// which others reach it, or nil to leave those of the present certificate. Open makes the manager's certificate if it
// is missing, due for renewal, or has other hosts, and marks the data folder as a secured manager's.
func Open(dataDir, name string, hosts []string, now func() time.Time) (*Member, error) {
	m := &Member{path: filepath.Join(dataDir, folderName), hosts: hosts, now: now, opened: now(),
		strange: make(chan struct{}, 1)}
	m.keyring.Store(&keyring{})
	err := m.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %s", err, m.missing())
	}
	if err != nil {
		return nil, fmt.Errorf("the keys in %s can't be used: %w", m.path, err)
	}
	if err := mark(dataDir, m.self.Cluster); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// missing says what to do where a file of keys is missing.
func (m *Member) missing() string {
	if m.ring().authority != nil {
		return "restore it from a backup"
	}
	return "restore it from a backup, or get new keys with dkvmanager join --again"
}

func (m *Member) open(name string) (err error) {
	if m.keys, err = pki.OpenFolder(m.path); err != nil {
		return err
	}
	ring := &keyring{}
	m.keyring.Store(ring)
	if ring.roots, err = m.keys.LoadRoots(); err != nil {
		return err
	}
	if err := m.openAuthority(ring); err != nil {
		return err
	}
	if ring.issuer, err = load(m.keys, pki.IssuerFile, pki.IssuerOf); err != nil {
		return err
	}
	if m.log, err = access.Open(m.path, keyHashes(ring.roots)); err != nil {
		var damage *access.DamageError
		if errors.As(err, &damage) {
			err = fmt.Errorf("%w: restore it from a backup, or get it from another server with dkvmanager join --again", err)
		}
		return err
	}
	defer func() {
		if err != nil {
			_ = m.log.Close()
		}
	}()
	m.self = identity.Identity{Kind: identity.Manager, Cluster: m.log.State().Cluster, Name: name}
	if m.addresses, err = openAddresses(m.path); err != nil {
		return err
	}
	if m.burnt, err = openBurnt(m.path); err != nil {
		return err
	}
	ring.issuer.Roots = ring.roots // the file's are those of the time when it was written
	if err := m.Rotation().resume(); err != nil {
		return err
	}
	old, err := m.keys.Load(pki.ManagerFile)
	switch {
	case err == nil:
		m.bundle.Store(old)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := m.Renew(); err != nil {
		return err
	}
	return m.removeUsedKey()
}

// load reads a file of keys and converts its content.
func load[T any](keys pki.Folder, file pki.File, convert func(*identity.Bundle) (*T, error)) (*T, error) {
	b, err := keys.Load(file)
	if err != nil {
		return nil, err
	}
	out, err := convert(b)
	if err != nil {
		return nil, fmt.Errorf("the file %s %w", keys.Path(file), err)
	}
	return out, nil
}

func keyHashes(roots []*x509.Certificate) []access.Hash {
	var out []access.Hash
	for _, c := range roots {
		out = append(out, access.Hash(identity.HashKey(c)))
	}
	return out
}

// Rotation returns the rotation of the authority of the manager's cluster, whether one is in progress or not.
func (m *Member) Rotation() Rotation { return Rotation{m} }

// Close closes the access log.
func (m *Member) Close() error { return m.log.Close() }

// Identity returns the manager's identity.
func (m *Member) Identity() identity.Identity { return m.self }

// Certificate returns the manager's certificate for TLS, as a server and as a client, with the roots at the end of its
// chain. It fits identity.Server.
func (m *Member) Certificate() (*tls.Certificate, error) { return m.bundle.Load().TLS(true), nil }

// Bundle returns the manager's certificate as a client's credential.
func (m *Member) Bundle() *identity.Bundle { return m.bundle.Load() }

// Policy returns who is accepted now: peers of the cluster, of the given kinds, whose certificates are not revoked, and
// whose authority is not retired.
func (m *Member) Policy(kinds ...identity.Kind) *identity.Policy {
	state := m.State()
	roots := slices.DeleteFunc(slices.Clone(m.ring().roots), func(c *x509.Certificate) bool {
		return state.Roots[access.Hash(identity.HashKey(c))] == nil
	})
	p := &identity.Policy{Roots: roots, Cluster: m.self.Cluster, Kinds: kinds, Now: m.now, Revoked: state.IsRevoked}
	if m.external != nil && len(kinds) == 0 {
		p.External = m.external.Use().Policy
	}
	return p
}

// UseExternal makes the manager show and accept the certificates of an organisation's own authority. It must be called
// before the manager serves.
func (m *Member) UseExternal(s *external.Source) { m.external = s }

// External returns the certificates of an organisation's own authority as they are now, or nil.
func (m *Member) External() *external.Content {
	if m.external == nil {
		return nil
	}
	return m.external.Content()
}

// State returns what the access log says now.
func (m *Member) State() *access.State { return m.log.State() }

// Serve says that the manager serves, and who may connect: see wire.TLSMode.
func (m *Member) Serve(mode wire.TLSMode) { m.tls.Store(&mode) }

// TLS returns who may connect to the ports. Before Serve it is wire.TLSRequire.
func (m *Member) TLS() wire.TLSMode {
	if mode := m.tls.Load(); mode != nil {
		return *mode
	}
	return wire.TLSRequire
}

// TakesPlain reports whether the ports take plain connections as well.
func (m *Member) TakesPlain() bool { return m.TLS() == wire.TLSPrefer }

// Now returns the present time.
func (m *Member) Now() time.Time { return m.now() }

// Excluded returns why the cluster doesn't accept this manager any more, or "".
func (m *Member) Excluded() string {
	again := ": dkvmanager join --again lets it join again, with a token that dkvmanager token makes on the server with the authority's key"
	state := m.State()
	member, is := state.Members[m.self.Name]
	switch serial := m.ring().issuer.Chain[0].SerialNumber; {
	case state.IsRevoked(serial):
		return "the issuer of this server is revoked" + again
	case is && member.Issuer != access.Serial(serial):
		return "another server has taken this one's place in the cluster" +
			strings.Replace(again, "dkvmanager token ", "dkvmanager token --again "+m.self.Name+" ", 1)
	case !is:
		return m.self.Describe() + " is not a member: the file identity in the data folder is not the one with which this server joined: " +
			"restore it; dkvmanager pki status lists the members with their addresses"
	}
	return ""
}

// Undelivered returns the credential of the first admin if it may not be where its user finds it, else nil.
func (m *Member) Undelivered() (*identity.Bundle, error) {
	b, err := m.keys.Load(undeliveredFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// Delivered removes the copy of the first admin's credential.
func (m *Member) Delivered() error {
	err := os.Remove(m.keys.Path(undeliveredFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the copy of the admin's credential can't be removed: %w", err)
	}
	return nil
}

// Renew makes a new certificate if there is none, if two thirds of the present one's life are over, or if the issuer or
// the hosts are others. It reports whether it made one. The old one stays valid until its end.
func (m *Member) Renew() (bool, error) {
	m.renewing.Lock()
	defer m.renewing.Unlock()
	now := m.now()
	if b := m.bundle.Load(); b != nil && m.isCurrent(b, now) {
		return false, nil
	}
	hosts := m.hosts
	if b := m.bundle.Load(); hosts == nil && b != nil {
		hosts = hostsOf(b.Chain[0])
	}
	b, err := m.ring().issuer.Issue(pki.Leaf{Identity: m.self, Hosts: hosts}, now)
	if err != nil {
		return false, fmt.Errorf("this manager's certificate can't be renewed: %w", err)
	}
	b.Roots = m.ring().roots
	if err := m.keys.Save(pki.ManagerFile, b); err != nil {
		return false, err
	}
	m.bundle.Store(b)
	return true, nil
}

// isCurrent reports whether a certificate of this manager needs no renewal.
func (m *Member) isCurrent(b *identity.Bundle, now time.Time) bool {
	leaf := b.Chain[0]
	id, err := b.Identity()
	due := pki.RenewAt(leaf)
	if m.ring().issuer.Chain[0].NotAfter.Equal(leaf.NotAfter) {
		due = leaf.NotAfter // a new one would not last longer
	}
	return err == nil && id == m.self && now.Before(due) && !now.Before(leaf.NotBefore) &&
		slices.EqualFunc(b.Chain[1:], m.ring().issuer.Chain, (*x509.Certificate).Equal) &&
		slices.EqualFunc(b.Roots, m.ring().roots, (*x509.Certificate).Equal) && sameHosts(leaf, m.hosts)
}

// hostsOf returns the hosts of a certificate.
func hostsOf(leaf *x509.Certificate) []string {
	out := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

// sameHosts reports whether a certificate has exactly these hosts, or hosts is nil.
func sameHosts(leaf *x509.Certificate, hosts []string) bool {
	names := hostsOf(leaf)
	want := map[string]bool{}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			h = ip.String()
		}
		want[h] = true
	}
	return hosts == nil || len(names) == len(want) && !slices.ContainsFunc(names, func(h string) bool { return !want[h] })
}

// Hosts returns the hosts for a manager's certificate: its advertised name, its address unless it listens on all, and
// further names. IPv6 zones, which certificates can't have, are left out.
func Hosts(name, bind string, alsoKnownAs []string) []string {
	var out []string
	for _, h := range slices.Concat([]string{name, bind}, alsoKnownAs) {
		if ip, err := netip.ParseAddr(h); err == nil && (ip.IsUnspecified() || ip.Zone() != "") {
			continue
		}
		if h != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}
