package wire

import "time"

// JoinPath is the path with which a server joins a secured cluster.
func JoinPath() string { return Prefix + "/join" }

// AccessPath is the path of the access log, which says who may do what in a secured cluster.
func AccessPath() string { return Prefix + "/access" }

// CertificatesPath is the path of the certificates that a manager and its instances show.
func CertificatesPath() string { return Prefix + "/certificates" }

// Join is the body of POST /join: a server asks to become a member. It is sent over TLS, after the server's chain was
// compared with the token.
type Join struct {
	Token string `json:"token" max:"256"` // of which the manager that gave it knows the hash
	// Request is a signing request (PKCS #10, PEM) for the key of the server's issuer. Only its key counts.
	Request  string `json:"request" max:"2048"`
	Identity string `json:"identity" max:"64"` // of the manager
	URL      string `json:"url" max:"269"`     // at which others reach it
}

// Joined is the answer to Join: the certificate of the server's issuer, with which it makes its own certificates.
type Joined struct {
	Cluster string `json:"cluster"`
	Manager string `json:"manager"` // the identity of the manager that answers
	Issuer  string `json:"issuer"`  // the issuer's chain, PEM
	Roots   string `json:"roots"`   // the authority's certificates, PEM
	// Access is the access log, in lines; of a log of more than 1 MiB its first lines.
	Access string `json:"access"`
}

// Access is the answer to GET /access without parameters: what a manager has of the access log.
type Access struct {
	Cluster string       `json:"cluster"`
	Heads   []AccessHead `json:"heads"` // the last line of the log, then those of branches that differ from it
	// Managers are the other members whose addresses this manager knows.
	Managers []Manager `json:"managers"`
}

// AccessHead is the last line of the access log or a branch of it.
type AccessHead struct {
	Number int64  `json:"number"`
	Hash   string `json:"hash"` // in hexadecimal digits
}

// AppendAccess is the body of POST /access.
type AppendAccess struct {
	// Line is one line that follows the access log, signed by an admin or the authority.
	Line string `json:"line" max:"2048"`
}

// Certificates is the answer to GET /certificates.
type Certificates struct {
	// Certificates has one entry for the manager, and then one for each of its instances, by store and name.
	Certificates []Certificate `json:"certificates"`
}

// TLSMode says what a port takes.
type TLSMode string

// The modes.
const (
	TLSOff     TLSMode = "off"     // plain connections alone
	TLSPrefer  TLSMode = "prefer"  // TLS and plain connections
	TLSRequire TLSMode = "require" // TLS alone
)

// Certificate is the certificate that a manager or an instance shows, and what it trusts. Without TLS, and for an
// instance that was never started, it has Store, Instance and TLS alone.
type Certificate struct {
	Store    string  `json:"store,omitempty"`    // of an instance; empty for the manager
	Instance string  `json:"instance,omitempty"` // empty for the manager
	TLS      TLSMode `json:"tls"`
	Identity string  `json:"identity,omitempty"` // the URI
	Serial   string  `json:"serial,omitempty"`   // in hexadecimal digits
	// NotBefore and NotAfter are the times between which the certificate is valid.
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	// Authority is the root that vouches for the certificate, and Authorities are those that are trusted, the last one
	// added last: hashes of their keys (SPKI, SHA-256) in hexadecimal digits. Authority is empty if none of them does.
	Authority   string   `json:"authority,omitempty"`
	Authorities []string `json:"authorities,omitempty"`
	// StaleSince is when the access log was heard of last, if that is more than a minute ago.
	StaleSince *time.Time `json:"staleSince,omitempty"`
	// Problem says why the certificate is not known.
	Problem string `json:"problem,omitempty"`
}
