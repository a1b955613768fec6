// Package pki makes a cluster's certificates: the authority's root, an issuer for each server, the leaves of managers,
// instances, users and applications.
//
// It protects from requests that ask for more than a key's certificate: of a request only the key counts, and the
// request proves that its sender has it. A server's issuer is constrained to managers, instances and applications of
// its cluster: what a stolen server makes is no user. Keys never appear in errors.
//
// It does not protect from a stolen root key, nor from what a stolen server's issuer may make until it is revoked:
// leaves of any manager, instance and application. It doesn't decide who may ask for what: the callers check that
// before they sign, and write it to the access log first.
//
// Keys are ECDSA P-256, which etcd, gRPC, curl and openssl all take. Callers pass the time.
package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"dkvrun/runtime/identity"
)

// The lifetimes. None exceeds that of the certificate above.
const (
	AuthorityLifetime = 10 * 365 * 24 * time.Hour // also of issuers
	LeafLifetime      = 30 * 24 * time.Hour
	// backdate is how far before the present certificates begin to be valid, since clocks differ.
	backdate = 10 * time.Minute
)

// Times before the end of a certificate from which its expiry is warned of.
const (
	warnLeaf      = 14 * 24 * time.Hour
	warnAuthority = 365 * 24 * time.Hour
)

// Authority is a root with its key. It admits issuers and signs its successor; nothing else needs the key.
type Authority struct {
	Cluster string
	Root    *x509.Certificate
	Key     *ecdsa.PrivateKey
	// Cross are the certificates that lead from the previous root to this one, during a rotation; else empty. They are
	// sent with each chain.
	Cross []*x509.Certificate
}

// NewAuthority makes the root of a cluster with a new key.
func NewAuthority(cluster string, now time.Time) (*Authority, error) {
	if err := identity.CheckCluster(cluster); err != nil {
		return nil, fmt.Errorf("the cluster's name %w", err)
	}
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	template, err := authorityTemplate(cluster, "authority", &key.PublicKey, now)
	if err != nil {
		return nil, err
	}
	template.MaxPathLen = 2 // a cross-signed root and an issuer
	root, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &Authority{Cluster: cluster, Root: root, Key: key}, nil
}

// AuthorityOf returns the authority that a bundle holds, as Authority.Bundle made it.
func AuthorityOf(b *identity.Bundle) (*Authority, error) {
	if b.Key == nil || !b.Chain[0].IsCA || len(b.Chain[0].Subject.Organization) != 1 {
		return nil, errors.New("is not the root of a cluster's authority")
	}
	a := &Authority{Cluster: b.Chain[0].Subject.Organization[0], Root: b.Chain[0], Key: b.Key, Cross: b.Chain[1:]}
	if err := identity.CheckCluster(a.Cluster); err != nil {
		return nil, fmt.Errorf("is not the root of a cluster's authority: the cluster's name %w", err)
	}
	if err := a.Root.CheckSignatureFrom(a.Root); err != nil {
		return nil, fmt.Errorf("is not the root of a cluster's authority: %w", err)
	}
	return a, nil
}

// Bundle returns the authority as a file holds it: the root with its cross-signed certificates, and the key.
func (a *Authority) Bundle() *identity.Bundle {
	return &identity.Bundle{
		Cluster: a.Cluster, Key: a.Key,
		Chain: append([]*x509.Certificate{a.Root}, a.Cross...),
		Roots: []*x509.Certificate{a.Root},
	}
}

// ServerKinds are the kinds that the issuer of a server may make. Users are not among them, so that a stolen server
// can't make admins.
func ServerKinds() []identity.Kind {
	return []identity.Kind{identity.Manager, identity.Instance, identity.App}
}

// Admit makes the certificate of an issuer: an authority that signs leaves of certain kinds of this cluster, and no
// other authorities. Every server has one for ServerKinds; the server that makes credentials of users has one for
// users, so that it can do so without the root's key. Admit returns the chain of the issuer, without the root.
func (a *Authority) Admit(key *ecdsa.PublicKey, kinds []identity.Kind, now time.Time) ([]*x509.Certificate, error) {
	if len(kinds) == 0 {
		return nil, errors.New("an issuer needs at least one kind")
	}
	template, err := authorityTemplate(a.Cluster, "issuer", key, now)
	if err != nil {
		return nil, err
	}
	template.MaxPathLen, template.MaxPathLenZero = 0, true
	template.PermittedDNSDomainsCritical = true // the constraints as a whole, in spite of the name
	for _, k := range kinds {
		template.PermittedURIDomains = append(template.PermittedURIDomains, k.Host(a.Cluster))
	}
	c, err := signBelow(template, a.Root, key, a.Key, now)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{c}, a.Cross...), nil
}

