package security

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// Rotation replaces the authority of the cluster while everything runs. From Begin to Retire the access log has two
// authorities. The certificate of the new one is signed by the old one as well, and is part of each chain: so whoever
// knows the old one alone accepts what the new one vouches for.
//
// Servers keep the keys of their issuers, whose certificates the new authority signs with the same serial numbers: what
// the issuers have signed stays valid. To replace an issuer's key is what join --again does.
//
// Each step is on disk before the next one begins, and can be repeated: after a crash the rotation goes on where it
// was.
type Rotation struct{ of *Member }

// InProgress reports whether the authority is being replaced, as far as this manager knows.
func (r Rotation) InProgress() bool { return len(r.of.State().Roots) > 1 }

// Begin makes the next authority, adds it to the access log, and lets it admit the issuers of this server. It does
// nothing where that is done.
func (r Rotation) Begin() error {
	if len(r.of.State().Forks) > 0 {
		return errors.New("the access log has branches that differ: see dkvmanager pki status")
	}
	if r.InProgress() {
		if err := r.complete(); err != nil {
			return err
		}
		return r.checkKey()
	}
	present, err := r.of.holding()
	if err != nil {
		return err
	}
	var next *pki.Authority
	err = r.of.replaceKeys(func(files pki.Folder, now keyring) (keyring, error) {
		next, err = load(files, pki.NextAuthorityFile, pki.AuthorityOf)
		if !errors.Is(err, fs.ErrNotExist) {
			return now, err
		}
		if next, err = pki.NewAuthority(present.Cluster, r.of.Now()); err != nil {
			return now, err
		}
		cross, err := present.CrossSign(next, r.of.Now())
		if err != nil {
			return now, err
		}
		next.Cross = []*x509.Certificate{cross}
		return now, files.Save(pki.NextAuthorityFile, next.Bundle())
	})
	if err == nil {
		err = failpoint.At("rotate.made")
	}
	if err == nil {
		err = r.of.signAuthority(next)
	}
	if err == nil {
		err = failpoint.At("rotate.added")
	}
	if err == nil {
		err = r.complete()
	}
	return err
}

// complete lets the next authority take the place of the present one on this server, if the access log has it.
func (r Rotation) complete() error {
	changed := false
	err := r.of.replaceKeys(func(files pki.Folder, now keyring) (keyring, error) {
		next, err := load(files, pki.NextAuthorityFile, pki.AuthorityOf)
		if errors.Is(err, fs.ErrNotExist) || err == nil && r.of.State().Roots[hashOf(next.Root)] == nil {
			return now, nil
		}
		if err != nil {
			return now, err
		}
		changed = true
		now.roots = r.known(append(slices.Clone(now.roots), next.Root))
		if err := files.SaveRoots(now.roots); err != nil {
			return now, err
		}
		if now.issuer, err = readmit(files, pki.IssuerFile, now.issuer, next, now.roots); err != nil {
			return now, err
		}
		if now.users != nil {
			if now.users, err = readmit(files, pki.UserIssuerFile, now.users, next, now.roots); err != nil {
				return now, err
			}
		}
		// The authority's key is written last: until then the present one is needed to begin. It is kept for Abort.
		if err = failpoint.At("rotate.issuers"); err == nil && now.authority != nil && now.authority.Root != next.Root {
			err = files.Save(pki.PreviousAuthorityFile, now.authority.Bundle())
		}
		if err == nil {
			err = files.Save(pki.AuthorityFile, next.Bundle())
		}
		if err == nil {
			err = failpoint.At("rotate.authority")
		}
		if err == nil {
			err = files.Remove(pki.NextAuthorityFile)
		}
		now.authority = next
		return now, err
	})
	if err != nil || !changed {
		return err
	}
	_, err = r.of.Renew()
	return err
}

// newest returns the hash of the key of the authority that was added last.
func (r Rotation) newest() access.Hash {
	names := r.of.State().Authorities()
	return names[len(names)-1]
}

