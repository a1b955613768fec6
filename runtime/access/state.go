package access

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"dkvrun/runtime/identity"
)

// State is what the lines of a log say together. A State that a Log returned doesn't change.
type State struct {
	Cluster string
	Number  int64     // of the last line
	Head    Hash      // the hash of the last line
	Time    time.Time // of the last line

	Roots   map[Hash]*ecdsa.PublicKey // the authority's keys, by their hash: two while the authority is replaced
	Added   map[Hash]int64            // the number of the line that added each of Roots
	Members map[string]MemberState    // by the manager's identity
	// Holder is the identity of the manager whose server has the authority's key: the first member, or the last one to
	// which the key was brought. It stays the same when that manager is no longer a member.
	Holder  string
	Grants  map[string]GrantState // by the URI of the user or application
	Bearers map[Hash]BearerState  // by the hash of the token
	Tokens  map[Hash]TokenState   // join tokens, by the hash of the token; also expired and used ones
	Revoked map[string]bool       // serial numbers of certificates, as Serial writes them
	// Forks are the branches that differ from this log and that the authority hasn't settled. While there is one, only
	// what all branches allow is allowed.
	Forks []Fork

	tokens  map[Hash]bool     // the hashes of all tokens that there were: none is given twice
	issuers map[string]string // the members by the serial numbers of their issuers
	settled map[Hash]bool     // first lines of branches that count nothing
	signers map[Hash]string   // users whose key may sign, by the hash of the key: the URI
	retired map[Hash]bool     // hashes of keys of roots that count no longer
	pinned  map[Hash]bool     // keys of roots that vouch for the whole history before their line
}

// MemberState is a manager that is a member.
type MemberState struct {
	Issuer string    // the serial number of its issuer's certificate
	Since  time.Time // when the line was signed
}

// GrantState is what a user or an application was granted.
type GrantState struct {
	Identity identity.Identity
	Role     identity.Role
	Serial   string    // of the only certificate that has the role; empty for any of the identity
	Expires  time.Time // the zero time if it doesn't
	Number   int64     // of its line
	Key      Hash      // of the key of its certificate; zero for any, which an application can't have
	signing  *ecdsa.PublicKey
}

// BearerState is a bearer token.
type BearerState struct {
	Identity identity.Identity // the user that it speaks for
	Role     identity.Role
	Expires  time.Time
	Number   int64 // of its line
}

// TokenState is a join token.
type TokenState struct {
	Manager string          // the identity of the only manager that may use it; empty for any that is no member yet
	Count   int             // how many keys may use it; 0 if it is revoked
	Expires time.Time       // for new keys
	Uses    map[Hash]string // the keys that used it, by their hash: the identity of the manager
}

func newState() *State {
	return &State{
		Roots: map[Hash]*ecdsa.PublicKey{}, Added: map[Hash]int64{},
		Members: map[string]MemberState{}, Grants: map[string]GrantState{},
		Bearers: map[Hash]BearerState{}, Tokens: map[Hash]TokenState{}, Revoked: map[string]bool{},
		tokens: map[Hash]bool{}, issuers: map[string]string{}, settled: map[Hash]bool{}, signers: map[Hash]string{},
		retired: map[Hash]bool{}, pinned: map[Hash]bool{},
	}
}

// clone returns a copy that can be changed.
func (s *State) clone() *State {
	out := *s
	out.Roots, out.Members, out.Grants = maps.Clone(s.Roots), maps.Clone(s.Members), maps.Clone(s.Grants)
	out.Bearers, out.Tokens, out.Revoked = maps.Clone(s.Bearers), maps.Clone(s.Tokens), maps.Clone(s.Revoked)
	out.tokens, out.settled, out.signers = maps.Clone(s.tokens), maps.Clone(s.settled), maps.Clone(s.signers)
	out.issuers, out.retired, out.pinned = maps.Clone(s.issuers), maps.Clone(s.retired), maps.Clone(s.pinned)
	out.Added = maps.Clone(s.Added)
	out.Forks = slices.Clone(s.Forks)
	return &out
}

