package credential

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/identity"
)

// A credential may hold a certificate of an organisation's own authority instead of the cluster's. Managers that were
// started with --tls-cert then show a certificate of that authority, which has no identity: the server is checked by
// its host name or address, as browsers do, and which manager it is only its answers say.

// external is a credential of an organisation's own authority.
type external struct {
	shown *tls.Certificate
	roots []*x509.Certificate
}

// codeWrongHost is the code of a server whose certificate is for another host than the one that was asked for.
const codeWrongHost = "wrong_host"

// readExternal reads such a credential from a file. It returns nil if the file holds another one.
func readExternal(path string) (*credential, error) {
	text, err := identity.ReadSecret(path)
	if err != nil {
		return nil, unusable(err)
	}
	shown, roots, is, err := identity.DecodeExternal(text)
	if err != nil {
		return nil, fmt.Errorf("the credential %s %w", path, err)
	}
	if !is {
		return nil, nil
	}
	subject := shown.Leaf.Subject.String()
	return &credential{
		// The bundle has no cluster, so that no server of a cluster is judged by it.
		Bundle: &identity.Bundle{Roots: roots}, external: &external{shown, roots}, path: path,
		who: fmt.Sprintf("the owner of a certificate for %.200q", subject), as: subject,
	}, nil
}

// connectExternal makes a connection to a server of which the certificate names the host.
func (h *handshake) connectExternal(raw net.Conn) (fanout.Secure, error) {
	c := h.credentials[0]
	h.used = c
	if now := time.Now(); now.After(c.external.shown.Leaf.NotAfter) || now.Before(c.external.shown.Leaf.NotBefore) {
		leaf := c.external.shown.Leaf
		return fanout.Secure{}, h.fail(codeExpiredCredential, "get a new certificate from its authority, or set the clock of this machine",
			"your certificate is valid from %s to %s, and the clock here says %s; %s", day(leaf.NotBefore), day(leaf.NotAfter), day(now), c.you())
	}
	trusted := x509.NewCertPool()
	for _, root := range c.external.roots {
		trusted.AddCert(root)
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: protocols, ServerName: h.endpoint.Host, RootCAs: trusted,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.external.shown, nil },
	})
	if err := conn.Handshake(); err != nil {
		return fanout.Secure{}, h.explainExternal(err)
	}
	return fanout.Secure{Conn: conn, As: c.as}, nil
}

// explainExternal returns the error of a failed handshake with a server whose certificate should name the host.
func (h *handshake) explainExternal(err error) error {
	var bad *tls.CertificateVerificationError
	if !errors.As(err, &bad) || len(bad.UnverifiedCertificates) == 0 {
		return h.explain(err)
	}
	leaf := bad.UnverifiedCertificates[0]
	if id, none := identity.Of(leaf); none == nil {
		return h.fail(string(identity.UnknownAuthority), "start it with --tls-cert and --tls-key, or use a credential of cluster "+id.Cluster,
			"%s answers there with a certificate of its cluster alone; %s", id.Describe(), h.used.you())
	}
	subject := leaf.Subject.String()
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &host):
		return h.fail(codeWrongHost, "connect by a name or an address that the certificate has: nothing else says that it is the right server",
			"the server's certificate, for %.200q, does not name %s; %s", subject, h.endpoint.Host, h.used.you())
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return h.fail(string(identity.UnknownAuthority), "the credential's file must end with the authority of the managers' certificates",
			"the server's certificate, for %.200q, was signed by an authority that your credential does not know; %s", subject, h.used.you())
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return h.fail(string(identity.Expired), "replace the file of --tls-cert on that server, or set the clock that is wrong",
			"the server's certificate, for %.200q, is valid from %s to %s, and the clock here says %s; %s",
			subject, day(invalid.Cert.NotBefore), day(invalid.Cert.NotAfter), day(time.Now()), h.used.you())
	}
	return h.fail(string(identity.Unusable), "", "the server's certificate can't be used: %v; %s", bad.Err, h.used.you())
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