// checkKey returns why a rotation that is in progress can't go on on this server: another one holds the authority, or
// the new one's key is not here.
func (r Rotation) checkKey() error {
	authority, err := r.of.holding()
	if err == nil && hashOf(authority.Root) == r.newest() {
		return nil
	}
	if err != nil && r.of.State().Holder != r.of.Identity().Name {
		return err
	}
	return fmt.Errorf("the key of the new authority, %s, is not on this server: bring it here with dkvmanager pki import, "+
		"or keep the old authority: dkvmanager pki rotate --abort", ShortHash(r.newest()))
}

// ErrNotAdmitted is the error of a server that makes no certificates for others now.
var ErrNotAdmitted = errors.New("the authority that was added last has not admitted the issuer of this server yet, " +
	"which takes seconds: dkvmanager pki status shows why if it takes longer")

// checkIssuer returns ErrNotAdmitted if certificates that an issuer of this server makes would count nothing at the end
// of the rotation, which doesn't name them.
func (r Rotation) checkIssuer(issuer *pki.Issuer) error {
	if r.of.State().IsOfNewest(issuer.Chain[0]) {
		return nil
	}
	return ErrNotAdmitted
}

// Abort takes back a rotation that is in progress: the old authority stays, and the new one vouches for nothing by
// itself. The old one admits the issuers anew. It needs the old authority's key: this server keeps it until the
// rotation ends, and Import brings it elsewhere.
//
// The old authority has signed the new one's certificate. So what the new one has signed is accepted until the servers
// have got their new certificates, and also later, until the old authority is replaced.
func (r Rotation) Abort() error {
	state := r.of.State()
	names := state.Authorities()
	switch {
	case state.Holder != r.of.Identity().Name:
		_, err := r.of.holding()
		return err
	case len(names) != 2:
		return errNoRotation
	}
	err := r.of.replaceKeys(func(files pki.Folder, now keyring) (keyring, error) {
		old, err := now.authority, error(nil)
		if old == nil || hashOf(old.Root) != names[0] {
			old, err = load(files, pki.PreviousAuthorityFile, pki.AuthorityOf)
		}
		if errors.Is(err, fs.ErrNotExist) || err == nil && hashOf(old.Root) != names[0] {
			return now, fmt.Errorf("the key of the old authority, %s, is not on this server either: "+
				"bring it here with dkvmanager pki import", ShortHash(names[0]))
		}
		if err == nil {
			err = files.Remove(pki.NextAuthorityFile)
		}
		if err != nil {
			return now, err
		}
		if now.issuer, err = readmit(files, pki.IssuerFile, now.issuer, old, now.roots); err != nil {
			return now, err
		}
		if now.users == nil {
			now.users, err = newIssuer(files, pki.UserIssuerFile, old, []identity.Kind{identity.User}, r.of.Now())
		} else {
			now.users, err = readmit(files, pki.UserIssuerFile, now.users, old, now.roots)
		}
		if err == nil {
			err = failpoint.At("rotate.back")
		}
		if err == nil {
			err = files.Save(pki.AuthorityFile, old.Bundle())
		}
		now.authority = old
		return now, err
	})
	if err != nil {
		return err
	}
	return r.retire(names[1], "rotate.aborted")
}

// errNoRotation is the error of what needs a rotation in progress.
var errNoRotation = errors.New("no rotation of the authority is in progress: dkvmanager pki rotate begins one")

// retire adds the line to the access log after which an authority vouches for nothing, and follows it.
func (r Rotation) retire(old access.Hash, done string) error {
	if err := r.of.sign(access.Entry{Kind: access.Retire, Of: old}); err != nil {
		return err
	}
	if err := failpoint.At(done); err != nil {
		return err
	}
	if err := r.follow(""); err != nil {
		return err
	}
	_, err := r.of.Renew()
	return err
}

// readmit lets an authority admit an issuer of this server, and writes its file.
func readmit(files pki.Folder, file pki.File, issuer *pki.Issuer, by *pki.Authority, roots []*x509.Certificate) (
	*pki.Issuer, error) {
	chain, err := by.Readmit(issuer.Chain[0])
	if err != nil {
		return nil, err
	}
	out := &pki.Issuer{Chain: chain, Key: issuer.Key, Roots: roots}
	return out, files.Save(file, out.Bundle())
}

