package credential

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// Default implements fanout.Security: with a credential, servers without a scheme are https.
func (s *Source) Default(fanout.Endpoint) bool { return s.exists() }

// Secure implements fanout.Security.
func (s *Source) Secure(e fanout.Endpoint, raw net.Conn) (fanout.Secure, error) {
	all, err := s.credentials()
	switch {
	case len(all) > 0:
		h := &handshake{endpoint: e, source: s, credentials: all, failed: err}
		if all[0].external != nil {
			return h.connectExternal(raw)
		}
		return h.connect(raw)
	case err != nil:
		return fanout.Secure{}, &fanout.SecurityError{Class: codeUnusableCredential, Message: err.Error(), Cause: err}
	}
	return s.connectPublic(e, raw)
}

// handshake is one connection to a manager.
type handshake struct {
	endpoint    fanout.Endpoint
	source      *Source
	credentials []*credential
	failed      error // what is wrong with the credentials that can't be used

	used    *credential     // the credential for the server's cluster
	peer    *identity.Peer  // the accepted server
	expired *identity.Error // set if the server would be accepted at another time
}

// connect makes the connection.
func (h *handshake) connect(raw net.Conn) (fanout.Secure, error) {
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: protocols,
		ServerName: identity.ServerName,
		// VerifyConnection checks the chain instead: a manager is known by its identity, not by its address. It runs
		// before the client's certificate is sent.
		InsecureSkipVerify: true,
		VerifyConnection:   h.verify,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if h.used == nil || h.used.shown == nil || h.expired != nil {
				return &tls.Certificate{}, nil // none
			}
			return h.used.shown, nil
		},
	})
	if err := conn.Handshake(); err != nil {
		return fanout.Secure{}, h.explain(err)
	}
	if h.expired != nil {
		problem := h.expired
		if now, err := peerTime(conn, h.endpoint); err == nil {
			problem = problem.WithPeerTime(now)
		}
		return fanout.Secure{}, h.untimely(problem)
	}
	out := fanout.Secure{Conn: conn, As: h.used.as}
	if h.endpoint.Store == "" {
		out.Manager = h.peer.Identity.Name
	}
	if h.used.Token != "" {
		out.Authorization = "Bearer " + h.used.Token
	}
	return out, nil
}

// protocols are those of ALPN.
var protocols = []string{"http/1.1"}

// verify checks the server with the credential for the cluster that its certificate names, and then that credential.
func (h *handshake) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return h.notManager("the server sent no certificate")
	}
	id, err := identity.Of(state.PeerCertificates[0])
	if err != nil {
		return h.notManager(err.Error())
	}
	for _, c := range h.credentials {
		if c.Cluster == id.Cluster {
			h.used = c
			break
		}
	}
	if h.used == nil {
		return h.otherCluster(id)
	}
	expected := identity.Manager
	if h.endpoint.Store != "" {
		expected = identity.Instance
	}
	h.peer, err = h.used.Policy(time.Now, expected).Admit(state.PeerCertificates)
	var problem *identity.Error
	switch {
	case err == nil && h.endpoint.Store != h.peer.Identity.Store:
		return h.fail(codeNotInstance, "is it a client port of store "+h.endpoint.Store+"?",
			"%s answers there; %s", h.peer.Identity.Describe(), h.used.you())
	case err == nil:
		return h.checkOwn()
	case !errors.As(err, &problem):
		return err
	case problem.Problem == identity.Expired || problem.Problem == identity.NotYetValid:
		h.expired = problem // the handshake goes on without a credential, to ask for the server's time
		return nil
	}
	return h.refused(problem)
}

// checkOwn refuses the own certificate if it has expired by the clock of this machine.
func (h *handshake) checkOwn() error {
	now := time.Now()
	for _, c := range h.used.Chain {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return h.ownExpired(c, now)
		}
	}
	return nil
}

// maxAnswer bounds the headers of the answer that is read for its time, in bytes.
const maxAnswer = 4 << 10

// peerTime asks a server for its time. Nothing that it says is trusted: the time is only shown.
func peerTime(conn io.ReadWriter, e fanout.Endpoint) (time.Time, error) {
	if _, err := io.WriteString(conn, "GET "+wire.Prefix+"/health HTTP/1.1\r\nHost: "+e.String()+"\r\nConnection: close\r\n\r\n"); err != nil {
		return time.Time{}, err
	}
	in := textproto.NewReader(bufio.NewReader(io.LimitReader(conn, maxAnswer)))
	if _, err := in.ReadLine(); err != nil {
		return time.Time{}, err
	}
	header, err := in.ReadMIMEHeader()
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC1123, header.Get("Date"))
}

// connectPublic makes a connection without a credential. A manager can't be judged then; other servers are, by the
// authorities of the system.
func (s *Source) connectPublic(e fanout.Endpoint, raw net.Conn) (fanout.Secure, error) {
	conn := tls.Client(raw, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: e.Host})
	err := conn.Handshake()
	if err == nil {
		return fanout.Secure{Conn: conn}, nil
	}
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) && len(unknown.UnverifiedCertificates) > 0 {
		if id, none := identity.Of(unknown.UnverifiedCertificates[0]); none == nil {
			return fanout.Secure{}, s.noCredential(id)
		}
	}
	if plain := spokenPlain(e, err); plain != nil {
		return fanout.Secure{}, plain
	}
	return fanout.Secure{}, err
}

// spokenPlain returns the error for a server that does not speak TLS, or nil.
func spokenPlain(e fanout.Endpoint, err error) error {
	var record tls.RecordHeaderError
	if !errors.As(err, &record) {
		return nil
	}
	if !strings.HasPrefix(string(record.RecordHeader[:]), "HTTP/") {
		return nil
	}
	e.Scheme = "http"
	return &fanout.SecurityError{Class: codePlain, Cause: err,
		Message: fmt.Sprintf("speaks plain HTTP, and is asked for TLS; write %s if that is meant", e.URL())}
}