// apply adds a line to the state, if it may follow and its signer may write it. With trusted, the signatures have been
// checked before. After an error the state must not be used.
func (s *State) apply(e Entry, trusted bool) error {
	if e.Number != s.Number+1 {
		return fmt.Errorf("has the number %d after %d", e.Number, s.Number)
	}
	if e.Previous != s.Head {
		return errors.New("doesn't follow the line before it: the hash is another one")
	}
	if e.Time.Before(s.Time) {
		return errors.New("was signed before the line before it")
	}
	if e.Number > maxLines {
		return fmt.Errorf("exceeds the limit of %d lines", maxLines)
	}
	if (e.Number == 1) != (e.Kind == Begin) {
		return errors.New("is of the wrong kind: the first line, and no other, begins the log")
	}
	key, err := s.signer(e)
	if err != nil {
		return err
	}
	if !trusted {
		if err := verify(key, e.signedText(), e.Sign); err != nil {
			return err
		}
	}
	if err := s.change(e, trusted); err != nil {
		return err
	}
	s.Number, s.Head, s.Time = e.Number, e.hash(), e.Time
	return nil
}

// signer returns the key with which the line has to be signed, if its owner may write such a line.
func (s *State) signer(e Entry) (*ecdsa.PublicKey, error) {
	if e.Kind == Begin {
		key, hash, err := parseKey(e.Key)
		if err == nil && hash != e.Signer {
			err = errors.New("is signed by another key than the one that it names")
		}
		return key, err
	}
	if key := s.Roots[e.Signer]; key != nil {
		return key, nil
	}
	uri, known := s.signers[e.Signer]
	if !known {
		return nil, errors.New("is signed by a key that is neither the authority's nor an admin's")
	}
	g := s.Grants[uri]
	if g.Role != identity.Admin || g.ended(e.Time) {
		return nil, fmt.Errorf("is signed by %s, who was no admin at the time", uri)
	}
	switch e.Kind {
	case Grant, Bearer, Revoke:
		return g.signing, nil
	}
	return nil, fmt.Errorf("is signed by the admin %s: lines of the kind %s are signed by the authority", uri, e.Kind)
}

// describeSigner describes whose key signed a line, as far as the state still tells.
func (s *State) describeSigner(key Hash) string {
	if s.Roots[key] != nil {
		return "the authority"
	}
	return cmp.Or(s.signers[key], "a key that has no access any more")
}

// change changes the state as a line says.
func (s *State) change(e Entry, trusted bool) error {
	switch e.Kind {
	case Begin:
		if err := identity.CheckCluster(e.Cluster); err != nil {
			return fmt.Errorf("the cluster's name %w", err)
		}
		s.Cluster = e.Cluster
		return s.addRoot(e)
	case Authority:
		key, _, err := parseKey(e.Key)
		if err == nil && !trusted {
			err = verify(key, e.secondText(), e.Second)
		}
		if err != nil {
			return err
		}
		return s.addRoot(e)
	case Retire:
		if s.Roots[e.Of] == nil || e.Of == e.Signer {
			return errors.New("retires a key that is not another root's")
		}
		delete(s.Roots, e.Of)
		delete(s.Added, e.Of)
		s.retired[e.Of] = true
	case Settle:
		s.settled[e.Of] = true
	case Token:
		if s.tokens[e.Of] {
			return errors.New("repeats a token")
		}
		var manager string
		if e.Subject != "" {
			id, err := s.subject(e, identity.Manager)
			if err != nil {
				return err
			}
			manager = id.Name
		}
		s.tokens[e.Of] = true
		s.Tokens[e.Of] = TokenState{Manager: manager, Count: e.Count, Expires: e.Expires}
	case Member:
		return s.addMember(e)
	case Holder:
		id, err := s.subject(e, identity.Manager)
		if err != nil {
			return err
		}
		if _, is := s.Members[id.Name]; !is {
			return fmt.Errorf("is about %s, which is no member", id)
		}
		s.Holder = id.Name
	case Grant:
		return s.addGrant(e)
	case Bearer:
		id, err := s.subject(e, identity.User)
		if err == nil && s.tokens[e.Of] {
			err = errors.New("repeats a token")
		}
		if err != nil {
			return err
		}
		s.tokens[e.Of] = true
		s.Bearers[e.Of] = BearerState{id, e.Role, e.Expires, e.Number}
	case Revoke:
		return s.revoke(e)
	}
	return nil
}

func (s *State) addRoot(e Entry) error {
	key, hash, err := parseKey(e.Key)
	if err != nil {
		return err
	}
	if s.Roots[hash] != nil || s.retired[hash] || s.signers[hash] != "" {
		return errors.New("adds a root whose key was used before")
	}
	s.Roots[hash], s.pinned[hash], s.Added[hash] = key, true, e.Number
	return nil
}

