// Package external holds the certificates of an organisation's own authority: the one that a secured manager and its
// instances show to people and applications, and whom the client certificates of that authority stand for. The files
// are read again when they change.
//
// It protects from files that don't fit each other, and from a mapping that others can change. It does not check what
// the organisation's authority signs: who may have a certificate with a name of the mapping can act as its identity.
package external

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"

	"dkvrun/runtime/identity"
)

// Content is what the files say. An instance gets it in its own file.
type Content struct {
	Certificate string    `json:"certificate,omitempty"` // the chain as PEM; empty without a certificate to show
	Key         string    `json:"key,omitempty"`         // its key as PEM
	Roots       string    `json:"roots,omitempty"`       // PEM; empty if no clients of the authority are accepted
	Clients     []mapping `json:"clients,omitempty"`
}

// mapping says for whom client certificates with a name stand.
type mapping struct {
	Line int           `json:"line"` // of the file of identities
	Name name          `json:"name"`
	URI  string        `json:"uri"` // of the identity, a user or an application
	Role identity.Role `json:"role"`
}

// name is the name by which a certificate is recognised.
type name struct {
	Kind  string `json:"kind"` // subject, dns, email or uri
	Value string `json:"value"`
}

// The kinds of names.
const (
	subject = "subject"
	dns     = "dns"
	email   = "email"
	uri     = "uri"
)

// in reports whether a certificate has the name.
func (n name) in(c *x509.Certificate) bool {
	switch n.Kind {
	case subject:
		return subjectOf(c) == n.Value
	case dns:
		return slices.Contains(c.DNSNames, n.Value)
	case email:
		return slices.Contains(c.EmailAddresses, n.Value)
	case uri:
		for _, u := range c.URIs {
			if u.String() == n.Value {
				return true
			}
		}
	}
	return false
}

// subjectOf returns the subject of a certificate as RFC 2253 writes it, with all attributes in their order. Of several
// common names c.Subject has the last one alone: another certificate could pass for the one that a line names.
func subjectOf(c *x509.Certificate) string {
	var all pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawSubject, &all); err != nil || len(rest) > 0 {
		return ""
	}
	return all.String()
}

// ForStore returns the part of the content that instances of a store need: its applications, and the users.
func (c *Content) ForStore(store string) *Content {
	if c == nil {
		return nil
	}
	out := *c
	out.Clients = nil
	for _, each := range c.Clients {
		if id, err := identity.Parse(each.URI); err == nil && (id.Kind == identity.User || id.Store == store) {
			out.Clients = append(out.Clients, each)
		}
	}
	return &out
}

// Use is the content in the form in which TLS takes it.
type Use struct {
	Shown  *tls.Certificate   // nil for none
	Policy *identity.External // nil if no clients are accepted
}

// Use parses the content. A nil content has nothing.
func (c *Content) Use() (Use, error) {
	var out Use
	if c == nil {
		return out, nil
	}
	if c.Certificate != "" {
		shown, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
		if err != nil {
			return out, err
		}
		out.Shown = &shown
	}
	if c.Roots == "" {
		return out, nil
	}
	roots, err := identity.DecodeRoots([]byte(c.Roots))
	if err != nil {
		return out, err
	}
	clients := make([]client, 0, len(c.Clients))
	for _, each := range c.Clients {
		id, err := identity.Parse(each.URI)
		if err != nil {
			return out, err
		}
		clients = append(clients, client{each, id})
	}
	find := func(leaf *x509.Certificate) (identity.Identity, identity.Role, error) { return who(clients, leaf) }
	out.Policy = &identity.External{Roots: roots, Who: find}
	return out, nil
}

// client is a mapping with its identity.
type client struct {
	mapping
	id identity.Identity
}

// who returns for whom a certificate stands. Several lines may name it if they say the same.
func who(clients []client, leaf *x509.Certificate) (identity.Identity, identity.Role, error) {
	var found *client
	for i, c := range clients {
		switch {
		case !c.Name.in(leaf):
		case found == nil:
			found = &clients[i]
		case found.id != c.id || found.Role != c.Role:
			return identity.Identity{}, identity.NoRole, fmt.Errorf("lines %d and %d of the file of identities both name it, "+
				"and say different things", found.Line, c.Line)
		}
	}
	if found == nil {
		return identity.Identity{}, identity.NoRole,
			fmt.Errorf("no line of the file of identities names it: its subject is %.200q", subjectOf(leaf))
	}
	return found.id, found.Role, nil
}