// resume does at the start of a manager what a crash has interrupted.
func (r Rotation) resume() error {
	if r.of.ring().authority != nil {
		if err := r.complete(); err != nil {
			return err
		}
	}
	return r.follow("")
}

// hashOf returns the hash by which the access log names the key of a root.
func hashOf(root *x509.Certificate) access.Hash { return access.Hash(identity.HashKey(root)) }

// known returns those certificates that are of authorities of the access log, in the log's order.
func (r Rotation) known(roots []*x509.Certificate) []*x509.Certificate {
	state := r.of.State()
	var out []*x509.Certificate
	for _, h := range state.Authorities() {
		i := slices.IndexFunc(roots, func(c *x509.Certificate) bool { return hashOf(c) == h && isRoot(c, state.Cluster) })
		if i >= 0 {
			out = append(out, roots[i])
		}
	}
	return out
}

// isRoot reports whether a certificate is one that pki.NewAuthority makes for a cluster. That its key is an authority's
// says the access log.
func isRoot(c *x509.Certificate, cluster string) bool {
	return c.IsCA && bytes.Equal(c.RawIssuer, c.RawSubject) && slices.Equal(c.Subject.Organization, []string{cluster}) &&
		len(c.PermittedURIDomains) == 0 && c.CheckSignatureFrom(c) == nil
}

// follow brings the trusted roots to what the access log says, durably. Given are certificates that another manager
// has sent, PEM: those whose keys the access log has are taken. Once one authority is left, chains have no certificates
// of another one.
func (r Rotation) follow(given string) error {
	state := r.of.State()
	have := r.of.ring().roots
	same := func(c *x509.Certificate, h access.Hash) bool { return hashOf(c) == h }
	if slices.EqualFunc(have, state.Authorities(), same) {
		return nil
	}
	var sent []*x509.Certificate
	if given != "" {
		var err error
		if sent, err = identity.DecodeRoots([]byte(given)); err != nil {
			return fmt.Errorf("the roots of another manager %w", err)
		}
	}
	return r.of.replaceKeys(func(files pki.Folder, now keyring) (keyring, error) {
		roots := r.known(slices.Concat(now.roots, sent))
		if len(roots) == 0 || slices.EqualFunc(roots, now.roots, (*x509.Certificate).Equal) {
			return now, nil
		}
		alone := len(state.Roots) == 1
		if alone {
			if err := files.Remove(pki.PreviousAuthorityFile); err != nil {
				return now, err
			}
		}
		if err := files.SaveRoots(roots); err != nil {
			return now, err
		}
		now.roots = roots
		issuer, err := trust(files, pki.IssuerFile, now.issuer, roots, alone)
		if err != nil {
			return now, err
		}
		now.issuer = issuer
		if now.users != nil {
			if now.users, err = trust(files, pki.UserIssuerFile, now.users, roots, alone); err != nil {
				return now, err
			}
		}
		if now.authority != nil && alone && now.authority.Cross != nil {
			own := *now.authority
			own.Cross = nil
			now.authority = &own
			err = files.Save(pki.AuthorityFile, own.Bundle())
		}
		return now, err
	})
}

// trust replaces the roots of an issuer, and writes its file. With alone, the only root has admitted the issuer, unless
// the server was away, and its chain needs no other certificate.
func trust(files pki.Folder, file pki.File, issuer *pki.Issuer, roots []*x509.Certificate, alone bool) (
	*pki.Issuer, error) {
	out := &pki.Issuer{Chain: issuer.Chain, Key: issuer.Key, Roots: roots}
	if alone && pki.IsSignedBy(out.Chain[0], roots[0]) {
		out.Chain = out.Chain[:1]
	}
	return out, files.Save(file, out.Bundle())
}

