// Package instancekeys holds what an instance of a secured manager shows and accepts on its ports: its certificate, the
// cluster's roots, and who may use the store. The manager writes it to the instance's folder, before each start and at
// each change; the running instance follows the files.
//
// It protects a store's ports from peers without a certificate, with one of another cluster or another store, and from
// those that are revoked or have expired: also on connections that are open already. An instance whose manager doesn't
// run goes on with what it read last. It does not protect from whoever can read the folder, nor from the issuer of a
// stolen server, which can make instances of any store until it is revoked.
package instancekeys

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
)

// Names of the files in an instance's folder.
const (
	CertificateFile = "instance.pem" // the certificate, its key and the roots, as a credential file
	RootsFile       = "roots.pem"    // the roots alone, for cluster ports
	AccessFile      = "access.json"  // who may use the client port: see clientAccess
	RevokedFile     = "revoked.crl"  // the revoked certificates as an X.509 list, for cluster ports
)

// clientAccess says who may use the client port of a store's instances.
type clientAccess struct {
	Cluster  string   `json:"cluster"`
	Roots    string   `json:"roots"`    // PEM
	Managers []string `json:"managers"` // the members' identities
	Grants   []grant  `json:"grants"`   // of users, and of this store's applications
	Revoked  []string `json:"revoked"`  // serial numbers of certificates, as access.Serial writes them
}

// grant is the role of a user or an application.
type grant struct {
	URI     string        `json:"uri"`
	Role    identity.Role `json:"role"`
	Serial  string        `json:"serial,omitempty"` // of the only certificate that has the role; empty for any
	Expires time.Time     `json:"expires,omitzero"`
}

// clientAccessOf returns what a state of the access log says about the client ports of a store.
func clientAccessOf(state *access.State, roots []*x509.Certificate, store string) clientAccess {
	out := clientAccess{
		Cluster: state.Cluster, Roots: string(identity.EncodeRoots(roots)),
		Managers: slices.Sorted(maps.Keys(state.Members)), Grants: []grant{}, Revoked: revoked(state),
	}
	for _, uri := range slices.Sorted(maps.Keys(state.Grants)) {
		g := state.Grants[uri]
		if g.Identity.Kind == identity.User || g.Identity.Store == store {
			out.Grants = append(out.Grants, grant{uri, g.Role, g.Serial, g.Expires})
		}
	}
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

// state returns the part of an access log's state that clientAccess was made of.
func (a clientAccess) state() (*access.State, error) {
	out := &access.State{
		Cluster: a.Cluster, Members: map[string]access.MemberState{}, Grants: map[string]access.GrantState{},
		Revoked: map[string]bool{},
	}
	for _, name := range a.Managers {
		out.Members[name] = access.MemberState{}
	}
	for _, g := range a.Grants {
		id, err := identity.Parse(g.URI)
		if err != nil {
			return nil, err
		}
		out.Grants[g.URI] = access.GrantState{Identity: id, Role: g.Role, Serial: g.Serial, Expires: g.Expires}
	}
	for _, serial := range a.Revoked {
		out.Revoked[serial] = true
	}
	return out, nil
}

// WriteAccess writes AccessFile, RootsFile and RevokedFile to an instance's folder, unless they are there and say the
// same already. Issuer signs the list of revoked certificates.
func WriteAccess(folder string, state *access.State, issuer *pki.Issuer, roots []*x509.Certificate, store string,
	now time.Time) error {
	text, err := json.MarshalIndent(clientAccessOf(state, roots, store), "", "  ")
	if err != nil {
		return err
	}
	old, err := os.ReadFile(filepath.Join(folder, AccessFile))
	if err == nil && bytes.Equal(old, text) && exist(folder, RootsFile, RevokedFile) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	list, err := revocationList(revoked(state), issuer, now)
	if err != nil {
		return err
	}
	if err := replace(folder, RootsFile, identity.EncodeRoots(roots)); err != nil {
		return err
	}
	if err := replace(folder, RevokedFile, list); err != nil {
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

// revocationList returns the list of revoked certificates in the form that etcd reads. It has the certificates of all
// issuers: etcd compares nothing but serial numbers, which are random and as long as hashes.
func revocationList(serials []string, issuer *pki.Issuer, now time.Time) ([]byte, error) {
	t := &x509.RevocationList{Number: big.NewInt(now.UnixNano()), ThisUpdate: now, NextUpdate: issuer.Chain[0].NotAfter}
	for _, text := range serials {
		serial, ok := new(big.Int).SetString(text, 16)
		if !ok {
			return nil, fmt.Errorf("the revoked serial number %.80q is not hexadecimal", text)
		}
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: now})
	}
	return x509.CreateRevocationList(rand.Reader, t, issuer.Chain[0], issuer.Key)
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
	if len(b.Chain) < 2 || !b.Chain[1].Equal(issuer.Chain[0]) ||
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
