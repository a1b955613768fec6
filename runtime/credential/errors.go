package credential

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/identity"
)

// Codes of failures, beside the problems of package identity. Programs may depend on them.
const (
	codePlain              = "plain_http"          // the server speaks plain HTTP
	codeNoCredential       = "no_credential"       // the server is a manager, and there is no credential at all
	codeUnusableCredential = "unusable_credential" // the file of the credential is refused or damaged
	codeExpiredCredential  = "expired_credential"  // of this run; a server's certificate is "expired"
	codeNotManager         = "not_a_manager"       // a certificate that is not one of a manager
	codeNotInstance        = "not_an_instance"     // a certificate that is not one of the store's instances
	codeRefusedCredential  = "not_authenticated"   // the server ended the connection because of the credential
)

// explain returns the error of a failed handshake.
func (h *handshake) explain(err error) error {
	var own *fanout.SecurityError
	if errors.As(err, &own) {
		return own
	}
	if plain := spokenPlain(h.endpoint, err); plain != nil {
		return plain
	}
	var alert tls.AlertError
	if errors.As(err, &alert) {
		return &fanout.SecurityError{Class: codeRefusedCredential, As: h.as(), Cause: err,
			Message: fmt.Sprintf("the server ended the TLS handshake (%v)", alert)}
	}
	return err
}

// as says who the client is, for programs.
func (h *handshake) as() string {
	switch {
	case h.used != nil:
		return h.used.as
	case len(h.credentials) == 1:
		return h.credentials[0].as
	}
	return ""
}

// you says who the client is and with which file, for people.
func (c *credential) you() string { return fmt.Sprintf("you are %s (%s)", c.who, c.path) }

func (h *handshake) fail(class, hint, format string, args ...any) *fanout.SecurityError {
	return &fanout.SecurityError{Class: class, As: h.as(), Message: fmt.Sprintf(format, args...), Hint: hint}
}

func (h *handshake) notManager(reason string) error {
	return h.fail(codeNotManager, "is it the port of a manager?",
		"the server has a certificate that is not a manager's: %s", strings.TrimPrefix(reason, "the peer's certificate "))
}

// described says what a server is. A manager's identity is left out, so that all managers of a cluster have the same
// reason, which is then shown once.
func described(id identity.Identity) string {
	if id.Kind == identity.Manager {
		return "a manager of cluster " + id.Cluster
	}
	return id.Describe()
}

// otherCluster is the error for a server of a cluster for which there is no credential.
func (h *handshake) otherCluster(id identity.Identity) error {
	var have []string
	for _, c := range h.credentials {
		have = append(have, fmt.Sprintf("%s (%s)", c.who, c.path))
	}
	message := fmt.Sprintf("%s answers there, and there is no credential for cluster %s: you are %s",
		described(id), id.Cluster, strings.Join(have, ", "))
	if h.failed != nil {
		message += "; " + oneLine(h.failed)
	}
	return h.fail(string(identity.WrongCluster), h.source.obtain(id.Cluster), "%s", message)
}

// noCredential is the error for a manager of a secured cluster, without any credential.
func (s *Source) noCredential(id identity.Identity) error {
	return &fanout.SecurityError{Class: codeNoCredential,
		Message: fmt.Sprintf("%s answers there, and there is no credential for cluster %s", described(id), id.Cluster),
		Hint:    s.obtain(id.Cluster)}
}

// obtain says how to get a credential for a cluster.
func (s *Source) obtain(cluster string) string {
	hint := fmt.Sprintf("run dkvmanager credential --name YOU --role ROLE --out %s.pem on the server that made the cluster", cluster)
	if s.Folder != "" {
		return hint + ", and put the file into " + s.Folder
	}
	return hint + ", and name the file with --credential"
}

// refused is the error for a server that is not accepted.
func (h *handshake) refused(p *identity.Error) error {
	switch p.Problem {
	case identity.WrongKind:
		if h.endpoint.Store != "" {
			return h.fail(codeNotInstance, "is it a client port of store "+h.endpoint.Store+"?",
				"%s answers there, which is not an instance; %s", p.Identity.Describe(), h.used.you())
		}
		return h.fail(codeNotManager, "is it the port of a manager?",
			"%s answers there, which is not a manager; %s", p.Identity.Describe(), h.used.you())
	case identity.UnknownAuthority:
		return h.fail(string(p.Problem), fmt.Sprintf(
			"if the authority of %s was made anew, get a new credential; else something answers in the manager's place", p.Identity.Cluster),
			"the certificate of %s was signed by an authority that your credential does not know; %s", described(p.Identity), h.used.you())
	}
	return h.fail(string(p.Problem), "", "%v; %s", p, h.used.you())
}

// untimely is the error for a server whose certificate is not valid at this time.
func (h *handshake) untimely(p *identity.Error) error {
	hint := "on that server, dkvmanager pki status shows its certificates, and dkvmanager join --again mends an expired one"
	if p.Problem == identity.NotYetValid {
		hint = "set the clock that is wrong"
	}
	return h.fail(string(p.Problem), hint, "%v; %s", p, h.used.you())
}

// ownExpired is the error for the certificate of this run, out of its time.
func (h *handshake) ownExpired(c *x509.Certificate, now time.Time) error {
	const layout = "2006-01-02 15:04:05 UTC"
	id, err := h.used.Identity()
	if err != nil {
		return err
	}
	if now.Before(c.NotBefore) {
		return h.fail(codeExpiredCredential, "set the clock of this machine",
			"your credential is not valid before %s, and the clock here says %s; %s", c.NotBefore.UTC().Format(layout), now.UTC().Format(layout), h.used.you())
	}
	return h.fail(codeExpiredCredential, fmt.Sprintf(
		"run dkvmanager credential --name %s --role ROLE --out FILE on the server that made cluster %s, and replace %s", id.Name, id.Cluster, h.used.path),
		"your credential expired at %s, and the clock here says %s; %s", c.NotAfter.UTC().Format(layout), now.UTC().Format(layout), h.used.you())
}

// oneLine joins the lines of an error.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
