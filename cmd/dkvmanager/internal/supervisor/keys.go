package supervisor

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
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
	// renewEvery is the interval in which it looks whether certificates are due for renewal.
	renewEvery = time.Minute
)

// instanceKeys writes the keys of the instances of a secured manager. It is nil if the manager isn't secured.
type instanceKeys struct {
	member *security.Member
	hosts  []string // further names and addresses of this server
	log    *slog.Logger

	mu     sync.Mutex
	failed map[string]string // by folder: why its keys could not be updated last
}

func newInstanceKeys(o Options) *instanceKeys {
	if o.Security == nil {
		return nil
	}
	return &instanceKeys{member: o.Security, hosts: o.Hosts, log: o.Log, failed: map[string]string{}}
}

// follow keeps the keys in the instances' folders current until ctx is done: after each change of the access log, and
// when a certificate is due for renewal.
func (k *instanceKeys) follow(ctx context.Context, folders func() []string) {
	if k == nil {
		return
	}
	tick := time.NewTicker(accessEvery)
	defer tick.Stop()
	var last *access.State
	var done time.Time
	for {
		if state := k.member.State(); state != last || time.Since(done) >= renewEvery {
			if k.update(folders()) {
				last, done = state, time.Now()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
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
	if k.failed[folder] != err.Error() {
		k.failed[folder] = err.Error()
		k.log.Warn("the keys of an instance can't be updated", "folder", folder, "error", err)
	}
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
	})
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

// clusterName returns the name that the certificates of a store's instances have, or "" if the manager isn't secured.
func (k *instanceKeys) clusterName(operation string) (string, error) {
	if k == nil {
		return "", nil
	}
	return pki.StoreName(operationLabel(operation))
}

// client returns the TLS configuration for the client ports of a store, or nil if the manager isn't secured.
func (k *instanceKeys) client(store string) *tls.Config {
	if k == nil {
		return nil
	}
	return instancekeys.ClientOf(store, k.member.Bundle, func() *identity.Policy { return k.member.Policy() })
}

// certificate describes the certificate of an instance, which is in its folder and which the running instance shows.
func (k *instanceKeys) certificate(folder, store, instance string) wire.Certificate {
	out := wire.Certificate{Store: store, Instance: instance, TLS: wire.TLSOff}
	spec, err := readSpec(folder)
	if k == nil || err == nil && spec != nil && !spec.Secured() {
		return out
	}
	out.TLS = wire.TLSRequire
	if err == nil && spec == nil {
		return out // it was never started
	}
	if err == nil {
		var b *identity.Bundle
		if b, err = identity.Load(filepath.Join(folder, instancekeys.CertificateFile)); err == nil {
			out = k.member.DescribeBundle(b)
			out.Store, out.Instance = store, instance
			return out
		}
	}
	out.Problem = err.Error()
	return out
}
