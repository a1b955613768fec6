package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/external"
	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/instancekeys"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

const (
	// accessEvery is the interval in which a secured manager looks for changes of the access log.
	accessEvery = 250 * time.Millisecond
	// renewEvery is the interval in which it looks whether certificates are due for renewal; DKV_RENEW_EVERY in tests.
	renewEvery = time.Minute
)

// instanceKeys writes the keys of the instances of a secured manager. It is nil if the manager isn't secured.
type instanceKeys struct {
	member *security.Member
	hosts  []string // further names and addresses of this server
	log    *slog.Logger
	// catalog returns what the catalog says, or nil if it can't be read.
	catalog func() *catalog.Data
	changed chan struct{} // has a value when the catalog has changed

	mu     sync.Mutex
	failed map[string]failure // by folder: why its keys can't be updated
}

// failure is why the keys of an instance can't be updated, and since when.
type failure struct {
	why   string
	since time.Time
}

func newInstanceKeys(o Options) *instanceKeys {
	if o.Security == nil {
		return nil
	}
	return &instanceKeys{member: o.Security, hosts: o.Hosts, log: o.Log, failed: map[string]failure{},
		changed: make(chan struct{}, 1),
		catalog: func() *catalog.Data {
			if o.Catalog.Lost() != "" {
				return nil // what was recovered from the folders has the instances of this server alone
			}
			return o.Catalog.Snapshot()
		}}
}

// notify makes follow look at the catalog at once.
func (k *instanceKeys) notify() {
	if k == nil {
		return
	}
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// follow keeps the keys in the instances' folders current until ctx is done: after each change of the access log, of
// the certificates of an organisation's own authority and of a store's topology, when a bearer token came without TLS,
// and when a certificate is due for renewal.
func (k *instanceKeys) follow(ctx context.Context, folders func() []string) {
	if k == nil {
		return
	}
	tick := time.NewTicker(accessEvery)
	defer tick.Stop()
	renewEvery := failpoint.Duration("DKV_RENEW_EVERY", renewEvery)
	var last *access.State
	var shown *identity.Bundle // the manager's certificate changes with its issuer and the authorities
	var organisation *external.Content
	var burnt []string
	var stores map[string]*instancekeys.Topology
	var done time.Time
	for {
		state, now := k.member.State(), k.topologies()
		own, others, refused := k.member.Bundle(), k.member.External(), k.member.Burnt()
		if state != last || own != shown || others != organisation || !slices.Equal(refused, burnt) ||
			!reflect.DeepEqual(now, stores) || time.Since(done) >= renewEvery {
			if k.update(folders()) {
				last, shown, organisation, burnt, stores, done = state, own, others, refused, now, time.Now()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-k.changed:
		}
	}
}

// update updates the keys of all instances that have been started once. It reports whether that succeeded.
func (k *instanceKeys) update(folders []string) bool {
	ok := true
	for _, folder := range folders {
		spec, err := readSpec(folder)
		if err == nil && spec != nil && spec.Secured() {
			err = k.write(folder, spec)
		}
		k.note(folder, err)
		ok = ok && err == nil
	}
	return ok
}

// note logs why the keys in a folder can't be updated, unless that is known.
func (k *instanceKeys) note(folder string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		delete(k.failed, folder)
		return
	}
	before, failed := k.failed[folder]
	if !failed {
		before.since = k.member.Now()
	}
	k.failed[folder] = failure{err.Error(), before.since}
	if before.why != err.Error() {
		k.log.Warn("the keys of an instance can't be updated", "folder", folder, "error", err)
	}
}

// staleSince returns since when the instance of a folder may lack lines of the access log that other managers have, or
// nil.
func (k *instanceKeys) staleSince(folder string) *time.Time {
	k.mu.Lock()
	f, failed := k.failed[folder]
	k.mu.Unlock()
	since := k.member.StaleSince()
	if failed && k.member.IsStale(f.since) && (since.IsZero() || f.since.Before(since)) {
		since = f.since
	}
	if since.IsZero() {
		return nil
	}
	return &since
}

// write writes to an instance's folder what it needs to speak TLS: its certificate, and who may use the store.
func (k *instanceKeys) write(folder string, spec *engine.Spec) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		return nil // deleted meanwhile
	}
	return k.member.WriteInstance(folder, pki.Leaf{
		Identity: identity.Identity{
			Kind: identity.Instance, Cluster: k.member.Identity().Cluster, Store: spec.Store, Name: spec.Instance,
		},
		Operation: operationLabel(spec.Operation),
		Hosts:     security.Hosts(spec.Host, spec.Bind, k.hosts),
	}, k.topology(spec.Store, spec.Operation))
}

