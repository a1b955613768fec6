// Package identitytest makes the certificates of a cluster that exists for a test or a measurement only. Clusters in
// use get theirs from their managers.
package identitytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"dkvrun/runtime/identity"
)

// Authority is the authority of a cluster.
type Authority struct {
	Cluster string
	Root    *x509.Certificate
	key     *ecdsa.PrivateKey
}

// Leaf says what a certificate is made for.
type Leaf struct {
	Identity identity.Identity
	// Host is the address at which programs that don't know identities reach a server; empty for none.
	Host string
	// From and To are the times at which the certificate begins and ends to be valid; the zero time means an hour ago,
	// and in a day.
	From, To time.Time
}

// New makes an authority.
func New(cluster string) (*Authority, error) {
	a := &Authority{Cluster: cluster}
	var err error
	a.Root, a.key, err = sign(&x509.Certificate{
		Subject: pkix.Name{Organization: []string{cluster}, CommonName: "test authority"}, IsCA: true, MaxPathLen: 2,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	return a, err
}

// Bundle makes a certificate, signed by an issuer that is made for it alone, as each server has its own issuer.
func (a *Authority) Bundle(l Leaf) (*identity.Bundle, error) {
	issuer, issuerKey, err := sign(&x509.Certificate{
		Subject: pkix.Name{Organization: []string{a.Cluster}, CommonName: fmt.Sprintf("test issuer %d", time.Now().UnixNano())}, IsCA: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign, PermittedDNSDomainsCritical: true,
		PermittedURIDomains: []string{l.Identity.Kind.Host(l.Identity.Cluster)},
	}, a.Root, a.key)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		Subject:  pkix.Name{Organization: []string{a.Cluster}, CommonName: l.Identity.Name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{l.Identity.URI()}, NotBefore: l.From, NotAfter: l.To,
	}
	if slices.Contains([]identity.Kind{identity.Manager, identity.Instance}, l.Identity.Kind) {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if ip, err := netip.ParseAddr(l.Host); err == nil {
		t.IPAddresses = []net.IP{ip.AsSlice()}
	}
	leaf, key, err := sign(t, issuer, issuerKey)
	if err != nil {
		return nil, err
	}
	return &identity.Bundle{
		Cluster: l.Identity.Cluster, Key: key, Chain: []*x509.Certificate{leaf, issuer}, Roots: []*x509.Certificate{a.Root},
	}, nil
}

// sign makes a certificate with a new key, signed by the one above it, or by itself.
func sign(t, above *x509.Certificate, aboveKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, nil, err
	}
	if t.NotBefore.IsZero() {
		t.NotBefore = time.Now().Add(-time.Hour)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = time.Now().Add(24 * time.Hour)
	}
	t.BasicConstraintsValid = true
	if above == nil {
		above, aboveKey = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, above, &key.PublicKey, aboveKey)
	if err != nil {
		return nil, nil, err
	}
	c, err := x509.ParseCertificate(der)
	return c, key, err
}