// Readmit makes the certificate of an issuer that another root of this cluster has admitted: with the same key, serial
// number and constraints, so that what the issuer has signed stays valid, and what is revoked stays revoked. It makes
// the same certificate each time. The caller has verified the issuer's certificate. Readmit returns the chain of the
// issuer, without the root.
func (a *Authority) Readmit(issuer *x509.Certificate) ([]*x509.Certificate, error) {
	if !issuer.IsCA || !issuer.MaxPathLenZero || len(issuer.PermittedURIDomains) == 0 {
		return nil, errors.New("is not the certificate of an issuer")
	}
	if bytes.Equal(issuer.RawIssuer, a.Root.RawSubject) {
		return append([]*x509.Certificate{issuer}, a.Cross...), nil
	}
	template := &x509.Certificate{
		SerialNumber: issuer.SerialNumber, RawSubject: issuer.RawSubject, SubjectKeyId: issuer.SubjectKeyId,
		NotBefore: a.Root.NotBefore, NotAfter: a.Root.NotAfter, KeyUsage: issuer.KeyUsage,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedURIDomains: issuer.PermittedURIDomains,
	}
	// Without a source of randomness the signature is the same each time (RFC 6979).
	der, err := x509.CreateCertificate(nil, template, a.Root, issuer.PublicKey, a.Key)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{c}, a.Cross...), nil
}

// IsSignedBy reports whether a root has admitted the issuer whose certificate the chain of an issuer begins with.
func IsSignedBy(issuer, root *x509.Certificate) bool {
	return bytes.Equal(issuer.RawIssuer, root.RawSubject) && issuer.CheckSignatureFrom(root) == nil
}

// CrossSign signs the root of the next authority, so that whoever trusts this root trusts what the next one signs. The
// chain of the next authority's issuers ends with the result until all trust the new root.
func (a *Authority) CrossSign(next *Authority, now time.Time) (*x509.Certificate, error) {
	if next.Cluster != a.Cluster {
		return nil, fmt.Errorf("the next authority is of cluster %s, this one of cluster %s", next.Cluster, a.Cluster)
	}
	template, err := authorityTemplate(a.Cluster, "authority", &next.Key.PublicKey, now)
	if err != nil {
		return nil, err
	}
	template.RawSubject = next.Root.RawSubject
	template.MaxPathLen = 1 // an issuer
	return signBelow(template, a.Root, &next.Key.PublicKey, a.Key, now)
}

// authorityTemplate returns what roots and issuers have in common. A part of the key's hash makes the subject unique.
func authorityTemplate(cluster, what string, key *ecdsa.PublicKey, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	hash, err := HashPublicKey(key)
	if err != nil {
		return nil, err
	}
	name := "dkv " + what + " " + hex.EncodeToString(hash[:8])
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{cluster}, CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(AuthorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}, nil
}

// newSerial returns a random positive number of 128 bits.
func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40 // positive, and of the same length always
	return new(big.Int).SetBytes(b[:]), nil
}

// signBelow signs a certificate whose validity is cut to that of the one above it.
func signBelow(
	t, above *x509.Certificate, key *ecdsa.PublicKey, signer *ecdsa.PrivateKey, now time.Time,
) (*x509.Certificate, error) {
	if now.After(above.NotAfter) {
		return nil, fmt.Errorf("%q expired at %s and can sign nothing", above.Subject.CommonName, above.NotAfter.UTC().Format(time.RFC3339))
	}
	if t.NotBefore.Before(above.NotBefore) {
		t.NotBefore = above.NotBefore
	}
	if t.NotAfter.After(above.NotAfter) {
		t.NotAfter = above.NotAfter
	}
	return sign(t, above, key, signer)
}

func sign(t, above *x509.Certificate, key *ecdsa.PublicKey, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	if !t.NotBefore.Before(t.NotAfter) {
		return nil, errors.New("the certificate would end before it begins: check the clock")
	}
	der, err := x509.CreateCertificate(rand.Reader, t, above, key, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// RenewAt returns the time from which a certificate should be renewed: after two thirds of its lifetime.
func RenewAt(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 3 * 2)
}

// Warn reports whether the end of a certificate is so near that people should know: 14 days, a year for authorities.
func Warn(c *x509.Certificate, now time.Time) bool {
	before := warnLeaf
	if c.IsCA {
		before = warnAuthority
	}
	return now.After(c.NotAfter.Add(-before))
}

// Issuer signs leaves of certain kinds.
type Issuer struct {
	Chain []*x509.Certificate // its own certificate first, as Authority.Admit returns it
	Key   *ecdsa.PrivateKey
	Roots []*x509.Certificate // the trusted roots, for the bundles that it makes
}

// IssuerOf returns the issuer that a bundle holds, as Issuer.Bundle made it.
func IssuerOf(b *identity.Bundle) (*Issuer, error) {
	if b.Key == nil || !b.Chain[0].IsCA || len(b.Chain[0].PermittedURIDomains) == 0 {
		return nil, errors.New("is not an issuer of a cluster")
	}
	return &Issuer{Chain: b.Chain, Key: b.Key, Roots: b.Roots}, nil
}

// Bundle returns the issuer as a file holds it.
func (i *Issuer) Bundle() *identity.Bundle {
	return &identity.Bundle{Chain: i.Chain, Key: i.Key, Roots: i.Roots}
}

// May reports whether the issuer may make certificates of a kind for a cluster.
func (i *Issuer) May(kind identity.Kind, cluster string) bool {
	return slices.Contains(i.Chain[0].PermittedURIDomains, kind.Host(cluster))
}
