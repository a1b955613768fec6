package identity

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// maxChain is the maximum number of certificates that a peer may send: the longest valid chain has a leaf, an issuer,
// a root that is cross-signed by the previous root, and both roots.
const maxChain = 8

// KeyHash is the SHA-256 hash of a public key, as a certificate holds it (SPKI). It names keys: a root's stays the same
// when its certificate is made again with the same key.
type KeyHash [sha256.Size]byte

// HashKey returns the hash of the public key of a certificate.
func HashKey(c *x509.Certificate) KeyHash { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// Policy says which certificates are accepted. It is read only and may be used concurrently.
type Policy struct {
	// Roots are the trusted authorities: one, or two during the rotation of the authority.
	Roots []*x509.Certificate
	// Cluster is the expected cluster, or empty for any. With several clusters' roots it must be set.
	Cluster string
	// Kinds are the accepted kinds; empty accepts all.
	Kinds []Kind
	// Now returns the present time. It must be set.
	Now func() time.Time
	// Revoked reports whether the certificate with a serial number is revoked. It is called with all certificates below
	// the root. Nil revokes none.
	Revoked func(serial *big.Int) bool
	// External says which clients of another authority are accepted; nil for none.
	External *External
}

// Peer is an accepted peer.
type Peer struct {
	Identity Identity
	path     []*x509.Certificate // from the leaf to a trusted root
	chain    []*x509.Certificate // as the peer sent it
	external bool                // the root is not one of the cluster: see Policy.External
}

// Verify checks a chain as a peer sent it, the leaf first, with roots as the only trusted authorities, and returns the
// identity of the leaf. The error is an *Error. Policy.Admit checks more.
func Verify(chain, roots []*x509.Certificate, now time.Time) (Identity, error) {
	p := Policy{Roots: roots, Now: func() time.Time { return now }}
	peer, err := p.Admit(chain)
	if err != nil {
		return Identity{}, err
	}
	return peer.Identity, nil
}

// Admit checks a chain as a peer sent it, the leaf first. The leaf must have exactly one identity, a path to a trusted
// root, and no issuer on that path that may not make its kind. The error is an *Error. That the peer has the leaf's key
// is for TLS to check.
func (p *Policy) Admit(chain []*x509.Certificate) (*Peer, error) {
	if len(chain) == 0 {
		return nil, &Error{Problem: NoCertificate}
	}
	leaf := chain[0]
	if p.External != nil && !claimsIdentity(leaf) {
		return p.admitExternal(chain)
	}
	id, err := p.claim(leaf)
	if err != nil {
		return nil, err
	}
	if len(chain) > maxChain {
		return nil, &Error{Problem: Unusable, Identity: id, Err: fmt.Errorf("the chain has %d certificates: at most %d are allowed", len(chain), maxChain)}
	}
	if err := checkLeaf(leaf, id); err != nil {
		return nil, &Error{Problem: Unusable, Identity: id, Err: err}
	}
	now := p.Now()
	paths, err := p.paths(chain, id, now)
	if err != nil {
		return nil, err
	}
	var first error
	for _, path := range paths {
		err := checkPath(path, id)
		if err != nil {
			err = &Error{Problem: Unusable, Identity: id, Err: err}
		} else if err = p.checkNow(path, id, now); err == nil {
			return &Peer{Identity: id, path: path, chain: chain}, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// Authority returns the last one of the policy's roots that vouches for a chain by itself. The error is that of Admit
// if none does.
func (p *Policy) Authority(chain []*x509.Certificate) (*x509.Certificate, error) {
	for _, root := range slices.Backward(p.Roots) {
		alone := *p
		alone.Roots = []*x509.Certificate{root}
		if _, err := alone.Admit(chain); err == nil {
			return root, nil
		}
	}
	_, err := p.Admit(chain)
	return nil, err
}

// IsOld reports whether the newest of several roots does not vouch for an accepted peer. One that is accepted no longer
// is not old: its connection, which may stay open while the peer hangs, does nothing any more.
func (p *Policy) IsOld(peer *Peer) bool {
	if len(p.Roots) < 2 || p.Recheck(peer) != nil {
		return false
	}
	newest := *p
	newest.Roots = p.Roots[len(p.Roots)-1:]
	_, err := newest.Admit(peer.chain)
	return err != nil
}

// Recheck checks again whether an accepted peer is still accepted: the times of its certificates, their revocation, and
// whether its root is still trusted. It checks no signatures, so that it can be called for each request and each
// message of a stream; only if the root is trusted no longer does it look for another one that vouches for the chain.
// The error is an *Error.
func (p *Policy) Recheck(peer *Peer) error {
	if peer.external {
		return p.recheckExternal(peer)
	}
	if _, err := p.claim(peer.path[0]); err != nil {
		return err
	}
	root := HashKey(peer.path[len(peer.path)-1])
	trusted := slices.ContainsFunc(p.Roots, func(c *x509.Certificate) bool { return HashKey(c) == root })
	if !trusted {
		_, err := p.Admit(peer.chain)
		return err
	}
	return p.checkNow(peer.path, peer.Identity, p.Now())
}

// NotAfter returns when the first certificate of the peer's path expires.
func (peer *Peer) NotAfter() time.Time {
	first := peer.path[0].NotAfter
	for _, c := range peer.path[1:] {
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// Serial returns the serial number of the peer's leaf.
func (peer *Peer) Serial() *big.Int { return peer.path[0].SerialNumber }

// Key returns the hash of the key of the peer's leaf.
func (peer *Peer) Key() KeyHash { return HashKey(peer.path[0]) }

// HasName reports whether the peer's leaf has a DNS name.
func (peer *Peer) HasName(name string) bool { return slices.Contains(peer.path[0].DNSNames, name) }

// Issuer returns the serial number of the certificate that signed the peer's leaf.
func (peer *Peer) Issuer() *big.Int { return peer.path[1].SerialNumber }

// IssuerCertificate returns the certificate that signed the peer's leaf.
func (peer *Peer) IssuerCertificate() *x509.Certificate { return peer.path[1] }

// claim returns the identity that a leaf claims, if the policy expects it.
func (p *Policy) claim(leaf *x509.Certificate) (Identity, error) {
	id, err := Of(leaf)
	if err != nil {
		return Identity{}, err
	}
	if p.Cluster != "" && id.Cluster != p.Cluster {
		return Identity{}, &Error{Problem: WrongCluster, Identity: id, Cluster: p.Cluster}
	}
	if len(p.Kinds) > 0 && !slices.Contains(p.Kinds, id.Kind) {
		return Identity{}, &Error{Problem: WrongKind, Identity: id, Kinds: p.Kinds}
	}
	return id, nil
}

// Of returns the identity that a certificate claims, without checking who signed it. The error is an *Error with the
// problem NoIdentity or ManyIdentities.
func Of(c *x509.Certificate) (Identity, error) {
	uris, err := rawURIs(c)
	switch {
	case err != nil:
		return Identity{}, &Error{Problem: NoIdentity, Err: err}
	case len(uris) == 0:
		return Identity{}, &Error{Problem: NoIdentity, Err: errors.New("it has no URI")}
	case len(uris) > 1:
		return Identity{}, &Error{Problem: ManyIdentities}
	}
	id, err := Parse(uris[0])
	if err != nil {
		return Identity{}, &Error{Problem: NoIdentity, Err: err}
	}
	return id, nil
}

// rawURIs returns the URIs among the alternative names of a certificate, byte for byte: a parsed URL would show several
// texts as one, such as an upper-case scheme as a lower-case one.
func rawURIs(c *x509.Certificate) ([]string, error) {
	const tagURI = 6 // RFC 5280, GeneralName
	var out []string
	found := false
	for _, e := range c.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			continue
		}
		if found {
			return nil, errors.New("it has two lists of names")
		}
		found = true
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return nil, errors.New("its names can't be read")
		}
		for _, n := range names {
			if n.Class == asn1.ClassContextSpecific && n.Tag == tagURI {
				out = append(out, string(n.Bytes))
			}
		}
	}
	return out, nil
}

// checkLeaf refuses a leaf that may sign certificates, or whose usages are not those of its kind: all identities are
// used as clients, those of managers and instances as servers too.
func checkLeaf(leaf *x509.Certificate, id Identity) error {
	if leaf.IsCA {
		return errors.New("it is an authority's, not a peer's")
	}
	if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return errors.New("it may not be used as a client's")
	}
	serves := id.Kind == Manager || id.Kind == Instance
	if serves != slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		return errors.New("its usages are not those of its kind")
	}
	return nil
}

// paths returns the paths from a leaf to trusted roots, checked by crypto/x509.
func (p *Policy) paths(chain []*x509.Certificate, id Identity, now time.Time) ([][]*x509.Certificate, error) {
	o := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range p.Roots {
		o.Roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	paths, err := chain[0].Verify(o)
	if err == nil {
		return paths, nil
	}
	// Was it the time alone? Then there are paths at a time when all these certificates were valid.
	all := slices.Concat(chain, p.Roots)
	if o.CurrentTime = latestStart(all); !valid(all, now) && valid(all, o.CurrentTime) {
		if past, late := chain[0].Verify(o); late != nil {
			err = late
		} else if err := p.checkNow(past[0], id, now); err != nil {
			return nil, err
		}
	}
	problem := Unusable
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		problem = UnknownAuthority
	} else if invalid := new(x509.CertificateInvalidError); errors.As(err, invalid) && invalid.Reason == x509.Expired {
		if err := checkTimes(invalid.Cert, invalid.Cert == chain[0], id, now); err != nil {
			return nil, err
		}
	}
	return nil, &Error{Problem: problem, Identity: id, Err: err}
}

// latestStart returns the time from which all certificates are valid.
func latestStart(all []*x509.Certificate) time.Time {
	latest := all[0].NotBefore
	for _, c := range all {
		if c.NotBefore.After(latest) {
			latest = c.NotBefore
		}
	}
	return latest
}

// valid reports whether all certificates are valid at a time.
func valid(all []*x509.Certificate, at time.Time) bool {
	return !slices.ContainsFunc(all, func(c *x509.Certificate) bool {
		return at.Before(c.NotBefore) || at.After(c.NotAfter)
	})
}

// checkNow checks the times and the revocation of a path.
func (p *Policy) checkNow(path []*x509.Certificate, id Identity, now time.Time) error {
	for i, c := range path {
		if err := checkTimes(c, i == 0, id, now); err != nil {
			return err
		}
		if i < len(path)-1 && p.Revoked != nil && p.Revoked(c.SerialNumber) {
			return &Error{Problem: IsRevoked, Identity: id, Subject: subject(i == 0), Serial: c.SerialNumber}
		}
	}
	return nil
}

func checkTimes(c *x509.Certificate, leaf bool, id Identity, now time.Time) error {
	problem := Expired
	if now.Before(c.NotBefore) {
		problem = NotYetValid
	} else if !now.After(c.NotAfter) {
		return nil
	}
	return &Error{
		Problem: problem, Identity: id, Subject: subject(leaf), NotBefore: c.NotBefore, NotAfter: c.NotAfter, Now: now,
	}
}

func subject(leaf bool) string {
	if leaf {
		return "certificate"
	}
	return "issuer"
}

// checkPath refuses a path on which an authority made what it may not make. crypto/x509 has checked constraints too; it
// lets a constraint cover subdomains, and issuers without constraints make anything.
//   - Every certificate above the leaf is an authority that may sign certificates.
//   - An authority with path length 0, which is an issuer, is directly above the leaf, and its constraints list the
//     host of the leaf's identity, letter for letter.
//   - All other authorities of the path have no constraints, as roots and cross-signed roots.
func checkPath(path []*x509.Certificate, id Identity) error {
	if len(path) < 2 {
		return errors.New("no authority signed it")
	}
	for i, c := range path[1:] {
		if !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0 {
			return fmt.Errorf("%q on its path is no authority", c.Subject.CommonName)
		}
		hosts := c.PermittedURIDomains
		switch limited := c.MaxPathLen == 0; {
		case limited && i > 0:
			return fmt.Errorf("%q on its path may not make authorities", c.Subject.CommonName)
		case limited && !slices.Contains(hosts, id.Kind.Host(id.Cluster)):
			return fmt.Errorf("its issuer may not make a certificate for %s: only for %q", id.Kind.Host(id.Cluster), hosts)
		case !limited && len(hosts) > 0:
			return fmt.Errorf("%q on its path is neither a root nor an issuer", c.Subject.CommonName)
		}
	}
	return nil
}

// RootByHash returns the certificate among those that a peer sent whose public key has a certain hash. A server that
// has only a token trusts this certificate alone, and then checks the peer's chain with it.
func RootByHash(chain []*x509.Certificate, hash KeyHash) (*x509.Certificate, error) {
	for _, c := range chain {
		if HashKey(c) == hash && c.IsCA && bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignatureFrom(c) == nil {
			return c, nil
		}
	}
	return nil, errors.New("the peer does not show the root certificate whose key the token names: the token is of another cluster, " +
		"or something between here and there answers in the manager's place")
}