// Waiting reports whether the newest authority has not yet admitted the issuer of this server: the manager has to ask
// the one whose server has the authority's key, which Holder names.
func (r Rotation) Waiting() bool {
	ring, names := r.of.ring(), r.of.State().Authorities()
	newest := ring.roots[len(ring.roots)-1]
	return hashOf(newest) == names[len(names)-1] && !pki.IsSignedBy(ring.issuer.Chain[0], newest)
}

// IsOld reports whether an accepted peer shows a certificate for which only an authority vouches that is being
// replaced.
func (r Rotation) IsOld(peer *identity.Peer) bool { return r.of.Policy().IsOld(peer) }

// Readmit answers a manager that asks, with the certificates that its client has shown: it returns the certificate of
// its issuer as the present authority signs it. The caller has checked that the issuer is that of a member.
func (r Rotation) Readmit(peer *identity.Peer) (wire.Issuer, error) {
	authority, err := r.of.holding()
	if err != nil {
		return wire.Issuer{}, err
	}
	chain, err := authority.Readmit(peer.IssuerCertificate())
	if err != nil {
		return wire.Issuer{}, err
	}
	return wire.Issuer{Issuer: certificates(chain)}, nil
}

// Accept takes the certificate of this server's issuer that the present authority has signed, durably, and renews the
// manager's certificate.
func (r Rotation) Accept(answer wire.Issuer) error {
	chain, err := identity.DecodeRoots([]byte(answer.Issuer)) // authorities as well
	if err != nil {
		return fmt.Errorf("the issuer %w", err)
	}
	err = r.of.replaceKeys(func(files pki.Folder, now keyring) (keyring, error) {
		old, next := now.issuer.Chain[0], chain[0]
		switch {
		case !now.issuer.Key.PublicKey.Equal(next.PublicKey) || !bytes.Equal(old.RawSubject, next.RawSubject):
			return now, errors.New("the issuer is not that of this server")
		case old.SerialNumber.Cmp(next.SerialNumber) != 0:
			return now, errors.New("the issuer has another serial number than before")
		}
		issuer, err := pki.IssuerOf(&identity.Bundle{Chain: chain, Key: now.issuer.Key, Roots: now.roots})
		if err != nil {
			return now, fmt.Errorf("the issuer %w", err)
		}
		// Each authority has to vouch for what it makes: peers may know only one of them.
		leaf, err := issuer.Issue(pki.Leaf{Identity: r.of.Identity()}, r.of.Now())
		if err != nil {
			return now, err
		}
		for _, root := range now.roots {
			if _, err := identity.Verify(leaf.Chain, []*x509.Certificate{root}, r.of.Now()); err != nil {
				return now, fmt.Errorf("the issuer is not accepted: %w", err)
			}
		}
		now.issuer = issuer
		return now, files.Save(pki.IssuerFile, issuer.Bundle())
	})
	if err != nil {
		return err
	}
	_, err = r.of.Renew()
	return err
}

// Retire ends the rotation: the old authority vouches for nothing any more. The caller has checked that nothing needs
// it, also Left.
func (r Rotation) Retire() error {
	authority, err := r.of.holding()
	if err != nil {
		return err
	}
	names := r.of.State().Authorities()
	if len(names) != 2 || names[1] != hashOf(authority.Root) {
		return errNoRotation
	}
	return r.retire(names[0], "rotate.retired")
}

