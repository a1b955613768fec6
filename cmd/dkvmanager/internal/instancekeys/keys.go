package instancekeys

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
)

// FollowEvery is the interval in which a running instance looks for changes of its files.
const FollowEvery = 500 * time.Millisecond

// Keys is what a running instance shows and accepts. Its methods may be called from any goroutine.
type Keys struct {
	folder, store string
	now           func() time.Time
	content       atomic.Pointer[content]

	exposing sync.Mutex
	exposed  []string // bearer tokens of the cluster that came without TLS: see Expose

	reading sync.Mutex
	read    [2]os.FileInfo // of CertificateFile and AccessFile, as they were read last
}

// content is what the files say.
type content struct {
	bundle *identity.Bundle
	server *tls.Certificate
	shown  *tls.Certificate // of an organisation's own authority; nil for none
	policy *identity.Policy
	state  *access.State
	// topology says which servers make the certificates of the store's instances.
	topology Topology
	plain    bool
}

// Open reads the keys of an instance of a store from its folder.
func Open(folder, store string, now func() time.Time) (*Keys, error) {
	k := &Keys{folder: folder, store: store, now: now}
	if err := k.load(); err != nil {
		return nil, fmt.Errorf("the instance's keys can't be used: %w", err)
	}
	return k, nil
}

// Follow reads the files again whenever they change, until ctx is done. While they can't be used, the instance goes on
// with what it had and tries again; failed is called with each new reason.
func (k *Keys) Follow(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(FollowEvery)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, err := k.reload()
		if err == nil {
			last = ""
		} else if last != err.Error() {
			last = err.Error()
			failed(err)
		}
	}
}

// reload reads the files if they have changed. It reports whether it has read them.
func (k *Keys) reload() (bool, error) {
	k.reading.Lock()
	defer k.reading.Unlock()
	changed, err := k.changed()
	if changed {
		err = k.load()
	}
	return changed && err == nil, err
}

// check judges a peer by the files, and once more if they have changed meanwhile: an instance that is new in the
// topology connects at once.
func (k *Keys) check(judge func(*content) error) error {
	err := judge(k.content.Load())
	if err == nil {
		return nil
	}
	if again, _ := k.reload(); !again {
		return err
	}
	return judge(k.content.Load())
}

// stat returns the present state of the files that Keys reads.
func (k *Keys) stat() (found [2]os.FileInfo, err error) {
	for i, file := range []string{CertificateFile, AccessFile} {
		if found[i], err = os.Stat(filepath.Join(k.folder, file)); err != nil {
			return found, err
		}
	}
	return found, nil
}

// changed reports whether a file is another one than was read last: they are replaced as a whole.
func (k *Keys) changed() (bool, error) {
	found, err := k.stat()
	if err != nil {
		return false, err
	}
	for i := range found {
		if !os.SameFile(found[i], k.read[i]) || !found[i].ModTime().Equal(k.read[i].ModTime()) {
			return true, nil
		}
	}
	return false, nil
}

// load reads the files. One that is replaced meanwhile is read again by the next change.
func (k *Keys) load() error {
	found, err := k.stat()
	if err != nil {
		return err
	}
	c := &content{}
	if c.bundle, err = identity.Load(filepath.Join(k.folder, CertificateFile)); err != nil {
		return err
	}
	id, err := c.bundle.Identity()
	if err != nil {
		return err
	}
	if id.Kind != identity.Instance || id.Store != k.store {
		return fmt.Errorf("%s is the certificate of %s", CertificateFile, id.Describe())
	}
	path := filepath.Join(k.folder, AccessFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var a portAccess
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	roots, err := identity.DecodeRoots([]byte(a.Roots))
	if err != nil {
		return fmt.Errorf("%s %w", path, err)
	}
	if c.state, err = a.state(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c.topology = a.Topology
	if a.Cluster != id.Cluster {
		return fmt.Errorf("%s is about cluster %.80q, the certificate is one of cluster %s", path, a.Cluster, id.Cluster)
	}
	own, err := a.External.Use()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c.server, c.shown, c.plain = c.bundle.TLS(true), own.Shown, a.Plain
	c.policy = &identity.Policy{
		Roots: roots, Cluster: a.Cluster, Now: k.now, Revoked: c.state.IsRevoked, External: own.Policy,
	}
	k.content.Store(c)
	k.read = found
	return nil
}

// Shown returns the serial number of the certificate that the instance shows, and the hashes of the keys of the
// authorities that it trusts, the newest one last.
func (k *Keys) Shown() (serial string, authorities []string) {
	c := k.content.Load()
	return access.Serial(c.bundle.Chain[0].SerialNumber), hashesOf(c.policy.Roots)
}

// ConnectionAge returns the time after which a connection should be replaced by another one, half of what is left of a
// certificate when it is renewed: so no connection that follows this shows a certificate that has ended.
func (k *Keys) ConnectionAge() time.Duration {
	leaf := k.content.Load().bundle.Chain[0]
	return leaf.NotAfter.Sub(pki.RenewAt(leaf)) / 2
}

// hashesOf returns the hashes of the keys of authorities.
func hashesOf(roots []*x509.Certificate) []string {
	var out []string
	for _, c := range roots {
		out = append(out, access.Hash(identity.HashKey(c)).String())
	}
	return out
}

// PeerAuthorities returns the authorities that etcd trusts where it connects to other instances, if it starts now.
func (k *Keys) PeerAuthorities() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(k.folder, RootsFile))
	if err != nil {
		return nil, err
	}
	roots, err := identity.DecodeRoots(text)
	return hashesOf(roots), err
}