// topologies returns those of all stores by name, or nil if the catalog can't be read.
func (k *instanceKeys) topologies() map[string]*instancekeys.Topology {
	d := k.catalog()
	if d == nil {
		return nil
	}
	out := map[string]*instancekeys.Topology{}
	for name, s := range d.Stores {
		out[name] = k.topologyOf(s)
	}
	return out
}

// topology returns that of the store that an operation has created, or nil if the catalog doesn't know it.
func (k *instanceKeys) topology(store, creation string) *instancekeys.Topology {
	d := k.catalog()
	if d == nil || d.Stores[store] == nil || d.Stores[store].Creation != creation {
		return nil
	}
	return k.topologyOf(d.Stores[store])
}

// topologyOf returns which managers keep the instances of a store. The instances of this server that are leaving are
// among them.
func (k *instanceKeys) topologyOf(s *catalog.Store) *instancekeys.Topology {
	out := &instancekeys.Topology{Creation: s.Creation, Epoch: s.Epoch, Revision: s.Revision,
		Instances: map[string]instancekeys.Place{}}
	for _, m := range s.Managers {
		out.Managers = append(out.Managers, m.Identity)
	}
	add := func(n wire.Node) {
		manager := k.member.Identity().Name
		if s.Local[n.Name] == nil {
			manager = keeper(s.Managers, n)
		}
		out.Instances[n.Name] = instancekeys.Place{Manager: manager, Gateway: n.Role == wire.Gateway}
	}
	for _, n := range leaving(s) {
		add(n)
	}
	for _, n := range s.Nodes {
		add(n)
	}
	return out
}

// keeper returns the identity of the manager of another server that keeps a node: the one at the endpoint for which it
// was planned, else the only one on its host. It is empty if that doesn't tell.
func keeper(managers []wire.Manager, n wire.Node) string {
	onHost := ""
	for _, m := range managers {
		u, err := url.Parse(m.URL)
		switch {
		case err != nil:
		case n.Manager != "" && strings.EqualFold(u.Host, n.Manager):
			return m.Identity
		case strings.EqualFold(u.Hostname(), n.Host):
			if onHost != "" {
				return ""
			}
			onHost = m.Identity
		}
	}
	return onHost
}

// operationLabel returns the text for an operation in the names of certificates: its id, or its hash if the id can't be
// part of a DNS name.
func operationLabel(operation string) string {
	if _, err := pki.StoreName(operation); err == nil {
		return operation
	}
	hash := sha256.Sum256([]byte(operation))
	return "h-" + hex.EncodeToString(hash[:24])
}

// clusterName returns the name that the certificates of a store's instances have.
func (k *instanceKeys) clusterName(operation string) (string, error) {
	return pki.StoreName(operationLabel(operation))
}

// client says how connections to the client ports of a store speak TLS, or nil if the manager isn't secured.
func (k *instanceKeys) client(store string) *engine.Secure {
	if k == nil {
		return nil
	}
	config := instancekeys.ClientOf(store, k.member.Bundle, func() *identity.Policy { return k.member.Policy() },
		func() (*access.State, instancekeys.Topology) {
			var topology instancekeys.Topology
			if d := k.catalog(); d != nil && d.Stores[store] != nil {
				topology = *k.topologyOf(d.Stores[store])
			}
			return k.member.State(), topology
		})
	return &engine.Secure{Config: config, Plain: k.member.TakesPlain}
}

// certificate describes the certificate of an instance, which is in its folder and which the running instance shows.
func (k *instanceKeys) certificate(folder, store, instance string) wire.Certificate {
	out := wire.Certificate{Store: store, Instance: instance, TLS: wire.TLSOff}
	spec, err := readSpec(folder)
	if k == nil || err == nil && spec != nil && !spec.Secured() {
		return out
	}
	out.TLS = k.member.TLS()
	if err == nil && spec == nil {
		return out // it was never started
	}
	if err == nil {
		var b *identity.Bundle
		if b, err = identity.Load(filepath.Join(folder, instancekeys.CertificateFile)); err == nil {
			out = k.member.DescribeBundle(b)
			out.Store, out.Instance, out.TLS = store, instance, k.member.TLS()
			out.StaleSince = k.staleSince(folder)
			return out
		}
	}
	out.Problem = err.Error()
	return out
}
