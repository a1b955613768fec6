package wire

import "time"

// JoinPath is the path with which a server joins a secured cluster.
func JoinPath() string { return Prefix + "/join" }

// AccessPath is the path of the access log, which says who may do what in a secured cluster.
func AccessPath() string { return Prefix + "/access" }

// IssuerPath is the path of the certificate of the issuer of the server that asks, as the present authority signs it.
func IssuerPath() string { return Prefix + "/issuer" }

// CertificatesPath is the path of the certificates that a manager and its instances show.
func CertificatesPath() string { return Prefix + "/certificates" }

// AccessStatePath is the path of what the access log says, for people.
func AccessStatePath() string { return AccessPath() + "/state" }

// MakeCertificatePath is the path with which an admin has a certificate made.
func MakeCertificatePath() string { return AccessPath() + "/certificates" }

// EndpointsPath is the path of the client ports of a store, which its applications may read.
func EndpointsPath(store string) string { return StorePath(store) + "/endpoints" }

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
	// Audit is the last line of the manager's audit log, which others remember.
	Audit *AuditHead `json:"audit,omitempty"`
	// Heard is what the manager remembers of the audit log of the manager that the parameter audit names; nil if it
	// remembers nothing.
	Heard *AuditHeard `json:"heard,omitempty"`
	// Burnt are bearer tokens that came without TLS, so that they count no longer. Only managers are told of them: each
	// takes one only if it is a token that the access log has, so nobody can invent them.
	Burnt []string `json:"burnt,omitempty"`
	// Roots are the authority's certificates that this manager trusts, PEM.
	Roots string `json:"roots,omitempty"`
}

// Issuer is the answer to GET /issuer.
type Issuer struct {
	Issuer string `json:"issuer"` // the issuer's chain, PEM
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
	TLSOff TLSMode = "off" // plain connections alone
	// TLSPrefer takes TLS and plain connections, on which everybody may do what a manager allows that is not secured: for
	// the time in which a running cluster becomes a secured one.
	TLSPrefer  TLSMode = "prefer"
	TLSRequire TLSMode = "require" // TLS alone
)

// SecuredModes lists the modes of secured managers.
var SecuredModes = []TLSMode{TLSPrefer, TLSRequire}

// MaxOldClients is the maximum number of clients that a Certificate names.
const MaxOldClients = 32

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
	// PeerAuthorities are those that a running data instance trusts where it connects to the cluster ports of others. It
	// reads them when it starts.
	PeerAuthorities []string `json:"peerAuthorities,omitempty"`
	// OldClients are the URIs of clients with an open connection and a certificate for which only an authority vouches
	// that is being replaced: at most MaxOldClients.
	OldClients []string `json:"oldClients,omitempty"`
	// StaleSince is when the access log was heard of last, if that is more than a minute ago.
	StaleSince *time.Time `json:"staleSince,omitempty"`
	// Problem says why the certificate is not known.
	Problem string `json:"problem,omitempty"`
}

// MakeCertificate is the body of POST /access/certificates. The certificate has no role: a line of the access log gives
// it one.
type MakeCertificate struct {
	Identity string `json:"identity" max:"256"` // the URI of a user or an application
	// Request is a signing request (PKCS #10, PEM) for the key. Only its key counts.
	Request string `json:"request" max:"2048"`
	Seconds int    `json:"seconds"` // how long the certificate is valid: MinCertificateSeconds to MaxCertificateSeconds
}

// Bounds of the lifetime of a certificate or a token, in seconds: a minute, and the lifetime of an authority.
const (
	MinCertificateSeconds = 60
	MaxCertificateSeconds = 10 * 365 * 24 * 3600
)

// MadeCertificate is the answer to MakeCertificate.
type MadeCertificate struct {
	Cluster     string `json:"cluster"`
	Manager     string `json:"manager"`     // the identity of the manager that answers
	Certificate string `json:"certificate"` // its chain, PEM
	Roots       string `json:"roots"`       // the authority's certificates, PEM
}

// AccessState is the answer to GET /access/state: what the access log says. It has no secrets.
type AccessState struct {
	Cluster string         `json:"cluster"`
	Manager string         `json:"manager"` // the identity of the manager that answers
	Head    AccessHead     `json:"head"`    // the last line
	Time    time.Time      `json:"time"`    // when it was signed
	Members []AccessMember `json:"members"`
	Grants  []AccessGrant  `json:"grants"`  // of users and applications, by their certificates
	Bearers []AccessGrant  `json:"bearers"` // of users, by bearer tokens
	Tokens  []AccessToken  `json:"tokens"`  // join tokens that servers can still use
	Revoked []string       `json:"revoked"` // serial numbers of certificates, in hexadecimal
	Forks   []AccessFork   `json:"forks"`   // branches that differ from the log
}

// AccessMember is a manager that is a member.
type AccessMember struct {
	URI    string    `json:"uri"`
	Since  time.Time `json:"since"`
	Issuer string    `json:"issuer"`        // the serial number of its issuer's certificate, in hexadecimal
	URL    string    `json:"url,omitempty"` // where it was reached last
	// Authority reports that its server holds the authority's key, and makes the certificates of users.
	Authority bool `json:"authority,omitempty"`
}

// AccessGrant is the role of a user or an application.
type AccessGrant struct {
	URI     string     `json:"uri"`
	Role    string     `json:"role"`
	Serial  string     `json:"serial,omitempty"`  // of the certificate that has the role, in hexadecimal
	Token   string     `json:"token,omitempty"`   // the first digits of the token's hash, instead of a serial number
	Expires *time.Time `json:"expires,omitempty"` // also in the past
}

// AccessToken is a join token.
type AccessToken struct {
	Token   string    `json:"token"`             // the first digits of its hash
	Manager string    `json:"manager,omitempty"` // the only manager that may use it; empty for any new one
	Left    int       `json:"left"`              // how many more servers may use it
	Expires time.Time `json:"expires"`
}

// AccessFork is a branch that differs from the access log.
type AccessFork struct {
	Number int64  `json:"number"` // of the first line that differs
	Ours   string `json:"ours,omitempty"`
	Theirs string `json:"theirs"` // the hash of that line in the branch
	Lines  int64  `json:"lines"`  // of the branch, from that line on
}

// StoreEndpoints is the answer to GET /stores/STORE/endpoints: what an application needs to use the store.
type StoreEndpoints struct {
	Name      string          `json:"name"`
	Creation  string          `json:"creation"`          // the id of the operation that created the store
	Cluster   string          `json:"cluster,omitempty"` // the engine's id of the store's cluster, in hexadecimal
	Revision  uint64          `json:"revision"`
	Endpoints []StoreEndpoint `json:"endpoints"` // in the order of the topology
}

// StoreEndpoint is the client port of an instance.
type StoreEndpoint struct {
	Instance string `json:"instance"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
}