// subject returns the identity that a line is about: of this cluster, of one of the kinds, and with a role of its kind.
func (s *State) subject(e Entry, kinds ...identity.Kind) (identity.Identity, error) {
	id, err := identity.Parse(e.Subject)
	if err != nil {
		return id, err
	}
	if id.Cluster != s.Cluster || !slices.Contains(kinds, id.Kind) {
		return id, fmt.Errorf("is about %s: want one of %v of cluster %s", id, kinds, s.Cluster)
	}
	if e.Role != "" {
		err = identity.CheckRole(id.Kind, e.Role)
	}
	return id, err
}

func (s *State) addMember(e Entry) error {
	id, err := s.subject(e, identity.Manager)
	if err != nil {
		return err
	}
	if s.Revoked[e.Serial] {
		return errors.New("has an issuer that is revoked")
	}
	if name, is := s.issuers[e.Serial]; is && name != id.Name {
		return errors.New("has the issuer of another member")
	}
	if e.Of != (Hash{}) {
		t, known := s.Tokens[e.Of]
		if err := s.mayUse(t, known, e.Joining, id.Name, e.Time); err != nil {
			return err
		}
		t.Uses = maps.Clone(t.Uses)
		if t.Uses == nil {
			t.Uses = map[Hash]string{}
		}
		t.Uses[e.Joining] = id.Name
		s.Tokens[e.Of] = t
	}
	if old, was := s.Members[id.Name]; was && old.Issuer != e.Serial {
		s.Revoked[old.Issuer] = true // the server was lost, or has new keys
		delete(s.issuers, old.Issuer)
		s.endTokens(id.Name, e.Of, e.Joining)
	}
	s.Members[id.Name], s.issuers[e.Serial] = MemberState{e.Serial, e.Time}, id.Name
	s.Holder = cmp.Or(s.Holder, id.Name)
	return nil
}

func (s *State) addGrant(e Entry) error {
	id, err := s.subject(e, identity.User, identity.App)
	if err != nil {
		return err
	}
	if e.Serial != "" && s.Revoked[e.Serial] {
		return errors.New("grants to a certificate that is revoked")
	}
	g := GrantState{Identity: id, Role: e.Role, Serial: e.Serial, Expires: e.Expires, Number: e.Number}
	s.removeGrant(e.Subject, e.Serial)
	if e.Key != "" {
		key, hash, err := parseKey(e.Key)
		if err != nil {
			return err
		}
		if s.Roots[hash] != nil || s.retired[hash] || s.signers[hash] != "" {
			return errors.New("grants to a key that somebody else has")
		}
		g.signing, g.Key, s.signers[hash] = key, hash, e.Subject
	}
	s.Grants[e.Subject] = g
	return nil
}

// removeGrant ends what an identity was granted. The certificate of the old grant is revoked, unless it is kept.
func (s *State) removeGrant(uri, keptSerial string) {
	if old := s.Grants[uri]; old.Serial != "" && old.Serial != keptSerial {
		s.Revoked[old.Serial] = true
	}
	delete(s.Grants, uri)
	maps.DeleteFunc(s.signers, func(_ Hash, of string) bool { return of == uri })
}

func (s *State) revoke(e Entry) error {
	switch {
	case e.Serial != "":
		s.Revoked[e.Serial] = true
		if name, is := s.issuers[e.Serial]; is {
			s.endTokens(name, Hash{}, Hash{})
		}
		return nil
	case e.Of != Hash{}:
		if !s.tokens[e.Of] {
			return errors.New("revokes an unknown token")
		}
		delete(s.Bearers, e.Of)
		if t, known := s.Tokens[e.Of]; known {
			t.Count = 0
			s.Tokens[e.Of] = t
		}
		return nil
	}
	id, err := s.subject(e, identity.Manager, identity.User, identity.App)
	if err != nil {
		return err
	}
	if id.Kind == identity.Manager {
		m, is := s.Members[id.Name]
		if !is {
			return fmt.Errorf("revokes %s, which is no member", id)
		}
		s.Revoked[m.Issuer] = true
		delete(s.Members, id.Name)
		delete(s.issuers, m.Issuer)
		s.endTokens(id.Name, Hash{}, Hash{})
		return nil
	}
	s.removeGrant(e.Subject, "")
	maps.DeleteFunc(s.Bearers, func(_ Hash, b BearerState) bool { return b.Identity == id })
	return nil
}

