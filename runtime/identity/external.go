package identity

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ServerName is the name that a client asks for (SNI, RFC 6066) if it judges the server by its identity. A server that
// has a certificate of another authority as well shows that one to all other clients: they judge it by its address.
const ServerName = "identity.dkv.internal"

// External says which client certificates of another authority than the cluster's are accepted: those of an
// organisation's own authority, each of which stands for an identity of the cluster. It is read only and may be used
// concurrently.
type External struct {
	Roots []*x509.Certificate
	// Who returns for whom a certificate stands, a user or an application, and the role that it has. The error says why
	// it stands for nobody.
	Who func(*x509.Certificate) (Identity, Role, error)
}

// claimsIdentity reports whether a certificate claims to be of a cluster's authority.
func claimsIdentity(c *x509.Certificate) bool {
	uris, err := rawURIs(c)
	return err != nil || slices.ContainsFunc(uris, func(uri string) bool {
		return len(uri) >= len(scheme) && strings.EqualFold(uri[:len(scheme)], scheme)
	})
}

// admitExternal is Admit for a certificate that claims no identity.
func (p *Policy) admitExternal(chain []*x509.Certificate) (*Peer, error) {
	leaf, now := chain[0], p.Now()
	if len(chain) > maxChain {
		return nil, &Error{Problem: Unusable, Err: fmt.Errorf("the chain has %d certificates: at most %d are allowed", len(chain), maxChain)}
	}
	if leaf.IsCA {
		return nil, &Error{Problem: Unusable, Err: errors.New("it is an authority's, not a peer's")}
	}
	path, err := p.External.path(chain, now)
	if err != nil {
		return nil, err
	}
	peer := &Peer{path: path, chain: chain, external: true}
	if peer.Identity, _, err = p.External.Who(leaf); err != nil {
		return nil, &Error{Problem: NoIdentity, Err: err}
	}
	if len(p.Kinds) > 0 && !slices.Contains(p.Kinds, peer.Identity.Kind) {
		return nil, &Error{Problem: WrongKind, Identity: peer.Identity, Kinds: p.Kinds}
	}
	if err := p.checkNow(path, peer.Identity, now); err != nil {
		return nil, err
	}
	return peer, nil
}

// path returns a path from a client's certificate to a root, checked by crypto/x509.
func (x *External) path(chain []*x509.Certificate, now time.Time) ([]*x509.Certificate, error) {
	o := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range x.Roots {
		o.Roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	paths, err := chain[0].Verify(o)
	if err == nil {
		return paths[0], nil
	}
	problem := Unusable
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		problem = UnknownAuthority
	} else if invalid := new(x509.CertificateInvalidError); errors.As(err, invalid) && invalid.Reason == x509.Expired {
		if err := checkTimes(invalid.Cert, invalid.Cert == chain[0], Identity{}, now); err != nil {
			return nil, err
		}
	}
	return nil, &Error{Problem: problem, Err: err}
}

// recheckExternal is Recheck for a peer whose certificate is of another authority.
func (p *Policy) recheckExternal(peer *Peer) error {
	root := peer.path[len(peer.path)-1]
	if p.External == nil || !slices.ContainsFunc(p.External.Roots, root.Equal) {
		return &Error{Problem: UnknownAuthority, Identity: peer.Identity}
	}
	id, _, err := p.External.Who(peer.path[0])
	if err == nil && id != peer.Identity {
		err = fmt.Errorf("it stands for %s now, and not for %s", id.Describe(), peer.Identity.Describe())
	}
	if err != nil {
		return &Error{Problem: NoIdentity, Identity: peer.Identity, Err: err}
	}
	return p.checkNow(peer.path, peer.Identity, p.Now())
}

// Granted returns the role of a peer whose certificate is of another authority than the cluster's. It is false for all
// other peers, whose roles the access log has.
func (p *Policy) Granted(peer *Peer) (Role, bool) {
	if !peer.external {
		return NoRole, false
	}
	if p.External == nil {
		return NoRole, true
	}
	_, role, err := p.External.Who(peer.path[0])
	if err != nil {
		return NoRole, true
	}
	return role, true
}

// DecodeExternal reads a credential file whose certificate is of another authority than a cluster's: the chain, the
// leaf first, then the key, of any type that TLS takes, then the certificates of authorities that are trusted for
// servers. It reports false if the certificate claims to be of a cluster, or if the text has no certificate before a
// key: then Decode says what is wrong.
func DecodeExternal(text []byte) (shown *tls.Certificate, roots []*x509.Certificate, is bool, err error) {
	var chain, key, after bytes.Buffer
	bad := eachBlock(text, func(b *pem.Block) error {
		switch to := &chain; {
		case strings.HasSuffix(b.Type, pemKey) && key.Len() == 0:
			return pem.Encode(&key, b)
		case b.Type != pemCertificate:
			return fmt.Errorf("has a PEM block of the unknown type %.40q", b.Type)
		default:
			if key.Len() > 0 {
				to = &after
			}
			return pem.Encode(to, b)
		}
	})
	certificates, unread := DecodeChain(chain.Bytes())
	if bad != nil || unread != nil || key.Len() == 0 || claimsIdentity(certificates[0]) {
		return nil, nil, false, nil
	}
	pair, err := tls.X509KeyPair(chain.Bytes(), key.Bytes())
	if err != nil { // the cause could show a part of the key
		return nil, nil, true, errors.New("has a key that can't be read, or that is not that of its first certificate")
	}
	if after.Len() == 0 {
		return nil, nil, true, errors.New("has no certificate of an authority after its key, with which the managers' certificates can be checked")
	}
	roots, err = DecodeRoots(after.Bytes())
	return &pair, roots, true, err
}
