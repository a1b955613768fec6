// Package instancekeys holds what an instance of a secured manager shows and accepts on its ports: its certificate, the
// cluster's roots, and who may use the store. The manager writes it to the instance's folder, before each start and at
// each change; the running instance follows the files.
//
// It protects a store's ports from peers without a certificate, with one of another cluster or another store, and
// from those that are revoked or have expired: also on connections that are open already, but for cluster ports, whose
// connections outlast the certificate. The issuer of a stolen
// server makes no other instances than those that this server keeps. An instance whose manager doesn't run goes on
// with what it read last. It does not protect from whoever can read the folder.
package instancekeys

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/external"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
)

// Names of the files in an instance's folder.
const (
	CertificateFile = "instance.pem" // the certificate, its key and the roots, as a credential file
	RootsFile       = "roots.pem"    // the roots alone, for connections to cluster ports
	AccessFile      = "access.json"  // who may use the ports: see portAccess
)

// portAccess says who may use the ports of a store's instances.
type portAccess struct {
	Cluster  string            `json:"cluster"`
	Roots    string            `json:"roots"`    // PEM
	Managers map[string]string `json:"managers"` // the members' identities, and the serial numbers of their issuers
	Grants   []grant           `json:"grants"`   // of users, and of this store's applications
	Bearers  []bearer          `json:"bearers,omitempty"`
	Revoked  []string          `json:"revoked"` // serial numbers of certificates, as access.Serial writes them
	Topology Topology          `json:"topology"`
	// Plain means that the client port takes plain connections as well: whoever makes one may do what an application may.
	Plain bool `json:"plain,omitempty"`
	// External has the certificates of an organisation's own authority; nil for none.
	External *external.Content `json:"external,omitempty"`
}

// grant is the role of a user or an application.
type grant struct {
	URI     string        `json:"uri"`
	Role    identity.Role `json:"role"`
	Serial  string        `json:"serial,omitempty"` // of the only certificate that has the role; empty for any
	Key     access.Hash   `json:"key,omitzero"`     // of the key of the certificate; zero for any
	Expires time.Time     `json:"expires,omitzero"`
}

// bearer is the role of a user by a bearer token.
type bearer struct {
	Token   access.Hash   `json:"token"` // its hash
	URI     string        `json:"uri"`
	Role    identity.Role `json:"role"`
	Expires time.Time     `json:"expires"`
}

// portAccessOf returns what a state of the access log says about the ports of a store.
func portAccessOf(
	state *access.State, roots []*x509.Certificate, own *external.Content, store string, topology Topology,
) portAccess {
	out := portAccess{
		Cluster: state.Cluster, Roots: string(identity.EncodeRoots(roots)),
		Managers: map[string]string{}, Grants: []grant{}, Revoked: revoked(state), Topology: topology,
		External: own.ForStore(store),
	}
	for name, m := range state.Members {
		out.Managers[name] = m.Issuer
	}
	for _, uri := range slices.Sorted(maps.Keys(state.Grants)) {
		g := state.Grants[uri]
		if g.Identity.Kind == identity.User || g.Identity.Store == store {
			out.Grants = append(out.Grants, grant{uri, g.Role, g.Serial, g.Key, g.Expires})
		}
	}
	for hash, b := range state.Bearers {
		out.Bearers = append(out.Bearers, bearer{hash, b.Identity.String(), b.Role, b.Expires})
	}
	slices.SortFunc(out.Bearers, func(a, b bearer) int { return bytes.Compare(a.Token[:], b.Token[:]) })
	return out
}

// revoked returns the revoked serial numbers in order.
func revoked(state *access.State) []string {
	out := []string{}
	for serial, is := range state.Revoked {
		if is {
			out = append(out, serial)
		}
	}
	slices.Sort(out)
	return out
}