// endTokens ends the tokens with which a manager has joined that is revoked, or whose place another server has taken.
// Whoever has its server may have them, and has the key that used them: it could join again, or let others join. Of the
// token that is used now only the uses of other keys end.
func (s *State) endTokens(manager string, now, joining Hash) {
	for h, t := range s.Tokens {
		uses := maps.Clone(t.Uses)
		maps.DeleteFunc(uses, func(key Hash, name string) bool { return name == manager && (h != now || key != joining) })
		switch ended := len(t.Uses) - len(uses); {
		case ended == 0:
			continue
		case h == now:
			t.Uses, t.Count = uses, max(t.Count-ended, 0)
		default:
			t.Count = 0
		}
		s.Tokens[h] = t
	}
}

func (g GrantState) ended(now time.Time) bool { return !g.Expires.IsZero() && !now.Before(g.Expires) }

// Authorities returns the keys of Roots, the one that was added last at the end.
func (s *State) Authorities() []Hash {
	return slices.SortedFunc(maps.Keys(s.Roots), func(a, b Hash) int { return cmp.Compare(s.Added[a], s.Added[b]) })
}

// IsOfNewest reports whether the authority that was added last has signed the certificate of an issuer. What other
// issuers make counts nothing when the earlier authority is retired.
func (s *State) IsOfNewest(issuer *x509.Certificate) bool {
	names := s.Authorities()
	signer := x509.Certificate{PublicKeyAlgorithm: x509.ECDSA, PublicKey: s.Roots[names[len(names)-1]]}
	return signer.CheckSignature(issuer.SignatureAlgorithm, issuer.RawTBSCertificate, issuer.Signature) == nil
}

// IsRevoked reports whether a certificate is revoked. It fits identity.Policy.Revoked.
func (s *State) IsRevoked(serial *big.Int) bool { return s.Revoked[Serial(serial)] }

// Role returns the role of a peer whose certificate was accepted: that of the grant of a user or an application,
// identity.ManagerRole of a member, identity.InstanceRole of an instance; identity.NoRole if it has none. Key is the
// hash of the key of the peer's certificate: every server's issuer can make certificates of applications, with any
// serial number, so a grant to an application counts for the key that it names, and for no other.
//
// It doesn't say whether the issuer of a manager's or an instance's certificate may make it: see IsIssuerOf.
func (s *State) Role(id identity.Identity, serial *big.Int, key Hash, now time.Time) identity.Role {
	if id.Cluster != s.Cluster || s.IsRevoked(serial) {
		return identity.NoRole
	}
	switch id.Kind {
	case identity.Manager:
		if _, is := s.Members[id.Name]; is {
			return identity.ManagerRole
		}
	case identity.Instance:
		return identity.InstanceRole
	case identity.User, identity.App:
		g := s.Grants[id.String()]
		if g.ended(now) || g.Serial != "" && g.Serial != Serial(serial) {
			return identity.NoRole
		}
		if any := g.Key == (Hash{}); any && id.Kind == identity.User || !any && g.Key == key {
			return g.Role
		}
	}
	return identity.NoRole
}

// IsIssuerOf reports whether the certificate with a serial number is that of the issuer of a member's server, which
// alone makes the certificates of this manager and of the instances that it keeps.
func (s *State) IsIssuerOf(manager string, serial *big.Int) bool {
	m, is := s.Members[manager]
	return is && m.Issuer == Serial(serial) && !s.IsRevoked(serial)
}

// HasAccess reports whether an identity is a member, or has a role or a bearer token, if only one that has expired.
func (s *State) HasAccess(id identity.Identity) bool {
	if id.Kind == identity.Manager {
		_, is := s.Members[id.Name]
		return is && id.Cluster == s.Cluster
	}
	if _, is := s.Grants[id.String()]; is {
		return true
	}
	for _, b := range s.Bearers {
		if b.Identity == id {
			return true
		}
	}
	return false
}

// Names returns the names of all who have access, in order: users by their name, others by their URI.
func (s *State) Names() []string {
	names := map[string]bool{}
	add := func(id identity.Identity) {
		if id.Kind == identity.User {
			names[id.Name] = true
		} else {
			names[id.String()] = true
		}
	}
	for _, g := range s.Grants {
		add(g.Identity)
	}
	for _, b := range s.Bearers {
		add(b.Identity)
	}
	for name := range s.Members {
		add(identity.Identity{Kind: identity.Manager, Cluster: s.Cluster, Name: name})
	}
	return slices.Sorted(maps.Keys(names))
}

// ErrUnknownBearer is the error of Bearer for a token of which the access log has nothing, or has it no more.
var ErrUnknownBearer = errors.New("the bearer token is unknown or revoked")