// IsOld reports whether an accepted peer shows a certificate for which only an authority vouches that is being
// replaced.
func (k *Keys) IsOld(peer *identity.Peer) bool { return k.content.Load().policy.IsOld(peer) }

// Server returns the TLS configuration of the client port. It takes every client: Admit and Caller judge it, so that
// the answer to a request can say why it is refused. For a client that takes HTTP/1.1 and HTTP/2 it chooses HTTP/1.1:
// over HTTP/2 the port serves gRPC alone, whose clients take nothing else.
func (k *Keys) Server() *tls.Config {
	return identity.Server{
		Certificate: func() (*tls.Certificate, error) { return k.content.Load().server, nil },
		External:    func() *tls.Certificate { return k.content.Load().shown },
		Policy:      func() *identity.Policy { return k.content.Load().policy },
		Protocols:   []string{"http/1.1", "h2"},
	}.Config()
}

// Peers returns the TLS configuration of the cluster port. It refuses in the handshake whom CheckPeer refuses.
func (k *Keys) Peers(clusterName string, isMember func(instance string) bool) *tls.Config {
	return identity.Server{
		Certificate:   func() (*tls.Certificate, error) { return k.content.Load().server, nil },
		Policy:        func() *identity.Policy { return instancesOnly(k.content.Load().policy) },
		RequireClient: true,
		Accepted:      func(p *identity.Peer) error { return k.CheckPeer(p, clusterName, isMember) },
		Protocols:     []string{"http/1.1"},
	}.Config()
}

// CheckPeer returns nil if an instance may take part in the store's raft now, or an error that says why it may not. Its
// certificate must have the name of the store's cluster ports, see pki.StoreName, and the topology must name it, as a
// data instance. One that the topology has dropped takes part until it has left: isMember reports whether the running
// store has a member of that name.
func (k *Keys) CheckPeer(peer *identity.Peer, clusterName string, isMember func(instance string) bool) error {
	return k.check(func(c *content) error { return k.checkPeer(c, peer, clusterName, isMember) })
}

func (k *Keys) checkPeer(c *content, peer *identity.Peer, clusterName string, isMember func(string) bool) error {
	if err := lasting(instancesOnly(c.policy), peer).Recheck(peer); err != nil {
		return err
	}
	if peer.Identity.Store != k.store || !peer.HasName(clusterName) {
		return fmt.Errorf("%s may not take part in this store %s", peer.Identity.Describe(), k.store)
	}
	if place, known := c.topology.Instances[peer.Identity.Name]; known && place.Gateway {
		return fmt.Errorf("%s is a gateway", peer.Identity.Describe())
	}
	return c.topology.checkIssuer(peer, c.state, isMember)
}

// IsExcluded reports whether the topology names an instance that is kept by a manager which is no member of the cluster
// any more.
func (k *Keys) IsExcluded(instance string) bool {
	c := k.content.Load()
	place, known := c.topology.Instances[instance]
	if !known || place.Manager == "" {
		return false
	}
	_, is := c.state.Members[place.Manager]
	return !is
}

// lasting returns a policy that does not let the end of a peer's certificate end a connection that was made in time:
// the handshake has checked that. To close a connection of raft loses the writes that are on it, once a month, while
// the peer has had a new certificate for days. What is revoked or dropped ends connections as before.
func lasting(p *identity.Policy, peer *identity.Peer) *identity.Policy {
	out, end := *p, peer.NotAfter()
	out.Now = func() time.Time {
		if now := p.Now(); now.Before(end) {
			return now
		}
		return end
	}
	return &out
}

func instancesOnly(p *identity.Policy) *identity.Policy {
	out := *p
	out.Kinds, out.External = []identity.Kind{identity.Instance}, nil
	return &out
}

// TakesPlain reports whether the client port takes plain connections as well now.
func (k *Keys) TakesPlain() bool { return k.content.Load().plain }

// Client returns the TLS configuration with which the instance connects to instances of its store.
func (k *Keys) Client() *tls.Config {
	return ClientOf(k.store,
		func() *identity.Bundle { return k.content.Load().bundle },
		func() *identity.Policy { return k.content.Load().policy },
		func() (*access.State, Topology) { c := k.content.Load(); return c.state, c.topology })
}