// state returns the part of an access log's state that portAccess was made of.
func (a portAccess) state() (*access.State, error) {
	out := &access.State{
		Cluster: a.Cluster, Members: map[string]access.MemberState{}, Grants: map[string]access.GrantState{},
		Bearers: map[access.Hash]access.BearerState{}, Revoked: map[string]bool{},
	}
	for name, issuer := range a.Managers {
		out.Members[name] = access.MemberState{Issuer: issuer}
	}
	for _, g := range a.Grants {
		id, err := identity.Parse(g.URI)
		if err != nil {
			return nil, err
		}
		out.Grants[g.URI] = access.GrantState{Identity: id, Role: g.Role, Serial: g.Serial, Key: g.Key, Expires: g.Expires}
	}
	for _, b := range a.Bearers {
		id, err := identity.Parse(b.URI)
		if err != nil {
			return nil, err
		}
		out.Bearers[b.Token] = access.BearerState{Identity: id, Role: b.Role, Expires: b.Expires}
	}
	for _, serial := range a.Revoked {
		out.Revoked[serial] = true
	}
	return out, nil
}

// WriteAccess writes AccessFile and RootsFile to an instance's folder, unless they are there and say the same already.
// With plain, the client port takes plain connections as well. A topology that is older than that of the file, and nil,
// leave the one that is there. Own are the certificates of an organisation's own authority, or nil.
func WriteAccess(folder string, state *access.State, roots []*x509.Certificate, own *external.Content, store string,
	plain bool, topology *Topology) error {
	path := filepath.Join(folder, AccessFile)
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var was portAccess
	_ = json.Unmarshal(old, &was) // a file that can't be read is replaced
	content := portAccessOf(state, roots, own, store, was.Topology.replacedBy(topology))
	content.Plain = plain
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	if bytes.Equal(old, text) && exist(folder, RootsFile) {
		return nil
	}
	if err := replace(folder, RootsFile, identity.EncodeRoots(roots)); err != nil {
		return err
	}
	return replace(folder, AccessFile, text) // the last one: it says that the others are written
}

// exist reports whether a folder has all of these files.
func exist(folder string, files ...string) bool {
	return !slices.ContainsFunc(files, func(file string) bool {
		_, err := os.Stat(filepath.Join(folder, file))
		return err != nil
	})
}

func replace(folder, file string, text []byte) error {
	return durable.Replace(filepath.Join(folder, file), text, durable.Options{Mode: 0o600})
}

// WriteCertificate writes a new certificate to an instance's folder, if there is none that will do: of this identity
// and issuer, with these hosts, and with a third of its life left at least.
func WriteCertificate(folder string, issuer *pki.Issuer, leaf pki.Leaf, now time.Time) error {
	path := filepath.Join(folder, CertificateFile)
	old, err := identity.Load(path)
	if err == nil && isCurrent(old, issuer, leaf, now) {
		return nil
	}
	// A file that can't be used is replaced: it holds nothing that can't be made again.
	b, err := issuer.Issue(leaf, now)
	if err != nil {
		return fmt.Errorf("the instance's certificate can't be made: %w", err)
	}
	return b.Save(path)
}

// isCurrent reports whether a certificate needs no replacement.
func isCurrent(b *identity.Bundle, issuer *pki.Issuer, leaf pki.Leaf, now time.Time) bool {
	if !slices.EqualFunc(b.Chain[1:], issuer.Chain, (*x509.Certificate).Equal) ||
		!slices.EqualFunc(b.Roots, issuer.Roots, (*x509.Certificate).Equal) {
		return false
	}
	has := b.Chain[0]
	due := pki.RenewAt(has)
	if issuer.Chain[0].NotAfter.Equal(has.NotAfter) {
		due = has.NotAfter // a new one would not last longer
	}
	id, err := b.Identity()
	return err == nil && id == leaf.Identity && !now.Before(has.NotBefore) && now.Before(due) && hasNames(has, leaf)
}

// hasNames reports whether a certificate has exactly the names of a leaf.
func hasNames(c *x509.Certificate, leaf pki.Leaf) bool {
	store, err := pki.StoreName(leaf.Operation)
	if err != nil {
		return false
	}
	want := map[string]bool{store: true}
	for _, h := range leaf.Hosts {
		if ip, err := netip.ParseAddr(h); err == nil {
			h = net.IP(ip.AsSlice()).String()
		}
		want[strings.ToLower(h)] = true
	}
	has := map[string]bool{}
	for _, name := range c.DNSNames {
		has[strings.ToLower(name)] = true
	}
	for _, ip := range c.IPAddresses {
		has[ip.String()] = true
	}
	return maps.Equal(has, want)
}