// Bearer returns who a bearer token speaks for, by the hash of the token.
func (s *State) Bearer(token Hash, now time.Time) (identity.Caller, error) {
	var found *BearerState
	for h, b := range s.Bearers { // all of them, so that the time tells nothing about a hash
		if subtle.ConstantTimeCompare(h[:], token[:]) == 1 {
			found = &b
		}
	}
	switch {
	case found == nil:
		return identity.Caller{}, ErrUnknownBearer
	case !now.Before(found.Expires):
		return identity.Caller{}, fmt.Errorf("the bearer token of %s expired at %s", found.Identity.Describe(), found.Expires.Format(time.RFC3339))
	}
	return identity.Caller{Identity: found.Identity, Role: found.Role}, nil
}

// MayJoin reports whether a key may join with a token, as a manager with an identity. A key that used the token may use
// it again, also when the token has expired, since its first answer may be lost. Only a token that was made for a
// member lets another key take the member's place.
func (s *State) MayJoin(token, key Hash, manager string, now time.Time) error {
	var t TokenState
	known := false
	for h, each := range s.Tokens { // all of them, as in Bearer
		if subtle.ConstantTimeCompare(h[:], token[:]) == 1 {
			t, known = each, true
		}
	}
	return s.mayUse(t, known, key, manager, now)
}

func (s *State) mayUse(t TokenState, known bool, key Hash, manager string, now time.Time) error {
	if !known {
		return errors.New("the token is unknown here: it was made by another cluster or not at all")
	}
	if t.Count == 0 {
		return errors.New("the token was revoked, or a server that joined with it was: make a new one")
	}
	if name, used := t.Uses[key]; used {
		if name != manager {
			return fmt.Errorf("the key joined as %s, and can't join as %s", name, manager)
		}
		return nil
	}
	if t.Manager != "" && t.Manager != manager {
		return fmt.Errorf("the token was made for %s, not for %s", t.Manager, manager)
	}
	if _, member := s.Members[manager]; member && t.Manager == "" {
		return fmt.Errorf("%s is a member, and only a token that is made for it lets its server join again: dkvmanager token --again %s "+
			"makes one, on the server with the authority's key", manager, manager)
	}
	if !now.Before(t.Expires) {
		return fmt.Errorf("the token expired at %s: make a new one", t.Expires.Format(time.RFC3339))
	}
	if len(t.Uses) >= t.Count && t.Count == 1 {
		return errors.New("the token was used by another server, and it was made for one: make a new one")
	}
	if len(t.Uses) >= t.Count {
		return fmt.Errorf("the token was used by %d servers, which is as many as it was made for: make a new one", len(t.Uses))
	}
	return nil
}

// restrict takes everything away from the state that another branch doesn't allow.
func (s *State) restrict(other *State) {
	maps.DeleteFunc(s.Members, func(name string, m MemberState) bool {
		o, is := other.Members[name]
		return !is || o.Issuer != m.Issuer
	})
	for uri, g := range s.Grants {
		o := other.Grants[uri]
		g.Role = identity.Lesser(g.Role, o.Role)
		if g.Serial == "" {
			g.Serial = o.Serial
		}
		if g.Key == (Hash{}) {
			g.Key = o.Key
		}
		if g.Role == identity.NoRole || o.Serial != "" && o.Serial != g.Serial || o.Key != (Hash{}) && o.Key != g.Key {
			delete(s.Grants, uri)
			continue
		}
		g.Expires = earlier(g.Expires, o.Expires)
		s.Grants[uri] = g
	}
	for h, b := range s.Bearers {
		o := other.Bearers[h]
		b.Role, b.Expires = identity.Lesser(b.Role, o.Role), earlier(b.Expires, o.Expires)
		if b.Role == identity.NoRole || b.Identity != o.Identity {
			delete(s.Bearers, h)
			continue
		}
		s.Bearers[h] = b
	}
	for h, t := range s.Tokens {
		o := other.Tokens[h]
		if t.Manager != o.Manager {
			o.Count = 0
		}
		t.Count, t.Expires, t.Uses = min(t.Count, o.Count), earlier(t.Expires, o.Expires), maps.Clone(t.Uses)
		for key, name := range o.Uses {
			if t.Uses == nil {
				t.Uses = map[Hash]string{}
			}
			t.Uses[key] = name
		}
		s.Tokens[h] = t
	}
	maps.Copy(s.Revoked, other.Revoked)
}

// earlier returns the earlier of two times, of which the zero time is the latest.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
