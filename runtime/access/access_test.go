package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/identity"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// must returns a value, and ends the test if there is an error.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func hashOf(key *ecdsa.PrivateKey) Hash {
	_, h, err := parseKey(must(PublicKey(&key.PublicKey)))
	must(0, err)
	return h
}

// cluster has a log and the keys that may sign.
type cluster struct {
	*Log
	root, admin, app *ecdsa.PrivateKey
}

// add appends a line that a key signs, and returns the error.
func (c *cluster) add(key *ecdsa.PrivateKey, e Entry) error {
	prepared, err := c.Prepare(e, key, now)
	if err != nil {
		return err
	}
	return c.Append(prepared, now)
}

// mustAdd appends lines that the root signs.
func (c *cluster) mustAdd(entries ...Entry) {
	for _, e := range entries {
		must(0, c.add(c.root, e))
	}
}

func uri(kind identity.Kind, name string) string {
	id := identity.Identity{Kind: kind, Cluster: "prod", Name: name}
	if kind == identity.App || kind == identity.Instance {
		id.Store = "S"
	}
	return id.String()
}

func newCluster() *cluster {
	c := &cluster{root: newKey(), admin: newKey(), app: newKey()}
	c.Log = must(Start("prod", c.root, now))
	c.mustAdd(Entry{Kind: Grant, Subject: uri(identity.User, "root"), Role: identity.Admin,
		Key: must(PublicKey(&c.admin.PublicKey)), Serial: "ad1"})
	return c
}

// copy returns the same log, as another manager has it.
func (c *cluster) copy() *cluster {
	return &cluster{must(Read(c.main.lines(1, maxBytes), []Hash{hashOf(c.root)})), c.root, c.admin, c.app}
}

// everything returns a log with a line of each kind.
func everything() *cluster {
	c := newCluster()
	next := newKey()
	c.mustAdd(
		Entry{Kind: Token, Of: Hash{1}, Count: 2, Expires: now.Add(time.Hour)},
		Entry{Kind: Member, Subject: uri(identity.Manager, "m-1"), Serial: "a1"},
		Entry{Kind: Member, Subject: uri(identity.Manager, "m-2"), Serial: "a2", Of: Hash{1}, Joining: Hash{9}},
		Entry{Kind: Holder, Subject: uri(identity.Manager, "m-2")},
	)
	must(0, c.add(c.admin, Entry{Kind: Grant, Subject: uri(identity.App, "web"), Role: identity.ReadOnlyApp,
		Key: must(PublicKey(&c.app.PublicKey))}))
	must(0, c.add(c.admin, Entry{Kind: Grant, Subject: uri(identity.App, "keyless"), Role: identity.AppRole}))
	must(0, c.add(c.admin, Entry{Kind: Bearer, Subject: uri(identity.User, "ci"), Role: identity.Operator,
		Of: Hash{2}, Expires: now.Add(time.Hour)}))
	must(0, c.add(c.admin, Entry{Kind: Revoke, Serial: "bad"}))
	must(0, c.Append(must(c.PrepareAuthority(next, c.root, now)), now))
	must(0, c.add(next, Entry{Kind: Retire, Of: hashOf(c.root)}))
	must(0, c.add(next, Entry{Kind: Settle, Of: Hash{7}}))
	return c
}

func TestLog_State(t *testing.T) {
	c := everything()
	s := c.State()
	if s.Cluster != "prod" || s.Number != 13 || s.Holder != "m-2" || len(s.Members) != 2 || len(s.Roots) != 1 || len(s.Forks) != 0 {
		t.Errorf("got %+v", s)
	}
	serial := func(text string) *big.Int { n, _ := new(big.Int).SetString(text, 16); return n }
	role := func(kind identity.Kind, name, of string) identity.Role {
		key := Hash{}
		switch kind {
		case identity.User:
			key = hashOf(c.admin)
		case identity.App:
			key = hashOf(c.app)
		}
		return s.Role(must(identity.Parse(uri(kind, name))), serial(of), key, now)
	}
	keyless := must(identity.Parse(uri(identity.App, "keyless")))
	for _, x := range []struct {
		got, want identity.Role
	}{
		{role(identity.User, "root", "ad1"), identity.Admin},
		{role(identity.User, "root", "ad2"), identity.NoRole}, // another certificate
		{role(identity.User, "ci", "1"), identity.NoRole},     // has a token only
		{role(identity.App, "web", "1"), identity.ReadOnlyApp},
		{role(identity.App, "web", "bad"), identity.NoRole},
		{role(identity.App, "other", "1"), identity.NoRole},
		{s.Role(must(identity.Parse(uri(identity.App, "web"))), serial("1"), Hash{4}, now), identity.NoRole}, // another key
		{s.Role(must(identity.Parse(uri(identity.User, "root"))), serial("ad1"), Hash{4}, now), identity.NoRole},
		{s.Role(keyless, serial("1"), Hash{4}, now), identity.NoRole},
		{s.Role(keyless, serial("1"), Hash{}, now), identity.NoRole},
		{role(identity.Manager, "m-1", "1"), identity.ManagerRole},
		{role(identity.Manager, "m-3", "1"), identity.NoRole},
		{role(identity.Instance, "s-1", "1"), identity.InstanceRole},
		{s.Role(identity.Identity{Kind: identity.Instance, Cluster: "test", Store: "S", Name: "s"}, serial("1"), Hash{}, now),
			identity.NoRole},
	} {
		if x.got != x.want {
			t.Errorf("got the role %q, want %q", x.got, x.want)
		}
	}
	if caller, err := s.Bearer(Hash{2}, now); err != nil || caller.Role != identity.Operator ||
		caller.Identity.Name != "ci" {
		t.Errorf("got %+v, %v", caller, err)
	}
	if _, err := s.Bearer(Hash{3}, now); err == nil || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("an unknown token: %v", err)
	}
	if _, err := s.Bearer(Hash{2}, now.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "expired at 2026-11-30T13:00:00Z") {
		t.Errorf("an expired token: %v", err)
	}
	if !s.IsRevoked(serial("bad")) || s.IsRevoked(serial("a1")) {
		t.Error("the wrong certificates are revoked")
	}
}