// ClientOf returns a TLS configuration for connections to the client ports of a store. Credential returns what the
// client shows, and policy whom it accepts, of any kind: of these it takes instances of the store alone, whose
// certificates the servers have made that keep them.
func ClientOf(store string, credential func() *identity.Bundle, policy func() *identity.Policy,
	kept func() (*access.State, Topology)) *tls.Config {
	return identity.Client{
		Credentials: func() []*identity.Bundle { return []*identity.Bundle{credential()} },
		Policy:      func(*identity.Bundle) *identity.Policy { return instancesOnly(policy()) },
		Accepted: func(p *identity.Peer) error {
			if p.Identity.Store != store {
				return fmt.Errorf("%s answers, and not an instance of store %s", p.Identity.Describe(), store)
			}
			// It may be one that the topology has dropped: a new instance copies the data of one that leaves.
			state, topology := kept()
			return topology.checkIssuer(p, state, func(string) bool { return true })
		},
	}.Config()
}

// Admit checks the certificates that a client has shown. The error is an *identity.Error.
func (k *Keys) Admit(chain []*x509.Certificate) (*identity.Peer, error) {
	return k.content.Load().policy.Admit(chain)
}

// Caller returns who a client is that Admit has accepted before, and the role that it has now. It checks no signatures,
// so that it can be called for each request and each message of a stream. The error says why the client may not use
// this store, or not any more.
func (k *Keys) Caller(peer *identity.Peer) (caller identity.Caller, err error) {
	err = k.check(func(c *content) error {
		caller, err = k.caller(c, peer)
		return err
	})
	return caller, err
}

func (k *Keys) caller(c *content, peer *identity.Peer) (identity.Caller, error) {
	if err := c.policy.Recheck(peer); err != nil {
		return identity.Caller{}, err
	}
	id := peer.Identity
	if (id.Kind == identity.App || id.Kind == identity.Instance) && id.Store != k.store {
		return identity.Caller{}, fmt.Errorf("%s may not use store %s", id.Describe(), k.store)
	}
	switch id.Kind {
	case identity.Instance:
		if err := c.topology.checkIssuer(peer, c.state, nil); err != nil {
			return identity.Caller{}, err
		}
	case identity.Manager:
		if _, is := c.state.Members[id.Name]; is && !c.state.IsIssuerOf(id.Name, peer.Issuer()) {
			return identity.Caller{}, otherServer(id, id.Name)
		}
	}
	if role, external := c.policy.Granted(peer); external {
		return identity.Caller{Identity: id, Role: role}, nil
	}
	role := c.state.Role(id, peer.Serial(), access.Hash(peer.Key()), k.now())
	if role == identity.NoRole {
		return identity.Caller{}, fmt.Errorf("%s has no role: its grant has ended, or there was none", id.Describe())
	}
	return identity.Caller{Identity: id, Role: role}, nil
}

// CallerOf returns who a bearer token speaks for, and the role that it has now. The error says why it is not accepted,
// and does not show the token.
func (k *Keys) CallerOf(token string) (caller identity.Caller, err error) {
	t, err := access.ParseBearerToken(token)
	if err != nil {
		return identity.Caller{}, err
	}
	if slices.Contains(k.Exposed(), t.Text()) {
		return identity.Caller{}, errExposed
	}
	err = k.check(func(c *content) error {
		caller, err = c.state.Bearer(t.Hash(), k.now())
		return err
	})
	return caller, err
}

// errExposed is the refusal of a bearer token that came without TLS.
var errExposed = errors.New("this bearer token came without TLS once, and counts no longer: " +
	"dkvmanager credential --token makes another one")

// Expose notes that a bearer token came without TLS, where others may have read it: it is taken no more. Of a text that
// is no token of the cluster nothing is kept.
func (k *Keys) Expose(token string) {
	t, err := access.ParseBearerToken(token)
	if _, known := k.content.Load().state.Bearers[t.Hash()]; err != nil || !known {
		return
	}
	k.exposing.Lock()
	defer k.exposing.Unlock()
	if !slices.Contains(k.exposed, token) {
		k.exposed = append(k.exposed, token)
	}
}

// Exposed returns the bearer tokens that came without TLS, and which the instance's manager still lists: it makes them
// count no longer, everywhere and for good.
func (k *Keys) Exposed() []string {
	bearers := k.content.Load().state.Bearers
	k.exposing.Lock()
	defer k.exposing.Unlock()
	k.exposed = slices.DeleteFunc(k.exposed, func(token string) bool {
		t, err := access.ParseBearerToken(token)
		_, listed := bearers[t.Hash()]
		return err != nil || !listed
	})
	return slices.Clone(k.exposed)
}

// ErrNoCertificate is the refusal of a client that has shown no certificate and no bearer token.
var ErrNoCertificate = errors.New("the client has shown no certificate: it needs that of an application of this store, " +
	"which dkvmanager credential --app NAME --store STORE makes, or a user's bearer token")
