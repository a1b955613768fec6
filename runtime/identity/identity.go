// Package identity says who a peer is and what it may do: identities and their certificates, roles, credential files,
// and the TLS configurations of runner and managers.
//
// It protects from peers without a certificate of the cluster's authority, with one of another cluster, of another
// kind, out of its time or revoked; from an issuer that makes certificates of kinds that it may not make (checked here,
// in addition to crypto/x509); from credential files that others can read.
//
// It does not protect from a stolen key before its revocation is known here, nor from a manager that issues
// certificates of the kinds it may make to others. It doesn't decide which route takes which role, and doesn't know who
// is a member: callers check that against the access log.
//
// The package reads no clock and no environment: callers pass the time and paths. Nothing runs when it is initialised.
package identity

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"dkvrun/runtime/wire"
)

// Kind says what an identity is the identity of. It is the first label of the URI's host, so that the name constraints
// of an issuer can limit the kinds that it may make.
type Kind string

// The kinds.
const (
	Manager  Kind = "manager"  // a manager, named by its identity
	Instance Kind = "instance" // an instance of a store
	User     Kind = "user"     // a person or a job that calls managers
	App      Kind = "app"      // an application that reads and writes one store
)

// ofStore reports whether identities of the kind belong to one store.
func (k Kind) ofStore() bool { return k == Instance || k == App }

// Host returns the host of the URIs of a kind in a cluster, KIND.CLUSTER. Name constraints of issuers list such hosts.
func (k Kind) Host(cluster string) string { return string(k) + "." + cluster }

// Identity says who a certificate was made for.
type Identity struct {
	Kind    Kind
	Cluster string
	Store   string // of an instance or an application, else empty
	Name    string // a manager's identity, else the name of the instance, user or application
}

// scheme begins all URIs of identities.
const scheme = "dkv://"

// maxURI is above the length of any URI of an identity, in bytes.
const maxURI = 256

// maxManagerName is the maximum length of a manager's identity in a certificate, in bytes.
const maxManagerName = 64

// String returns the identity's URI, the only text of this identity that Parse accepts.
func (i Identity) String() string {
	path := i.Name
	if i.Kind.ofStore() {
		path = i.Store + "/" + i.Name
	}
	return scheme + i.Kind.Host(i.Cluster) + "/" + path
}

// URI returns the identity as a certificate carries it.
func (i Identity) URI() *url.URL {
	rest := strings.TrimPrefix(i.String(), scheme)
	host, path, _ := strings.Cut(rest, "/")
	return &url.URL{Scheme: "dkv", Host: host, Path: "/" + path}
}

// Describe returns the identity for messages to people, for example "user ci of cluster prod".
func (i Identity) Describe() string {
	if i.Kind.ofStore() {
		return fmt.Sprintf("%s %s of store %s in cluster %s", i.Kind, i.Name, i.Store, i.Cluster)
	}
	return fmt.Sprintf("%s %s of cluster %s", i.Kind, i.Name, i.Cluster)
}

// Parse reads the URI of an identity:
//
//	dkv://manager.CLUSTER/IDENTITY    dkv://instance.CLUSTER/STORE/INSTANCE
//	dkv://user.CLUSTER/NAME           dkv://app.CLUSTER/STORE/NAME
//
// It accepts exactly the texts that String returns for valid identities: no escapes, port, user, query or fragment.
func Parse(text string) (Identity, error) {
	if len(text) > maxURI {
		return Identity{}, fmt.Errorf("the identity has %d bytes: at most %d are allowed", len(text), maxURI)
	}
	rest, found := strings.CutPrefix(text, scheme)
	if !found {
		return Identity{}, fmt.Errorf("%.80q is not an identity: it begins with %s", text, scheme)
	}
	parts := strings.Split(rest, "/")
	kind, cluster, _ := strings.Cut(parts[0], ".")
	i := Identity{Kind: Kind(kind), Cluster: cluster, Name: parts[len(parts)-1]}
	switch {
	case i.Kind.ofStore() && len(parts) == 3:
		i.Store = parts[1]
	case !i.Kind.ofStore() && len(parts) == 2:
	default:
		return Identity{}, fmt.Errorf("%.80q is not an identity: want %sKIND.CLUSTER/NAME, with STORE/NAME for instances and applications", text, scheme)
	}
	if err := i.Check(); err != nil {
		return Identity{}, fmt.Errorf("%.80q is not an identity: %w", text, err)
	}
	return i, nil
}

// Check refuses an identity that has no URI: with an unknown kind, an invalid name, or a store where none belongs.
func (i Identity) Check() error {
	switch i.Kind {
	case Manager, Instance, User, App:
	default:
		return fmt.Errorf("unknown kind %.80q: want manager, instance, user or app", string(i.Kind))
	}
	if err := CheckCluster(i.Cluster); err != nil {
		return fmt.Errorf("the cluster's name %w", err)
	}
	if i.Kind.ofStore() {
		if err := wire.CheckName(i.Store); err != nil {
			return fmt.Errorf("the store's name %w", err)
		}
	} else if i.Store != "" {
		return fmt.Errorf("a %s belongs to no store", i.Kind)
	}
	check := wire.CheckName
	if i.Kind == Manager {
		check = checkManagerName
	}
	if err := check(i.Name); err != nil {
		return fmt.Errorf("the %s's name %w", i.Kind, err)
	}
	return nil
}

// CheckCluster refuses an invalid name of a cluster: it is a lower-case letter followed by up to 62 lower-case letters,
// digits or '-', and doesn't end with '-'. It stands in the host of URIs, where name constraints don't distinguish
// case.
func CheckCluster(name string) error {
	if err := wire.CheckName(name); err != nil {
		return err
	}
	for _, c := range name {
		if c == '_' || c >= 'A' && c <= 'Z' {
			return fmt.Errorf("%q has %q: the name of a cluster has only lower-case letters, digits and '-'", name, c)
		}
	}
	if strings.HasSuffix(name, "-") {
		return fmt.Errorf("%q ends with '-'", name)
	}
	return nil
}

// checkManagerName refuses an identity of a manager that can't stand in a URI: it has 1 to 64 letters, digits, '-' or
// '_'. Managers make UUIDs.
func checkManagerName(name string) error {
	if name == "" {
		return errors.New("is empty")
	}
	if len(name) > maxManagerName {
		return fmt.Errorf("has %d characters: at most %d are allowed", len(name), maxManagerName)
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return fmt.Errorf("%.80q has %q: only letters, digits, '-' and '_' are allowed", name, c)
		}
	}
	return nil
}