func TestLog_Tokens(t *testing.T) {
	c := newCluster()
	c.mustAdd(
		Entry{Kind: Token, Of: Hash{1}, Count: 2, Expires: now.Add(time.Hour)},
		Entry{Kind: Member, Subject: uri(identity.Manager, "m-1"), Serial: "a1", Of: Hash{1}, Joining: Hash{9}},
	)
	may := func(token, key byte, at time.Duration) string {
		if err := c.State().MayJoin(Hash{token}, Hash{key}, fmt.Sprintf("m-%d", 10-key), now.Add(at)); err != nil {
			return err.Error()
		}
		return ""
	}
	for _, x := range []struct{ got, want string }{
		{may(1, 9, 0), ""}, {may(1, 8, 0), ""},
		{may(1, 9, 2*time.Hour), ""}, // its answer was lost
		{may(1, 8, 2*time.Hour), "expired at 2026-11-30T13:00:00Z"},
		{may(2, 9, 0), "unknown here"},
	} {
		if (x.got == "") != (x.want == "") || !strings.Contains(x.got, x.want) {
			t.Errorf("got %q, want %q", x.got, x.want)
		}
	}
	member := func(name, serial string, key byte) Entry {
		return Entry{Kind: Member, Subject: uri(identity.Manager, name), Serial: serial, Of: Hash{1}, Joining: Hash{key}}
	}
	refuse := func(e Entry, want string) {
		t.Helper()
		if err := c.add(c.root, e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	refuse(member("m-2", "a2", 9), "the key joined as m-1, and can't join as m-2")
	refuse(member("m-2", "a1", 8), "issuer of another member")
	c.mustAdd(member("m-1", "b1", 9)) // again, with another issuer
	if s := c.State(); !s.Revoked["a1"] || s.Members["m-1"].Issuer != "b1" {
		t.Errorf("the old issuer stays valid: %+v", s.Members)
	}
	c.mustAdd(member("m-2", "a2", 8))
	refuse(member("m-3", "a3", 7), "used by 2 servers, which is as many as it was made for")
	refuse(Entry{Kind: Token, Of: Hash{1}, Count: 1, Expires: now.Add(time.Hour)}, "repeats a token")
	c.mustAdd(Entry{Kind: Revoke, Of: Hash{1}})
	refuse(member("m-2", "a4", 8), "was revoked")
	refuse(Entry{Kind: Token, Of: Hash{1}, Count: 1, Expires: now.Add(time.Hour)}, "repeats a token")
	refuse(Entry{Kind: Bearer, Subject: uri(identity.User, "ci"), Role: identity.Viewer, Of: Hash{1},
		Expires: now.Add(time.Hour)}, "repeats a token")
	refuse(Entry{Kind: Revoke, Of: Hash{5}}, "unknown token")
	// A member that is removed: its issuer ends with it.
	refuse(Entry{Kind: Revoke, Subject: uri(identity.Manager, "m-9")}, "is no member")
	c.mustAdd(Entry{Kind: Revoke, Subject: uri(identity.Manager, "m-2")})
	if s := c.State(); !s.Revoked["a2"] || len(s.Members) != 1 {
		t.Errorf("got %+v, revoked %v", s.Members, s.Revoked)
	}
	refuse(Entry{Kind: Member, Subject: uri(identity.Manager, "m-2"), Serial: "a2"}, "issuer that is revoked")
}

// A server that is revoked, or whose place another key has taken, has its old key and perhaps the token. Neither lets
// it in again, nor anybody else.
func TestLog_TokensOfARevokedServer(t *testing.T) {
	member := func(name, serial string, token, key byte) Entry {
		return Entry{Kind: Member, Subject: uri(identity.Manager, name), Serial: serial, Of: Hash{token}, Joining: Hash{key}}
	}
	for name, revoke := range map[string]Entry{
		"manager": {Kind: Revoke, Subject: uri(identity.Manager, "m-1")},
		"issuer":  {Kind: Revoke, Serial: "a1"},
	} {
		c := newCluster()
		c.mustAdd(Entry{Kind: Token, Of: Hash{1}, Count: 5, Expires: now.Add(time.Hour)},
			Entry{Kind: Token, Of: Hash{2}, Count: 5, Expires: now.Add(time.Hour)},
			member("m-1", "a1", 1, 9), member("m-2", "a2", 2, 8))
		before := c.State()
		c.mustAdd(revoke)
		for _, e := range []Entry{member("m-1", "b1", 1, 9), member("m-3", "b1", 1, 7)} {
			if err := c.add(c.root, e); err == nil || !strings.Contains(err.Error(), "the token was revoked") {
				t.Errorf("%s: %s joins again: %v", name, e.Subject, err)
			}
		}
		c.mustAdd(member("m-2", "b2", 2, 8), member("m-4", "a4", 2, 6)) // the other token goes on
		if before.Tokens[Hash{1}].Count != 5 {
			t.Errorf("%s: a state that was given away has changed", name)
		}
	}
	c := newCluster()
	c.mustAdd(Entry{Kind: Token, Of: Hash{1}, Count: 3, Expires: now.Add(time.Hour)}, member("m-1", "a1", 1, 9),
		Entry{Kind: Token, Of: Hash{2}, Count: 3, Expires: now.Add(time.Hour), Subject: uri(identity.Manager, "m-1")})
	before := c.State()
	c.mustAdd(member("m-1", "b1", 2, 8), member("m-1", "b2", 2, 8)) // the lost server is replaced; the answer was lost
	for _, e := range []Entry{member("m-1", "c1", 1, 9), member("m-3", "c1", 1, 9), member("m-3", "c1", 1, 7)} {
		if err := c.add(c.root, e); err == nil || !strings.Contains(err.Error(), "the token was revoked") {
			t.Errorf("%s joins with the token of the replaced server: %v", e.Subject, err)
		}
	}
	c.mustAdd(member("m-1", "d1", 2, 7)) // the token for it, once more
	if tk := c.State().Tokens[Hash{2}]; len(tk.Uses) != 1 || tk.Count != 2 || len(before.Tokens[Hash{1}].Uses) != 1 {
		t.Errorf("got the token %+v, and before the other one %+v", tk, before.Tokens[Hash{1}])
	}
}

// The server of the first member holds the authority, until the authority says that another one does.
func TestLog_Holder(t *testing.T) {
	c := newCluster()
	for n := 1; n <= 2; n++ {
		c.mustAdd(Entry{Kind: Member, Subject: uri(identity.Manager, fmt.Sprint("m-", n)), Serial: fmt.Sprintf("a%d", n)})
	}
	holder := func(want string) {
		t.Helper()
		if got := c.State().Holder; got != want {
			t.Errorf("the holder is %q, want %q", got, want)
		}
	}
	holder("m-1")
	moved := Entry{Kind: Holder, Subject: uri(identity.Manager, "m-2")}
	if err := c.add(c.admin, moved); err == nil || !strings.Contains(err.Error(), "are signed by the authority") {
		t.Errorf("an admin moves the authority: %v", err)
	}
	for subject, want := range map[string]string{
		uri(identity.Manager, "m-3"): "which is no member", uri(identity.User, "root"): "want one of [manager]", "": "doesn't have the fields",
	} {
		if err := c.add(c.root, Entry{Kind: Holder, Subject: subject}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the authority is moved to %q: %v, want %q", subject, err, want)
		}
	}
	holder("m-1")
	c.mustAdd(moved)
	holder("m-2")
	c.mustAdd(Entry{Kind: Revoke, Subject: uri(identity.Manager, "m-2")})
	holder("m-2")
}

func TestLog_Grants(t *testing.T) {
	c := newCluster()
	refuse := func(key *ecdsa.PrivateKey, e Entry, want string) {
		t.Helper()
		if err := c.add(key, e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	second := newKey()
	secondText := must(PublicKey(&second.PublicKey))
	user := uri(identity.User, "eve")
	refuse(second, Entry{Kind: Revoke, Serial: "1"}, "neither the authority's nor an admin's")
	must(0, c.add(c.admin, Entry{Kind: Grant, Subject: user, Role: identity.Operator, Key: secondText, Serial: "e1"}))
	refuse(second, Entry{Kind: Revoke, Serial: "1"}, "who was no admin at the time")
	must(0, c.add(c.admin, Entry{Kind: Grant, Subject: user, Role: identity.Admin, Key: secondText, Serial: "e2",
		Expires: now.Add(time.Hour)}))
	if s := c.State(); !s.Revoked["e1"] {
		t.Error("the certificate of the old grant is not revoked")
	}
	must(0, c.add(second, Entry{Kind: Revoke, Serial: "1"}))
	for _, e := range []Entry{
		{Kind: Token, Of: Hash{1}, Count: 1, Expires: now.Add(time.Hour)},
		{Kind: Member, Subject: uri(identity.Manager, "m"), Serial: "a1"},
		{Kind: Retire, Of: hashOf(c.root)},
		{Kind: Settle, Of: Hash{1}},
	} {
		refuse(second, e, "are signed by the authority")
	}
	authority := must(c.PrepareAuthority(newKey(), second, now))
	if err := c.Append(authority, now); err == nil || !strings.Contains(err.Error(), "are signed by the authority") {
		t.Errorf("an admin adds a root: %v", err)
	}
	// After the grant has ended the key signs nothing.
	later := must(c.Prepare(Entry{Kind: Revoke, Serial: "2"}, second, now.Add(time.Hour)))
	if err := c.Append(later, now.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "who was no admin at the time") {
		t.Errorf("an admin whose grant has ended: %v", err)
	}
	for want, e := range map[string]Entry{
		"a key that somebody else has":     {Kind: Grant, Subject: uri(identity.User, "x"), Role: identity.Admin, Key: secondText},
		"is not a role of a user":          {Kind: Grant, Subject: user, Role: identity.AppRole},
		"is not a role of a app":           {Kind: Grant, Subject: uri(identity.App, "x"), Role: identity.Admin},
		"want one of [user app]":           {Kind: Grant, Subject: uri(identity.Manager, "x"), Role: identity.Admin},
		"want one of [user]":               {Kind: Bearer, Subject: uri(identity.App, "x"), Role: identity.AppRole, Of: Hash{1}, Expires: now},
		"of cluster prod":                  {Kind: Grant, Subject: "dkv://user.test/x", Role: identity.Admin},
		"is not an identity":               {Kind: Grant, Subject: "dkv://user.prod/%41", Role: identity.Admin},
		"certificate that is revoked":      {Kind: Grant, Subject: user, Role: identity.Admin, Serial: "1"},
		"the key can't be read":            {Kind: Grant, Subject: user, Role: identity.Admin, Key: "AAAA"},
		"one of [manager user app]":        {Kind: Revoke, Subject: uri(identity.Instance, "s")},
		"doesn't have the fields":          {Kind: Grant, Subject: user},
		"fields of the kind revoke":        {Kind: Revoke},
		"fields of the kind member":        {Kind: Member, Subject: uri(identity.Manager, "m"), Serial: "a1", Of: Hash{1}},
		"a field that lines of the kind r": {Kind: Revoke, Serial: "1", Role: identity.Admin},
		"unknown kind":                     {Kind: "x"},
		"invalid serial":                   {Kind: Revoke, Serial: "00"},
		"has a count of 0":                 {Kind: Token, Of: Hash{1}, Expires: now},
		"has a count of 10001":             {Kind: Token, Of: Hash{1}, Expires: now, Count: maxCount + 1},
		"begins the log":                   {Kind: Begin, Cluster: "prod", Key: secondText},
	} {
		refuse(c.root, e, want)
	}
	must(0, c.add(c.admin, Entry{Kind: Bearer, Subject: user, Role: identity.Viewer, Of: Hash{3},
		Expires: now.Add(time.Hour)}))
	must(0, c.add(c.admin, Entry{Kind: Revoke, Subject: user}))
	refuse(second, Entry{Kind: Revoke, Serial: "3"}, "neither the authority's nor an admin's")
	if s := c.State(); s.Grants[user].Role != "" || len(s.Bearers) != 0 || !s.Revoked["e2"] {
		t.Errorf("a revoked user keeps something: %+v %+v", s.Grants, s.Bearers)
	}
}

func TestLog_Append(t *testing.T) {
	c := newCluster()
	first := must(c.Prepare(Entry{Kind: Revoke, Serial: "1"}, c.root, now))
	second := must(c.Prepare(Entry{Kind: Revoke, Serial: "2"}, c.root, now))
	must(0, c.Append(first, now))
	for want, e := range map[string]Entry{"has the number 3 after 3": second} {
		if err := c.Append(e, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	ahead := must(c.Prepare(Entry{Kind: Revoke, Serial: "1"}, c.root, now.Add(11*time.Minute)))
	if err := c.Append(ahead, now); err == nil || !strings.Contains(err.Error(), "was signed at 2026-11-30T12:11:00Z, and the clock here says 2026-11-30T12:00:00Z") {
		t.Errorf("a line from the future: %v", err)
	}
	if _, err := c.copy().Merge(ahead.encode(), now); err == nil || !strings.Contains(err.Error(), "the clock here says") {
		t.Errorf("a line from the future of another manager: %v", err)
	}
	if _, err := c.copy().Merge(ahead.encode(), now.Add(2*time.Minute)); err != nil {
		t.Error(err)
	}
	// A clock that is behind doesn't make lines that go back.
	behind := must(c.Prepare(Entry{Kind: Revoke, Serial: "2"}, c.root, now.Add(-time.Hour)))
	if err := c.Append(behind, now.Add(-time.Hour)); err != nil || !behind.Time.Equal(now) {
		t.Errorf("got %s, %v", behind.Time, err)
	}
	back := must(c.Prepare(Entry{Kind: Revoke, Serial: "2"}, c.root, now))
	back.Time = now.Add(-time.Second)
	back.Sign = must(signature(c.root, back.signedText()))
	if err := c.Append(back, now); err == nil || !strings.Contains(err.Error(), "was signed before the line before it") {
		t.Errorf("a line that goes back in time: %v", err)
	}
}

func TestLog_Rotation(t *testing.T) {
	c := newCluster()
	next, other := newKey(), newKey()
	forged := must(c.PrepareAuthority(next, c.root, now))
	forged.Key = must(PublicKey(&other.PublicKey)) // whose owner didn't sign
	forged.Sign = must(signature(c.root, forged.signedText()))
	if err := c.Append(forged, now); err == nil {
		t.Error("a root is added that didn't sign")
	}
	must(0, c.Append(must(c.PrepareAuthority(next, c.root, now)), now))
	if err := c.add(c.root, Entry{Kind: Retire, Of: hashOf(c.root)}); err == nil {
		t.Error("a root retires itself")
	}
	must(0, c.add(next, Entry{Kind: Retire, Of: hashOf(c.root)}))
	if err := c.add(c.root, Entry{Kind: Revoke, Serial: "1"}); err == nil {
		t.Error("a retired root signs")
	}
	if err := c.Append(must(c.PrepareAuthority(c.root, next, now)), now); err == nil {
		t.Error("a retired root comes back")
	}
	text := c.main.lines(1, maxBytes)
	for _, key := range []*ecdsa.PrivateKey{c.root, next} {
		if _, err := Read(text, []Hash{hashOf(other), hashOf(key)}); err != nil {
			t.Error(err)
		}
	}
	if _, err := Read(text, []Hash{hashOf(other)}); err == nil || !strings.Contains(err.Error(), "another authority") {
		t.Errorf("got %v", err)
	}
	// Who trusts only the new root doesn't take a log that another root began, and that only claims to be continued.
	forger := must(Start("prod", other, now))
	line := must(forger.Prepare(Entry{Kind: Authority, Key: must(PublicKey(&next.PublicKey))}, other, now))
	if _, err := Read(append(forger.main.lines(1, maxBytes), line.encode()...), []Hash{hashOf(next)}); err == nil {
		t.Error("a forged log is taken")
	}
}

// A log that is cut between two lines is the shorter log; cut within a line it isn't one.
func TestLog_CutAnywhere(t *testing.T) {
	c := everything()
	text := c.main.lines(1, maxBytes)
	roots := []Hash{hashOf(c.root)}
	for n := range text {
		l, err := Read(text[:n], roots)
		if whole := n > 0 && text[n-1] == '\n'; whole != (err == nil) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		} else if whole && l.State().Number != int64(bytes.Count(text[:n], []byte("\n"))) {
			t.Errorf("cut after %d bytes it has %d lines", n, l.State().Number)
		}
	}
}

// A log that grows after it was asked for its heads still gives the lines of these.
func TestPull_FromGrowingLog(t *testing.T) {
	a := newCluster()
	b := a.copy()
	a.mustAdd(revoked("1")...)
	heads := a.Heads()
	a.mustAdd(revoked("2")...)
	fetch := func(of Hash, from int64) ([]byte, error) {
		lines, known := a.Lines(of, from)
		if !known {
			t.Errorf("the log no longer has the line %s", of)
		}
		return lines, nil
	}
	if err := b.Pull(heads, fetch, now); err != nil || !b.State().Revoked["1"] || len(b.State().Forks) > 0 {
		t.Errorf("got %+v, %v", b.State(), err)
	}
	if _, known := a.Lines(Hash{1}, 1); known {
		t.Error("the log has a line that there never was")
	}
}

// Lines that are left out, repeated or exchanged aren't taken.
func TestLog_Reordered(t *testing.T) {
	c := everything()
	roots := []Hash{hashOf(c.root)}
	lines := bytes.SplitAfter(bytes.TrimSuffix(c.main.lines(1, maxBytes), nil), []byte("\n"))
	lines = lines[:len(lines)-1]
	read := func(lines [][]byte) error { _, err := Read(bytes.Join(lines, nil), roots); return err }
	if err := read(lines); err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		if i < len(lines)-1 && read(slices.Delete(slices.Clone(lines), i, i+1)) == nil {
			t.Errorf("without line %d", i+1)
		}
		for j := range lines {
			if read(slices.Insert(slices.Clone(lines), j, lines[i])) == nil {
				t.Errorf("with line %d again as line %d", i+1, j+1)
			}
			if swapped := slices.Clone(lines); i != j {
				swapped[i], swapped[j] = swapped[j], swapped[i]
				if read(swapped) == nil {
					t.Errorf("with the lines %d and %d exchanged", i+1, j+1)
				}
			}
		}
	}
}

// A valid line of one branch isn't taken on another one, although its number fits.
func TestLog_Spliced(t *testing.T) {
	a, b := fork(revoked("1", "2"), revoked("3", "4"))
	ours, theirs := a.main.lines(1, maxBytes), b.main.lines(7, maxBytes)
	spliced := append(bytes.TrimSuffix(ours, a.main.lines(7, maxBytes)), theirs...)
	if _, err := Read(spliced, []Hash{hashOf(a.root)}); err == nil || !strings.Contains(err.Error(), "line 7 of the access log doesn't follow") {
		t.Errorf("got %v", err)
	}
	line := b.main.entries[6]
	line.Number = a.State().Number + 1
	if err := a.Append(line, now); err == nil {
		t.Error("a line of another branch is appended")
	}
}

// Each byte of a log counts: all of the first line, and every seventh of the others.
func TestLog_Mutated(t *testing.T) {
	c := everything()
	text := c.main.lines(1, maxBytes)
	roots := []Hash{hashOf(c.root)}
	for i := range text {
		if i > bytes.IndexByte(text, '\n') && i%7 != 0 {
			continue
		}
		changed := slices.Clone(text)
		changed[i] ^= []byte{1, 0x20, 0x80}[i%3]
		if _, err := Read(changed, roots); err == nil {
			t.Fatalf("with byte %d of %q changed it is taken", i, text[max(0, i-20):i+1])
		}
	}
	// The other signature that ECDSA allows, and other spellings of the same one.
	lines := bytes.SplitAfter(text, []byte("\n"))
	last := must(decode(bytes.TrimSuffix(lines[len(lines)-2], []byte("\n"))))
	before := bytes.Join(lines[:len(lines)-2], nil)
	sign := must(base64.StdEncoding.DecodeString(last.Sign))
	other := last
	s := new(big.Int).SetBytes(sign[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sign[32:])
	other.Sign = base64.StdEncoding.EncodeToString(sign)
	line := string(last.encode())
	for name, changed := range map[string]string{
		"none":            line,
		"n - s":           string(other.encode()),
		"no padding":      strings.Replace(line, `=="}`, `"}`, 1),
		"bits of padding": strings.Replace(line, last.Sign, last.Sign[:85]+string(last.Sign[85]+1)+"==", 1),
		"white space":     strings.Replace(line, `,"`, `, "`, 1),
		"CRLF":            strings.Replace(line, "\n", "\r\n", 1),
		"unknown field":   strings.Replace(line, `,"kind"`, `,"x":1,"kind"`, 1),
		"field twice":     strings.Replace(line, `,"kind"`, `,"number":12,"kind"`, 1),
		"upper case":      strings.Replace(line, `"kind"`, `"Kind"`, 1),
		"escape":          strings.Replace(line, `settle`, `\u0073ettle`, 1),
		"other number":    strings.Replace(line, `"number":13`, `"number":13.0`, 1),
		"other zone":      strings.Replace(line, `12:00:00Z`, `12:00:00+00:00`, 1),
		"null":            strings.Replace(line, `,"kind"`, `,"count":null,"kind"`, 1),
	} {
		if changed == line && name != "none" {
			t.Fatalf("%s changes nothing of %s", name, line)
		}
		_, err := Read(append(slices.Clone(before), changed...), roots)
		if (err == nil) != (name == "none") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// edited returns a text with changes, four bytes each: what is done, at which place (two bytes), and with which byte.
// Fuzz tests change texts that they made themselves, since each process has other keys.
func edited(text, edits []byte) []byte {
	out := slices.Clone(text)
	for ; len(edits) >= 4 && len(out) > 0; edits = edits[4:] {
		at, value := (int(edits[1])<<8+int(edits[2]))%len(out), edits[3]
		to := min(len(out), at+int(value))
		switch edits[0] % 5 {
		case 0:
			out[at] ^= value
		case 1:
			out = slices.Delete(out, at, to)
		case 2:
			out = slices.Insert(out, at, value)
		case 3:
			out = slices.Insert(out, at, slices.Clone(out[at:to])...)
		case 4:
			out = out[:at]
		}
	}
	return out
}

func FuzzLog_Read(f *testing.F) {
	c := everything()
	text := c.main.lines(1, maxBytes)
	roots := []Hash{hashOf(c.root)}
	hashes := c.main.hashes
	f.Add([]byte{})
	f.Add([]byte{0, 1, 44, 1})
	f.Add([]byte{4, 4, 44, 1, 3, 0, 0, 255})
	f.Fuzz(func(t *testing.T, edits []byte) {
		changed := edited(text, edits)
		l, err := Read(changed, roots)
		if err != nil {
			return
		}
		n := len(l.main.hashes)
		if n > len(hashes) || !slices.Equal(l.main.hashes, hashes[:n]) || !bytes.HasPrefix(text, changed) {
			t.Errorf("a log that nobody signed is taken: %q", changed)
		}
	})
}

func FuzzLog_Merge(f *testing.F) {
	c := everything()
	roots := []Hash{hashOf(c.root)}
	f.Add(uint8(5), []byte{})
	f.Add(uint8(1), []byte{1, 0, 0, 9})
	f.Fuzz(func(t *testing.T, from uint8, edits []byte) {
		l := must(Read(c.main.lines(1, 2000), roots))
		before := l.State()
		_, err := l.Merge(edited(c.main.lines(int64(from%16), maxBytes), edits), now)
		after := l.State()
		if err != nil && after != before {
			t.Errorf("a refused text changed the log: %v", err)
		}
		if !c.Knows(Head{after.Number, after.Head}) || len(after.Forks) > 0 || after.Number < before.Number {
			t.Errorf("a log that nobody signed is taken: from %d with %v", from, edits)
		}
	})
}

// A line that is read is written the same.
func FuzzEntry_Decode(f *testing.F) {
	for _, line := range bytes.Split(bytes.TrimSpace(everything().main.lines(1, maxBytes)), []byte("\n")) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := decode(line)
		if err != nil {
			return
		}
		if again := e.encode(); !bytes.Equal(again[:len(again)-1], line) || bytes.ContainsRune(line, '\n') {
			t.Errorf("%q is written as %q", line, again)
		}
		_ = newState().apply(e, false)
	})
}

func TestLog_Merge(t *testing.T) {
	c := everything()
	l := must(Read(c.main.lines(1, 1), []Hash{hashOf(c.root)}))
	if l.State().Number != 1 {
		t.Fatalf("one line was wanted, got %d", l.State().Number)
	}
	// It pulls what is missing, a few lines at a time.
	for l.State().Number < c.State().Number {
		from := l.State().Number + 1
		change := must(l.Merge(c.main.lines(from, 1000), now))
		if change.Lines < 1 || change.Replaced || change.Forked || l.State().Number != from+change.Lines-1 {
			t.Fatalf("got %+v at %d", change, l.State().Number)
		}
	}
	if l.State().Head != c.State().Head {
		t.Error("the logs differ")
	}
	// Lines that it has change nothing.
	for from := range c.State().Number + 2 {
		if change := must(l.Merge(c.main.lines(from, 3000), now)); change != (Change{}) {
			t.Errorf("got %+v", change)
		}
	}
	short := must(Read(c.main.lines(1, 1000), []Hash{hashOf(c.root)}))
	var gap *GapError
	if _, err := short.Merge(c.main.lines(8, maxBytes), now); !errors.As(err, &gap) ||
		gap.From != short.State().Number+1 {
		t.Errorf("got %v", err)
	}
	// A shorter log doesn't take back what is known.
	if change := must(l.Merge(short.main.lines(1, maxBytes), now)); change != (Change{}) ||
		l.State().Number != c.State().Number {
		t.Errorf("got %+v", change)
	}
	// Another cluster's log isn't taken, and neither is another log of the same name.
	if _, err := l.Merge(newCluster().main.lines(1, maxBytes), now); err == nil || !strings.Contains(err.Error(), "another authority") {
		t.Errorf("got %v", err)
	}
}

// fork returns two managers' logs, of which each has lines that the other one hasn't.
func fork(ours, theirs []Entry) (a, b *cluster) {
	a = newCluster()
	a.mustAdd(Entry{Kind: Grant, Subject: uri(identity.User, "ci"), Role: identity.Operator},
		Entry{Kind: Member, Subject: uri(identity.Manager, "m-1"), Serial: "a1"},
		Entry{Kind: Token, Of: Hash{1}, Count: 5, Expires: now.Add(time.Hour)})
	b = a.copy()
	a.mustAdd(ours...)
	b.mustAdd(theirs...)
	return a, b
}

func revoked(serials ...string) []Entry {
	var out []Entry
	for _, s := range serials {
		out = append(out, Entry{Kind: Revoke, Serial: s})
	}
	return out
}

// part returns a few lines, so that several are fetched.
func (c *cluster) part(head Hash, from int64) []byte {
	for _, b := range append([]branch{c.main}, c.other...) {
		if b.state.Head == head {
			return b.lines(from, 1000)
		}
	}
	return nil
}

// exchange lets two managers pull from each other.
func exchange(t *testing.T, a, b *cluster) {
	t.Helper()
	for _, pair := range [][2]*cluster{{a, b}, {b, a}} {
		fetch := func(head Hash, from int64) ([]byte, error) { return pair[1].part(head, from), nil }
		if err := pair[0].Pull(pair[1].Heads(), fetch, now); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFork_LongestWins(t *testing.T) {
	a, b := fork(revoked("1"), revoked("2", "3"))
	end := b.State().Head
	exchange(t, a, b)
	for _, c := range []*cluster{a, b} {
		s := c.State()
		if s.Head != end || len(s.Forks) != 1 {
			t.Fatalf("the log ends with line %d, with %d forks", s.Number, len(s.Forks))
		}
		f := s.Forks[0]
		if f.Number != 6 || f.Lines != 1 || f.Signer != hashOf(a.root) || f.Ours == f.Theirs || f.Ours == (Hash{}) {
			t.Errorf("got %+v", f)
		}
		for _, serial := range []string{"1", "2", "3"} {
			if !s.Revoked[serial] {
				t.Errorf("%s is not revoked", serial)
			}
		}
	}
	// Equally long branches: all managers choose the same one.
	a, b = fork(revoked("1", "2"), revoked("3", "4"))
	exchange(t, a, b)
	if a.State().Head != b.State().Head || len(a.State().Forks) != 1 || len(b.State().Forks) != 1 {
		t.Error("the managers chose different branches")
	}
}

func TestFork_SmallerGrantHolds(t *testing.T) {
	eve, web := uri(identity.User, "eve"), uri(identity.App, "web")
	a, b := fork([]Entry{
		{Kind: Grant, Subject: uri(identity.User, "ci"), Role: identity.Viewer}, // was operator
		{Kind: Revoke, Subject: uri(identity.User, "root")},
		{Kind: Member, Subject: uri(identity.Manager, "m-2"), Serial: "a2", Of: Hash{1}, Joining: Hash{8}},
		{Kind: Grant, Subject: web, Role: identity.AppRole, Expires: now.Add(time.Hour)},
		{Kind: Bearer, Subject: eve, Role: identity.Viewer, Of: Hash{4}, Expires: now.Add(time.Hour)},
	}, []Entry{
		{Kind: Grant, Subject: eve, Role: identity.Admin},
		{Kind: Revoke, Subject: uri(identity.Manager, "m-1")},
		{Kind: Grant, Subject: web, Role: identity.ReadOnlyApp},
	})
	exchange(t, a, b)
	for _, c := range []*cluster{a, b} {
		s := c.State()
		if len(s.Forks) != 1 || len(s.Members) != 0 || len(s.Bearers) != 0 || len(s.Grants) != 2 {
			t.Errorf("got the forks %v, members %v, bearer tokens %v, grants %v", s.Forks, s.Members, s.Bearers, s.Grants)
		}
		ci, app := s.Grants[uri(identity.User, "ci")], s.Grants[web]
		if ci.Role != identity.Viewer || app.Role != identity.ReadOnlyApp || !app.Expires.Equal(now.Add(time.Hour)) {
			t.Errorf("got %+v and %+v", ci, app)
		}
		if tk := s.Tokens[Hash{1}]; tk.Count != 5 || tk.Uses[Hash{8}] != "m-2" {
			t.Errorf("got the token %+v", tk)
		}
		if !s.Revoked["a1"] || !s.Revoked["ad1"] {
			t.Errorf("revoked are %v", s.Revoked)
		}
	}
	// The authority settles it: the other branch counts nothing.
	winner := a
	winner.mustAdd(Entry{Kind: Settle, Of: winner.State().Forks[0].Theirs})
	exchange(t, a, b)
	for _, c := range []*cluster{a, b} {
		if s := c.State(); len(s.Forks) != 0 || len(s.Members) != 2 || s.Revoked["a1"] || s.Head != winner.State().Head {
			t.Errorf("settled: got the forks %v, members %v", s.Forks, s.Members)
		}
	}
}

// An admin whose key was stolen and revoked makes a longer branch without the revocation: it wins nothing.
func TestFork_RevokedAdmin(t *testing.T) {
	a := newCluster()
	b := a.copy()
	a.mustAdd(Entry{Kind: Revoke, Subject: uri(identity.User, "root")})
	for n := range 5 {
		must(0, b.add(b.admin, Entry{Kind: Grant, Subject: uri(identity.User, fmt.Sprint("evil", n)), Role: identity.Admin}))
	}
	exchange(t, a, b)
	for _, c := range []*cluster{a, b} {
		if s := c.State(); len(s.Grants) != 0 || len(s.Forks) != 1 || s.Number != 7 {
			t.Errorf("the grants %v hold, with %d forks at %d", s.Grants, len(s.Forks), s.Number)
		}
	}
	f := a.State().Forks[0]
	if f.By != "the authority" || f.OursBy != uri(identity.User, "root") {
		t.Errorf("the fork is described as %+v", f)
	}
	for _, wrong := range []Hash{{}, {1}} {
		if err := a.Settle(wrong, a.root, now); err == nil {
			t.Errorf("%s is settled", wrong)
		}
	}
	if err := a.Settle(f.Ours, a.admin, now); err == nil {
		t.Error("the revoked admin settles the fork")
	}
	// The authority settles the side that the log follows: the shorter one takes its place, at other managers as well.
	must(0, a.Settle(f.Ours, a.root, now))
	exchange(t, a, b)
	for _, c := range []*cluster{a, b} {
		if s := c.State(); s.Head != a.State().Head || len(s.Forks) != 0 || len(s.Grants) != 0 || s.Number != 4 {
			t.Errorf("got line %d, the forks %v, the grants %v", s.Number, s.Forks, s.Grants)
		}
	}
}

func TestFork_SettledStaysOut(t *testing.T) {
	a := newCluster()
	evil := a.copy()
	must(0, evil.add(evil.admin, Entry{Kind: Grant, Subject: uri(identity.User, "evil"), Role: identity.Admin}))
	a.mustAdd(Entry{Kind: Revoke, Subject: uri(identity.User, "root")}, Entry{Kind: Revoke, Serial: "1"})
	must(a.Merge(evil.main.lines(1, maxBytes), now))
	a.mustAdd(Entry{Kind: Settle, Of: a.State().Forks[0].Theirs})
	head := a.State().Head
	for n := range 8 {
		must(0, evil.add(evil.admin, Entry{Kind: Grant, Subject: uri(identity.User, fmt.Sprint("evil", n)),
			Role: identity.Admin}))
		change := must(a.Merge(evil.main.lines(1, maxBytes), now))
		if s := a.State(); change != (Change{}) || s.Head != head || len(s.Forks) != 0 || len(s.Grants) != 0 {
			t.Errorf("got %+v, the grants %v", change, s.Grants)
		}
	}
}

func TestFork_Bounded(t *testing.T) {
	a := newCluster()
	base := a.copy()
	a.mustAdd(revoked("1", "2", "3")...)
	for n := range maxForks + 3 {
		b := base.copy()
		must(0, b.add(b.admin, Entry{Kind: Revoke, Serial: fmt.Sprintf("f%d", n)}))
		_, err := a.Merge(b.main.lines(1, maxBytes), now)
		if (err == nil) != (n < maxForks) {
			t.Fatalf("fork %d: %v", n, err)
		}
		if err != nil && !strings.Contains(err.Error(), "settle them") {
			t.Error(err)
		}
	}
	if s := a.State(); len(s.Forks) != maxForks || !s.Revoked["f3"] || s.Revoked[fmt.Sprintf("f%d", maxForks)] {
		t.Errorf("got %d forks", len(s.Forks))
	}
	// A settled branch makes room, and takes none when it comes again, longer.
	again := base.copy()
	must(0, again.add(again.admin, Entry{Kind: Revoke, Serial: "a1"}))
	if _, err := a.Merge(again.main.lines(1, maxBytes), now); err == nil {
		t.Error("there is room for one more")
	}
	a.mustAdd(Entry{Kind: Settle, Of: again.State().Head})
	must(0, again.add(again.admin, Entry{Kind: Revoke, Serial: "a2"}))
	if change := must(a.Merge(again.main.lines(1, maxBytes), now)); change != (Change{}) || a.State().Revoked["a1"] {
		t.Errorf("got %+v", change)
	}
	// The log itself goes on.
	a.mustAdd(revoked("5")...)
	longer := &cluster{must(Read(a.main.lines(1, maxBytes), []Hash{hashOf(a.root)})), a.root, a.admin, a.app}
	longer.mustAdd(revoked("6")...)
	if change := must(a.Merge(longer.main.lines(longer.State().Number, maxBytes), now)); change.Lines != 1 ||
		len(a.State().Forks) != maxForks {
		t.Errorf("got %+v", change)
	}
}

// Managers that hear of random branches in random order agree in the end, and none allows what one branch doesn't.
func TestFork_Converge(t *testing.T) {
	rnd := mathrand.New(mathrand.NewPCG(1, 2))
	for round := range 30 {
		base := newCluster()
		managers := []*cluster{base, base.copy(), base.copy(), base.copy()}
		for i, c := range managers {
			for n := range rnd.IntN(4) {
				c.mustAdd(Entry{Kind: Revoke, Serial: fmt.Sprintf("%d%d", i+1, n)})
			}
			c.mustAdd(Entry{Kind: Grant, Subject: uri(identity.User, fmt.Sprint("u", i)), Role: identity.Admin})
		}
		for range 3 {
			for _, i := range rnd.Perm(4) {
				for _, j := range rnd.Perm(4) {
					if i != j {
						exchange(t, managers[i], managers[j])
					}
				}
			}
		}
		first := managers[0].State()
		for i, c := range managers {
			s := c.State()
			if s.Head != first.Head || len(s.Forks) != 3 {
				t.Fatalf("round %d: manager %d has %d lines and %d forks, the first one %d and %d", round, i, s.Number, len(s.Forks), first.Number, len(first.Forks))
			}
			if len(s.Grants) != 1 || len(s.Revoked) != len(first.Revoked) {
				t.Errorf("round %d: manager %d allows %v", round, i, s.Grants)
			}
		}
		// One of them settles all; the others follow, in whatever order they hear of it.
		settler := managers[rnd.IntN(4)]
		for len(settler.State().Forks) > 0 {
			settler.mustAdd(Entry{Kind: Settle, Of: settler.State().Forks[0].Theirs})
		}
		for range 3 {
			for _, i := range rnd.Perm(4) {
				for _, j := range rnd.Perm(4) {
					if i != j {
						exchange(t, managers[i], managers[j])
					}
				}
			}
		}
		for i, c := range managers {
			if s := c.State(); s.Head != settler.State().Head || len(s.Forks) != 0 {
				t.Fatalf("round %d, settled: manager %d has %d lines and %d forks", round, i, s.Number, len(s.Forks))
			}
		}
	}
}

func BenchmarkLog_Read(b *testing.B) {
	c := newCluster()
	for n := range 1000 {
		c.mustAdd(Entry{Kind: Member, Subject: uri(identity.Manager, fmt.Sprint("m-", n)), Serial: fmt.Sprintf("a%d", n)})
	}
	text, roots := c.main.lines(1, maxBytes), []Hash{hashOf(c.root)}
	b.ReportMetric(float64(len(text))/1002, "bytes/line")
	for b.Loop() {
		must(Read(text, roots))
	}
}