// Left returns the identities whose certificates only the old authority vouches for, by the access log: users and
// applications whose line is older than the new authority. Tokens are the users of bearer tokens that are as old:
// their files name the old authority alone, and let nobody in whom it doesn't vouch for.
func (r Rotation) Left() (credentials, tokens []identity.Identity) {
	state, now := r.of.State(), r.of.Now()
	names := state.Authorities()
	since := state.Added[names[len(names)-1]]
	if len(names) < 2 {
		return nil, nil
	}
	for _, uri := range slices.Sorted(maps.Keys(state.Grants)) {
		if g := state.Grants[uri]; g.Number < since && (g.Expires.IsZero() || now.Before(g.Expires)) {
			credentials = append(credentials, g.Identity)
		}
	}
	for _, b := range state.Bearers {
		if b.Number < since && now.Before(b.Expires) {
			tokens = append(tokens, b.Identity)
		}
	}
	slices.SortFunc(tokens, func(a, b identity.Identity) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return credentials, slices.CompactFunc(tokens, func(a, b identity.Identity) bool { return a == b })
}

// Update returns the chain and the roots that the file of a credential should have now, for the same key and
// certificate: those of the new authority as well. The access log notes that the credential has them. Chain is what the
// file has; without one, as that of a bearer token, only the roots are returned.
func (r Rotation) Update(chain []*x509.Certificate) (updated, roots []*x509.Certificate, err error) {
	authority, err := r.of.holding()
	if err != nil {
		return nil, nil, err
	}
	roots = r.of.Policy().Roots
	if len(chain) == 0 {
		return nil, roots, nil
	}
	peer, err := r.of.Admit(chain)
	if err != nil {
		return nil, nil, err
	}
	id, state := peer.Identity, r.of.State()
	grant := state.Grants[id.String()]
	if grant.Role == identity.NoRole || grant.Serial != access.Serial(peer.Serial()) {
		return nil, nil, fmt.Errorf("%s has no role with this certificate: make a new credential", id.Describe())
	}
	issuer, err := authority.Readmit(peer.IssuerCertificate())
	if err != nil {
		return nil, nil, err
	}
	updated = append([]*x509.Certificate{chain[0]}, issuer...)
	if _, err := identity.Verify(updated, []*x509.Certificate{authority.Root}, r.of.Now()); err != nil {
		return nil, nil, err
	}
	names := state.Authorities()
	if grant.Number > state.Added[names[len(names)-1]] {
		return updated, roots, nil
	}
	line, err := access.GrantTo(chain[0], grant.Role)
	if err != nil {
		return nil, nil, err
	}
	return updated, roots, r.of.sign(line)
}

// ShortHash returns the digits of the hash of a root's key by which people tell authorities apart.
func ShortHash(h access.Hash) string { return h.String()[:8] }

// describe describes an authority, whose certificate may not be known.
func (r Rotation) describe(h access.Hash) string {
	for _, c := range r.of.ring().roots {
		if hashOf(c) == h {
			return ShortHash(h) + ", ends " + stamp(c.NotAfter)
		}
	}
	return ShortHash(h) + ", its certificate is not known here yet"
}

// Next says what comes next in a rotation that is in progress, for people; else it returns "".
func (r Rotation) Next() string {
	if !r.InProgress() {
		return ""
	}
	var out strings.Builder
	if r.Waiting() {
		fmt.Fprintf(&out, "This server waits for the new authority to admit it, which the server of %s does.\n", r.of.holder())
	}
	if r.of.State().Holder == r.of.Identity().Name {
		if err := r.checkKey(); err != nil {
			return out.String() + "Next: " + err.Error() + "\n"
		}
	}
	out.WriteString("Next: dkvrun … scripts/rotate_authority.lua restarts the stores and shows what is missing.\n")
	credentials, tokens := r.Left()
	if len(credentials)+len(tokens) > 0 {
		out.WriteString("Then these need new files: " + renewal + "\n")
	}
	for _, id := range credentials {
		fmt.Fprintf(&out, "  %s\n", id)
	}
	for _, id := range tokens {
		fmt.Fprintf(&out, "  %s (bearer token)\n", id)
	}
	out.WriteString("At last dkvmanager pki rotate --end, on the server with the authority's key, ends it.\n" +
		"Until then dkvmanager pki rotate --abort, on this server, takes it back.\n")
	return out.String()
}

// renewal says how the file of a credential is brought to the new authority.
const renewal = "dkvmanager credential --update FILE --out NEW"

// Blockers returns why the rotation can't end yet, by the access log.
func (r Rotation) Blockers() []string {
	var out []string
	credentials, _ := r.Left()
	for _, id := range credentials {
		out = append(out, fmt.Sprintf("%s: only the old authority vouches for its certificate: %s, or revoke it", id, renewal))
	}
	return out
}
