package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Server says how a server's side of TLS is made.
type Server struct {
	// Certificate returns the certificate to show. It is called for each connection, so that a renewed one is used
	// without a restart. See Bundle.TLS.
	Certificate func() (*tls.Certificate, error)
	// External returns the certificate of another authority, to show to clients that do not ask for ServerName; or nil,
	// which shows them Certificate. It is called for each connection, and may be nil.
	External func() *tls.Certificate
	// Policy returns which clients are accepted. It is called for each connection.
	Policy func() *Policy
	// RequireClient refuses clients without an accepted certificate in the handshake. They learn nothing but that the
	// connection failed. Without it the handshake takes any client, and the caller must admit or refuse each request by
	// Policy.Admit with the connection's PeerCertificates: so it can tell the client why, and take bearer tokens.
	RequireClient bool
	// Accepted is called with each accepted client where RequireClient is set, for example to compare its identity with
	// the expected ones. An error ends the connection. It may be nil.
	Accepted func(*Peer) error
	// Protocols are the application protocols for ALPN, such as "http/1.1".
	Protocols []string
}

// Config returns the server's configuration: TLS 1.3 only, and no session is resumed, so that no connection outlives a
// revocation without a new check.
func (s Server) Config() *tls.Config {
	base := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             s.Protocols,
		SessionTicketsDisabled: true,
	}
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return s.connection(hello.ServerName)
	}
	// Checkers of configurations want a certificate here; each connection gets its own configuration.
	base.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Certificate() }
	return base
}

// connection returns the configuration of one connection of a client that asks for a name.
func (s Server) connection(name string) (*tls.Config, error) {
	certificate, err := s.Certificate()
	if err != nil {
		return nil, err
	}
	if s.External != nil && name != ServerName {
		if c := s.External(); c != nil {
			certificate = c
		}
	}
	policy := s.Policy()
	out := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             s.Protocols,
		SessionTicketsDisabled: true,
		Certificates:           []tls.Certificate{*certificate},
		ClientAuth:             tls.RequestClientCert,
		ClientCAs:              x509.NewCertPool(), // sent, so that a client with several credentials can choose
	}
	for _, c := range policy.Roots {
		out.ClientCAs.AddCert(c)
	}
	if policy.External != nil {
		for _, c := range policy.External.Roots {
			out.ClientCAs.AddCert(c)
		}
	}
	if s.RequireClient {
		// RequireAnyClientCert leaves the check to VerifyConnection, whose errors tell more.
		out.ClientAuth = tls.RequireAnyClientCert
		out.VerifyConnection = func(state tls.ConnectionState) error {
			peer, err := policy.Admit(state.PeerCertificates)
			if err == nil && s.Accepted != nil {
				err = s.Accepted(peer)
			}
			return err
		}
	}
	return out, nil
}

// Client says how a client's side of TLS is made.
type Client struct {
	// Credentials are what the client shows: the one for the server's cluster is used, of several for one cluster any
	// whose roots fit. A bundle with a token shows no certificate, but its roots are trusted. It is called for each
	// connection.
	Credentials func() []*Bundle
	// Policy returns which servers are accepted, for the bundle of the server's cluster. It is called for each
	// connection. Usually it returns bundle.Policy(...).
	Policy func(*Bundle) *Policy
	// Accepted is called with each accepted server, for example to compare its identity with the expected one. An error
	// ends the connection. It may be nil.
	Accepted func(*Peer) error
	// Protocols are the application protocols for ALPN, such as "http/1.1".
	Protocols []string
}

// Config returns the client's configuration: TLS 1.3 only, and no session is resumed. The server is judged by its
// identity and not by its address.
func (c Client) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: ServerName,
		NextProtos: c.Protocols,
		// VerifyConnection checks the chain instead; crypto/tls would compare the server's address as well.
		InsecureSkipVerify: true,
		VerifyConnection:   c.verify,
		GetClientCertificate: func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return choose(c.Credentials(), request), nil
		},
	}
}

// choose returns the certificate to show: the first one that leads to a root that the server lists. If none does, and
// there is only one, it is shown all the same, so that the server can say what is wrong with it.
func choose(credentials []*Bundle, request *tls.CertificateRequestInfo) *tls.Certificate {
	var all []*tls.Certificate
	for _, b := range credentials {
		if b.Key != nil {
			all = append(all, b.TLS(false))
		}
	}
	for _, shown := range all {
		if request.SupportsCertificate(shown) == nil {
			return shown
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return &tls.Certificate{} // none
}

// verify checks a server, with the roots of the credential for the cluster that its certificate claims.
func (c Client) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return &Error{Problem: NoCertificate}
	}
	id, err := Of(state.PeerCertificates[0])
	if err != nil {
		return err
	}
	credentials := c.Credentials()
	if len(credentials) == 0 {
		return errors.New("there is no credential for any cluster")
	}
	var first error
	for _, b := range credentials {
		if b.Cluster != id.Cluster {
			continue
		}
		peer, err := c.Policy(b).Admit(state.PeerCertificates)
		if err == nil && c.Accepted != nil {
			return c.Accepted(peer)
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = &Error{Problem: WrongCluster, Identity: id, Cluster: credentials[0].Cluster}
	}
	return first
}
