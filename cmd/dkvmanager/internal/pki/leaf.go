package pki

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// storeDomain ends the name under which the cluster ports of a store know each other.
const storeDomain = ".store.dkv.internal"

// maxHosts is the maximum number of hosts in a leaf.
const maxHosts = 32

// Leaf says what a leaf is made for.
type Leaf struct {
	Identity identity.Identity
	// Hosts are the IP addresses and names under which others reach an instance or a manager. Programs that don't know
	// identities, such as etcd's clients and curl, check them. Users and applications have none.
	Hosts []string
	// Operation is the id of the operation that created the instance's store, for the cluster port: see StoreName. Only
	// instances have it.
	Operation string
	// Lifetime is how long the leaf is valid from now; 0 means LeafLifetime. A user's may be longer.
	Lifetime time.Duration
}

// StoreName returns the DNS name that the certificates of all instances of one store have, made of the id of the
// operation that created the store. Cluster ports accept certificates with this name alone, which keeps instances of
// other stores out, also those of a removed store with the same name.
func StoreName(operation string) (string, error) {
	for _, c := range operation {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return "", fmt.Errorf("the operation %.80q has %q: only lower-case letters, digits and '-' can stand in a certificate", operation, c)
		}
	}
	if operation == "" || len(operation) > 63 || strings.Trim(operation, "-") != operation {
		return "", fmt.Errorf("the operation %.80q can't stand in a certificate: want 1 to 63 characters, without '-' at the ends", operation)
	}
	return operation + storeDomain, nil
}

// Sign makes a leaf for a key and returns its chain, without the root. It refuses kinds that the issuer may not make.
func (i *Issuer) Sign(key *ecdsa.PublicKey, l Leaf, now time.Time) ([]*x509.Certificate, error) {
	if err := l.Identity.Check(); err != nil {
		return nil, err
	}
	if !i.May(l.Identity.Kind, l.Identity.Cluster) {
		return nil, fmt.Errorf("this issuer may not make a certificate for %s: only for %q", l.Identity, i.Chain[0].PermittedURIDomains)
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if l.Lifetime < 0 || l.Lifetime > AuthorityLifetime {
		return nil, fmt.Errorf("the lifetime %s is not between 0 and %s", l.Lifetime, AuthorityLifetime)
	}
	if l.Lifetime == 0 {
		l.Lifetime = failpoint.Duration("DKV_LEAF_LIFETIME", LeafLifetime)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{l.Identity.Cluster}, CommonName: l.Identity.Name},
		NotBefore:             now.Add(-failpoint.Duration("DKV_LEAF_BACKDATE", backdate)),
		NotAfter:              now.Add(l.Lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{l.Identity.URI()},
	}
	if err := l.addNames(t); err != nil {
		return nil, err
	}
	leaf, err := signBelow(t, i.Chain[0], key, i.Key, now)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{leaf}, i.Chain...), nil
}

// addNames adds what servers have: the usage, the addresses, and the store's name.
func (l Leaf) addNames(t *x509.Certificate) error {
	serves := l.Identity.Kind == identity.Manager || l.Identity.Kind == identity.Instance
	if serves {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	} else if len(l.Hosts) > 0 {
		return fmt.Errorf("a certificate of a %s has no hosts", l.Identity.Kind)
	}
	if len(l.Hosts) > maxHosts {
		return fmt.Errorf("%d hosts are too many for a certificate: at most %d are allowed", len(l.Hosts), maxHosts)
	}
	for _, h := range l.Hosts {
		if err := wire.CheckHost(h); err != nil {
			return fmt.Errorf("the host %w", err)
		}
		if ip, err := netip.ParseAddr(h); err == nil {
			if !slices.ContainsFunc(t.IPAddresses, net.IP(ip.AsSlice()).Equal) {
				t.IPAddresses = append(t.IPAddresses, ip.AsSlice())
			}
			continue
		}
		// A name of a store's cluster port can't be had by asking for it as a host.
		if strings.HasSuffix("."+strings.ToLower(strings.TrimSuffix(h, ".")), storeDomain) {
			return fmt.Errorf("the host %q ends with %s, which is kept for the ports between instances", h, storeDomain)
		}
		if !slices.Contains(t.DNSNames, h) {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	if (l.Identity.Kind == identity.Instance) != (l.Operation != "") {
		return errors.New("instances have the operation that created their store in the certificate, others don't")
	}
	if l.Operation == "" {
		return nil
	}
	name, err := StoreName(l.Operation)
	if err != nil {
		return err
	}
	t.DNSNames = append(t.DNSNames, name)
	return nil
}

// Issue makes a key and its leaf, and returns both with the roots as a credential file holds them.
func (i *Issuer) Issue(l Leaf, now time.Time) (*identity.Bundle, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	chain, err := i.Sign(&key.PublicKey, l, now)
	if err != nil {
		return nil, err
	}
	return &identity.Bundle{Chain: chain, Key: key, Roots: i.Roots, Cluster: l.Identity.Cluster}, nil
}
