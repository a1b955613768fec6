package security

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"dkvrun/cmd/dkvmanager/internal/instancekeys"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// clock is a time that tests change.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)} }

// create makes a cluster and returns its first member.
func create(t *testing.T, c *clock) *Member {
	t.Helper()
	dir := t.TempDir()
	if err := Create(dir, "prod", "m-1", "ann", c.now); err != nil {
		t.Fatal(err)
	}
	return open(t, dir, "m-1", c, "10.0.0.11")
}

func open(t *testing.T, dir, name string, c *clock, hosts ...string) *Member {
	t.Helper()
	m, err := Open(dir, name, hosts, c.read)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// join lets a server with a data folder join.
func join(dir, name string, first *Member, token access.JoinToken, again bool) error {
	j, err := BeginJoin(dir, name, token, again)
	if err != nil {
		return err
	}
	request, err := j.Request("https://10.0.0.12:7801")
	if err != nil {
		return err
	}
	answer, err := first.Join(request)
	if err != nil {
		return err
	}
	return j.Complete(answer, "https://10.0.0.11:7801", first.now())
}

func TestMember_CreateAndJoin(t *testing.T) {
	c := newClock()
	first := create(t, c)
	admin := must(first.Undelivered())
	if admin == nil || must(admin.Identity()).String() != "dkv://user.prod/ann" {
		t.Fatalf("the first credential: %v", admin)
	}
	must(0, first.Delivered())
	if b, err := first.Undelivered(); b != nil || err != nil {
		t.Errorf("after its delivery: %v, %v", b, err)
	}
	token := must(first.Token(2, time.Hour, ""))
	dir := t.TempDir()
	if err := join(dir, "m-2", first, token, false); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir, "m-2", c, "10.0.0.12", "db2.example")
	if got := second.Managers(); len(got) != 1 || got[0] != (wire.Manager{Identity: "m-1", URL: "https://10.0.0.11:7801"}) {
		t.Errorf("the second knows %v", got)
	}
	if got := first.Managers(); len(got) != 1 || got[0] != (wire.Manager{Identity: "m-2", URL: "https://10.0.0.12:7801"}) {
		t.Errorf("the first knows %v", got)
	}
	for _, pair := range [][2]*Member{{first, second}, {second, first}} {
		peer, err := pair[0].Policy(identity.Manager).Admit(pair[1].Bundle().Chain)
		if err != nil {
			t.Fatal(err)
		}
		role := first.State().Role(peer.Identity, peer.Serial(), access.Hash(peer.Key()), c.now)
		if role != identity.ManagerRole {
			t.Errorf("%s has the role %q", peer.Identity, role)
		}
	}
	user := must(second.Policy().Admit(admin.Chain))
	if role := second.State().Role(user.Identity, user.Serial(), access.Hash(user.Key()), c.now); role != identity.Admin {
		t.Errorf("the admin's role at the second is %q", role)
	}
	files := names(must(os.ReadDir(filepath.Join(dir, folderName))))
	if strings.Contains(files, joiningFile) || strings.Contains(files, string(pki.AuthorityFile)) {
		t.Errorf("the second has the files %s", files)
	}
	if _, err := second.Token(1, time.Hour, ""); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("the second makes a token: %v", err)
	}
	if _, err := second.Join(wire.Join{}); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("the second lets a server join: %v", err)
	}
}

// A member notices peers of whom its access log says nothing, since others may know more: here a member that joined
// meanwhile.
func TestMember_Strangers(t *testing.T) {
	c := newClock()
	first := create(t, c)
	token := must(first.Token(2, time.Hour, ""))
	dirs := []string{t.TempDir(), t.TempDir()}
	for i, dir := range dirs {
		must(0, join(dir, fmt.Sprintf("s-%d", i), first, token, false))
	}
	old, young := open(t, dirs[0], "s-0", c), open(t, dirs[1], "s-1", c)
	noticed := func(by, peer *Member) bool {
		if _, err := by.Caller(must(by.Admit(peer.Bundle().Chain))); err != nil {
			t.Fatal(err)
		}
		select {
		case <-by.Strangers():
			return true
		default:
			return false
		}
	}
	if !noticed(old, young) || noticed(young, old) || noticed(first, young) {
		t.Error("the older member alone doesn't know the younger one")
	}
	must(0, old.Pull(first.Access(), first.Lines))
	if noticed(old, young) {
		t.Error("the older member pulled the line of the younger one, and doesn't know it")
	}
}

// Servers that join at the same time all get a log with their own line, although it grows meanwhile.
func TestMember_JoinTogether(t *testing.T) {
	c := newClock()
	first := create(t, c)
	const servers = 16
	token := must(first.Token(servers, time.Hour, ""))
	errs := make(chan error, servers)
	for i := range servers {
		dir := t.TempDir()
		go func() { errs <- join(dir, fmt.Sprintf("s-%d", i), first, token, false) }()
	}
	for range servers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := len(first.State().Members); n != servers+1 {
		t.Errorf("%d members", n)
	}
}

func names(entries []os.DirEntry) string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestMember_JoinRefusals(t *testing.T) {
	c := newClock()
	first := create(t, c)
	token := must(first.Token(1, time.Hour, ""))
	dir := t.TempDir()
	j := must(BeginJoin(dir, "m-2", token, false))
	request := must(j.Request("https://10.0.0.12:7801"))
	lost := must(first.Join(request)) // and its answer is lost
	again := must(BeginJoin(dir, "m-2", token, false))
	answer := must(first.Join(must(again.Request("https://10.0.0.12:7801"))))
	if err := again.Complete(lost, "https://10.0.0.11:7801", c.now); err != nil {
		t.Errorf("the first answer is for the same key: %v", err)
	}
	other := must(BeginJoin(t.TempDir(), "m-3", token, false))
	if err := other.Complete(answer, "https://10.0.0.11:7801", c.now); err == nil || !strings.Contains(err.Error(), "for another key") {
		t.Errorf("an answer for another key: %v", err)
	}
	foreign := create(t, c)
	foreignAnswer := answer
	foreignAnswer.Access = string(must(foreign.Lines(foreign.Access().Heads[0].Hash, 1)))
	if err := again.Complete(foreignAnswer, "https://10.0.0.11:7801", c.now); err == nil {
		t.Error("the log of another cluster is taken")
	}
	number := first.State().Number
	expired := must(other.Request("https://10.0.0.13:7801"))
	for name, r := range map[string]wire.Join{
		"used":            expired,
		"other name":      {Token: request.Token, Request: request.Request, Identity: "m-4", URL: request.URL},
		"no name":         {Token: request.Token, Request: request.Request, Identity: "../x", URL: request.URL},
		"typo":            {Token: request.Token[:len(request.Token)-5] + "aaaaa", Request: request.Request, Identity: "m-2", URL: request.URL},
		"garbage":         {Token: "x", Request: "y", Identity: "z", URL: "w"},
		"another cluster": {Token: must(foreign.Token(1, time.Hour, "")).Text(), Request: request.Request, Identity: "m-2", URL: request.URL},
		"no URL":          {Token: request.Token, Request: request.Request, Identity: "m-2", URL: "file:///etc"},
	} {
		var refused *TokenError
		if _, err := first.Join(r); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := first.State(); got.Number != number || len(got.Members) != 2 {
		t.Errorf("refused requests changed the log: %d lines instead of %d", got.Number, number)
	}
}

func TestMember_JoinAgain(t *testing.T) {
	c := newClock()
	first := create(t, c)
	dir := t.TempDir()
	must(0, join(dir, "m-2", first, must(first.Token(1, time.Hour, "")), false))
	second := must(Open(dir, "m-2", nil, c.read))
	old := second.Bundle()
	must(0, second.Close())
	stranger := must(Open(dir, "m-9", nil, c.read)) // the file identity was lost
	if got := stranger.Excluded(); !strings.Contains(got, "manager m-9 of cluster prod is not a member") {
		t.Errorf("with another identity it says %q", got)
	}
	must(0, stranger.Close())
	second = must(Open(dir, "m-2", nil, c.read))
	must(first.Revoke("dkv://manager.prod/m-2"))
	if err := second.Pull(first.Access(), first.Lines); err != nil {
		t.Fatal(err)
	}
	if got := second.Excluded(); !strings.Contains(got, "is revoked: dkvmanager join --again") {
		t.Errorf("the revoked manager says %q", got)
	}
	must(0, second.Close())
	if err := join(dir, "m-2", first, must(first.Token(1, time.Hour, "")), true); err != nil {
		t.Fatal(err)
	}
	second = open(t, dir, "m-2", c)
	must(0, second.Pull(first.Access(), first.Lines))
	if got := second.Excluded(); got != "" {
		t.Errorf("after joining again: %s", got)
	}
	if _, err := first.Policy().Admit(old.Chain); err == nil {
		t.Error("the old certificate is still accepted")
	}
	if _, err := first.Policy().Admit(second.Bundle().Chain); err != nil {
		t.Error(err)
	}
	// The place of a member is taken with a token that is made for it, and with no other.
	var refused *TokenError
	if err := join(t.TempDir(), "m-2", first, must(first.Token(1, time.Hour, "")), false); !errors.As(err, &refused) {
		t.Errorf("a stranger takes the member's place: %v", err)
	}
	if err := join(t.TempDir(), "m-2", first, must(first.Token(1, time.Hour, "m-2")), false); err != nil {
		t.Errorf("a wiped server: %v", err)
	}
	if _, err := first.Token(1, time.Hour, "m-9"); err == nil || !strings.Contains(err.Error(), "its members are m-1, m-2") {
		t.Errorf("a token for nobody: %v", err)
	}
}

// A server can make a certificate in the name of another manager, with which it is taken for nobody.
func TestMember_SpeaksForItself(t *testing.T) {
	c := newClock()
	first := create(t, c)
	token := must(first.Token(2, time.Hour, ""))
	stolen, other := t.TempDir(), t.TempDir()
	must(0, join(stolen, "m-2", first, token, false))
	must(0, join(other, "m-3", first, token, false))
	thief := open(t, stolen, "m-2", c)
	for name, want := range map[string]identity.Role{"m-2": identity.ManagerRole, "m-3": identity.NoRole, "m-1": identity.NoRole} {
		id := identity.Identity{Kind: identity.Manager, Cluster: "prod", Name: name}
		chain := must(thief.ring().issuer.Issue(pki.Leaf{Identity: id}, c.read())).Chain
		if caller := must(first.Caller(must(first.Admit(chain)))); caller.Role != want {
			t.Errorf("as %s it has the role %q, want %q", name, caller.Role, want)
		}
		answers, err := first.CheckManager(&tls.ConnectionState{PeerCertificates: chain})
		if want == identity.ManagerRole && (err != nil || answers != name) ||
			want == identity.NoRole && (err == nil || !strings.Contains(err.Error(), "another server made this certificate")) {
			t.Errorf("an answer as %s is one of %q, %v", name, answers, err)
		}
	}
	m3 := open(t, other, "m-3", c)
	if answers, err := first.CheckManager(&tls.ConnectionState{PeerCertificates: m3.Bundle().Chain}); answers != "m-3" {
		t.Errorf("the other server's own answer: %q, %v", answers, err)
	}
}

func TestMember_Renew(t *testing.T) {
	c := newClock()
	m := create(t, c)
	first := m.Bundle()
	if renewed, err := m.Renew(); renewed || err != nil {
		t.Errorf("renewed at once: %v, %v", renewed, err)
	}
	c.now = pki.RenewAt(first.Chain[0]).Add(time.Second)
	if renewed, err := m.Renew(); !renewed || err != nil {
		t.Fatalf("not renewed when it is due: %v, %v", renewed, err)
	}
	second := m.Bundle()
	if !second.Chain[0].NotAfter.After(first.Chain[0].NotAfter) {
		t.Error("the new one doesn't last longer")
	}
	if _, err := m.Policy().Admit(first.Chain); err != nil {
		t.Errorf("the old one is valid until its end: %v", err)
	}
	same := must(Open(filepath.Dir(m.path), "m-1", []string{"10.0.0.11"}, c.read))
	if !same.Bundle().Chain[0].Equal(second.Chain[0]) {
		t.Error("another one after a restart")
	}
	must(0, same.Close())
	// A manager that was off for long comes back, and so does one with a new address.
	c.now = c.now.Add(5 * 365 * 24 * time.Hour)
	late := must(Open(filepath.Dir(m.path), "m-1", []string{"10.0.0.99"}, c.read))
	if _, err := late.Policy().Admit(late.Bundle().Chain); err != nil {
		t.Error(err)
	}
	if got := late.Bundle().Chain[0].IPAddresses; len(got) != 1 || got[0].String() != "10.0.0.99" {
		t.Errorf("the addresses %v", got)
	}
	must(0, late.Close())
}

func TestMember_Grants(t *testing.T) {
	c := newClock()
	first := create(t, c)
	ci := must(first.Credential("ci", identity.Operator, 720*time.Hour))
	again := must(first.Credential("ci", identity.Viewer, 720*time.Hour))
	if _, err := first.Policy().Admit(ci.Chain); err == nil {
		t.Error("the earlier credential is still accepted")
	}
	peer := must(first.Policy().Admit(again.Chain))
	if role := first.State().Role(peer.Identity, peer.Serial(), access.Hash(peer.Key()), c.now); role != identity.Viewer {
		t.Errorf("the role is %q", role)
	}
	bearer := must(first.Bearer("job", identity.Operator, time.Hour))
	token := must(access.ParseBearerToken(bearer.Token))
	caller, err := first.State().Bearer(token.Hash(), c.now)
	if err != nil || caller.Role != identity.Operator {
		t.Errorf("the token's caller: %v, %v", caller, err)
	}
	for _, name := range []string{"ci", "job"} {
		if id, err := first.Revoke(name); err != nil || id.Name != name {
			t.Errorf("revoke %s: %v, %v", name, id, err)
		}
	}
	if _, err := first.Policy().Admit(again.Chain); err == nil {
		t.Error("the revoked credential is still accepted")
	}
	if _, err := first.State().Bearer(token.Hash(), c.now); err == nil {
		t.Error("the revoked token is still accepted")
	}
	const nobody = "there is no user ci of cluster prod: there is ann, dkv://manager.prod/m-1"
	if _, err := first.Revoke("ci"); err == nil || err.Error() != nobody {
		t.Errorf("revoked twice: %v", err)
	}
	_, err = first.Credential("ci", identity.ManagerRole, time.Hour)
	if err == nil || !strings.Contains(err.Error(), "viewer operator admin") {
		t.Errorf("a role that users don't have: %v", err)
	}
	if _, err := first.Revoke("dkv://manager.prod/m-1"); err == nil {
		t.Error("the first server revoked itself")
	}
}

func TestMember_CreateAfterCrash(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	must(0, Create(dir, "prod", "m-1", "ann", c.now))
	// As a crash before the last step leaves it.
	must(0, os.Rename(filepath.Join(dir, folderName), filepath.Join(dir, newFolderName)))
	if secured, err := IsSecured(dir); secured || !IsUnfinished(err, "init") || IsUnfinished(err, "join") {
		t.Errorf("secured: %v, %v", secured, err)
	}
	must(0, Create(dir, "prod", "m-1", "ann", c.now))
	entries := must(os.ReadDir(dir))
	if got := names(entries); got != folderName {
		t.Errorf("the folder has %s", got)
	}
	if err := Create(dir, "prod", "m-1", "ann", c.now); err == nil {
		t.Error("a second authority was made")
	}
}

func TestMember_Info(t *testing.T) {
	c := newClock()
	first := create(t, c)
	if info := first.Info(); info.Cluster != "prod" || len(info.Warnings) > 0 || info.AccessStaleSince != nil {
		t.Errorf("a new cluster: %+v", info)
	}
	dir := t.TempDir()
	must(0, join(dir, "m-2", first, must(first.Token(1, time.Hour, "")), false))
	second := open(t, dir, "m-2", c)
	start := c.now
	c.now = c.now.Add(61 * time.Second)
	if since := second.Info().AccessStaleSince; since == nil || !since.Equal(start) {
		t.Errorf("stale since %v, want %s", since, start)
	}
	must(0, second.Pull(first.Access(), first.Lines))
	if since := second.Info().AccessStaleSince; since != nil {
		t.Errorf("stale since %s after a pull", since)
	}
	c.now = start.Add(17 * 24 * time.Hour)
	warnings := strings.Join(first.Info().Warnings, " ")
	if !strings.Contains(warnings, "this manager's certificate ends at 2026-12-30 12:00 UTC") {
		t.Errorf("13 days before the end of the certificate: %q", warnings)
	}
	must(first.Renew())
	c.now = start.Add(pki.AuthorityLifetime - 300*24*time.Hour)
	must(first.Renew())
	warnings = strings.Join(first.Info().Warnings, " ")
	if !strings.Contains(warnings, "the cluster's authority ends at ") || !strings.Contains(warnings, "this server's issuer ends at ") {
		t.Errorf("in the last year of the authority: %q", warnings)
	}
}

// A server that lacks the authority's key says where it is, and one that has lost it says which file is missing.
func TestMember_WhereTheAuthorityIs(t *testing.T) {
	c := newClock()
	first := create(t, c)
	must(0, first.SetURL("https://10.0.0.11:7801"))
	dir := t.TempDir()
	must(0, join(dir, "m-2", first, must(first.Token(1, time.Hour, "")), false))
	second := open(t, dir, "m-2", c)
	refused := func(m *Member, want, shown string) {
		t.Helper()
		_, err := m.Token(1, time.Hour, "")
		if !errors.Is(err, ErrNoAuthority) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s makes a token: %v, want %q", m.self.Name, err, want)
		}
		if _, err := m.Credential("ci", identity.Viewer, time.Hour); !errors.Is(err, ErrNoAuthority) {
			t.Errorf("%s makes a credential: %v", m.self.Name, err)
		}
		if _, err := m.Revoke("ann"); !errors.Is(err, ErrNoAuthority) {
			t.Errorf("%s revokes: %v", m.self.Name, err)
		}
		if !strings.Contains(m.Status(), shown) {
			t.Errorf("the status of %s lacks %q:\n%s", m.self.Name, shown, m.Status())
		}
	}
	refused(second, "run the command on the server of manager m-1, https://10.0.0.11:7801", "\nits key      is on the server of https://10.0.0.11:7801\n")
	if got := second.Warnings(); len(got) > 0 {
		t.Errorf("a server that joined warns: %q", got)
	}
	// A copy of the key on another server.
	text := must(os.ReadFile(first.keys.Path(pki.AuthorityFile)))
	must(0, second.Close())
	must(0, os.WriteFile(filepath.Join(dir, folderName, string(pki.AuthorityFile)), text, 0o600))
	second = open(t, dir, "m-2", c)
	refused(second, "authority.pem signs nothing", "authority.pem signs nothing")
	if got := second.Warnings(); len(got) != 1 {
		t.Errorf("with a copy of the key it warns: %q", got)
	}
	must(0, first.Close())
	must(0, os.Remove(first.keys.Path(pki.AuthorityFile)))
	first = open(t, filepath.Dir(first.path), "m-1", c)
	refused(first, "authority.pem is missing: restore the file from a backup", "authority.pem is missing:\n")
	if got := first.Warnings(); len(got) != 1 || !strings.Contains(got[0], "authority.pem is missing") {
		t.Errorf("without the key it warns: %q", got)
	}
	// The issuer of users can be made again.
	must(0, first.Close())
	must(0, os.WriteFile(first.keys.Path(pki.AuthorityFile), text, 0o600))
	must(0, os.Remove(first.keys.Path(pki.UserIssuerFile)))
	first = open(t, filepath.Dir(first.path), "m-1", c)
	b := must(first.Credential("ci", identity.Viewer, time.Hour))
	if caller := must(first.Caller(must(first.Admit(b.Chain)))); caller.Role != identity.Viewer {
		t.Errorf("the role is %q", caller.Role)
	}
}

// Two servers that hold the authority, as neither hears the other, write two branches, which both show; one is settled.
func TestMember_TwoHolders(t *testing.T) {
	c := newClock()
	first := create(t, c)
	dir := t.TempDir()
	must(0, join(dir, "m-2", first, must(first.Token(1, time.Hour, "")), false))
	second := open(t, dir, "m-2", c)
	if earlier, moved, err := second.Import(must(first.Export())); err != nil || !moved || earlier.Name != "m-1" {
		t.Fatalf("import: %v, %v, %v", earlier, moved, err)
	}
	must(second.Credential("ci", identity.Viewer, time.Hour))
	must(first.Credential("eve", identity.Admin, time.Hour)) // it hasn't heard of the import
	must(0, second.Pull(first.Access(), first.Lines))
	must(0, first.Pull(second.Access(), second.Lines))
	for _, m := range []*Member{first, second} {
		if s := m.State(); len(s.Forks) != 1 || s.Holder != "m-2" || s.Grants["dkv://user.prod/eve"].Role != identity.NoRole {
			t.Fatalf("%s: forks %v, holder %s, grants %v", m.self.Name, s.Forks, s.Holder, s.Grants)
		}
	}
	if _, err := first.Token(1, time.Hour, ""); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("the earlier holder makes a token: %v", err)
	}
	branch := second.State().Forks[0].Theirs.String()[:minBranch]
	if got := second.Status(); !strings.Contains(got, "branch "+branch+" of the access log differs from line ") {
		t.Errorf("the status: %s", got)
	}
	for _, wrong := range []string{"", branch[:7], "00000000"} {
		if _, err := second.Settle(wrong); err == nil || !strings.Contains(err.Error(), "there is "+branch) {
			t.Errorf("settle %q: %v", wrong, err)
		}
	}
	if number, err := second.Settle(branch); err != nil || number != 6 {
		t.Errorf("settle: line %d, %v", number, err)
	}
	must(0, first.Pull(second.Access(), second.Lines))
	for _, m := range []*Member{first, second} {
		if s := m.State(); len(s.Forks) != 0 || s.Grants["dkv://user.prod/ci"].Role != identity.Viewer {
			t.Errorf("%s after it is settled: forks %v, grants %v", m.self.Name, s.Forks, s.Grants)
		}
	}
}

// A revoked server sends the request with which it joined once more: its key and its token may be all that a thief has.
func TestMember_RevokedServerStaysOut(t *testing.T) {
	c := newClock()
	first := create(t, c)
	request := func(name string, token access.JoinToken) wire.Join {
		return must(must(BeginJoin(t.TempDir(), name, token, false)).Request("https://10.0.0.12:7801"))
	}
	old := request("m-2", must(first.Token(10, time.Hour, "")))
	must(first.Join(old))
	// Another server takes its place: the earlier one doesn't get it back.
	again := request("m-2", must(first.Token(1, time.Hour, "m-2")))
	must(first.Join(again))
	must(first.Join(again)) // the answer was lost
	issuer := first.State().Members["m-2"].Issuer
	var refused *TokenError
	if _, err := first.Join(old); !errors.As(err, &refused) || first.State().Members["m-2"].Issuer != issuer {
		t.Errorf("the earlier server takes its place again: %v", err)
	}
	must(first.Revoke("dkv://manager.prod/m-2"))
	number := first.State().Number
	for name, r := range map[string]wire.Join{"earlier": old, "revoked": again} {
		if _, err := first.Join(r); !errors.As(err, &refused) {
			t.Errorf("the %s server joins again: %v", name, err)
		}
	}
	if s := first.State(); s.Number != number || len(s.Members) != 1 {
		t.Errorf("the members are %v", s.Members)
	}
	must(first.Join(request("m-2", must(first.Token(1, time.Hour, ""))))) // with a new token it does
}

// An admin whose key was stolen is revoked at one manager while it signs lines at another one, so many that its branch
// is the longer one and the log follows it. The authority ends that side, and with it what the thief has granted.
func TestMember_SettlesTheSideThatTheLogFollows(t *testing.T) {
	c := newClock()
	first := create(t, c)
	dir := t.TempDir()
	must(0, join(dir, "m-2", first, must(first.Token(1, time.Hour, "")), false))
	second := open(t, dir, "m-2", c)
	stolen := must(first.Credential("eve", identity.Admin, time.Hour))
	must(0, second.Pull(first.Access(), first.Lines))
	must(first.Revoke("eve"))
	for n := range 20 {
		own := must(access.Read([]byte(second.log.First()), keyHashes(second.ring().roots)))
		line := must(own.Prepare(access.Entry{Kind: access.Bearer, Subject: fmt.Sprintf("dkv://user.prod/evil-%d", n), Role: identity.Admin,
			Of: access.Hash{byte(n + 1)}, Expires: c.now.Add(time.Hour)}, stolen.Key, c.now))
		must(second.Append(string(must(json.Marshal(line)))))
	}
	both := func() {
		t.Helper()
		must(0, first.Pull(second.Access(), second.Lines))
		must(0, second.Pull(first.Access(), first.Lines))
	}
	both()
	for _, m := range []*Member{first, second} {
		s := m.State()
		if len(s.Forks) != 1 || len(s.Bearers) != 0 || s.Grants["dkv://user.prod/eve"].Role != identity.NoRole {
			t.Fatalf("%s: forks %v, tokens %v, grants %v", m.self.Name, s.Forks, s.Bearers, s.Grants)
		}
		if got := m.Status(); !strings.Contains(got, "the first signed by the authority)") ||
			!strings.Contains(got, "(20 lines, the first signed by dkv://user.prod/eve)") {
			t.Errorf("the status of %s: %s", m.self.Name, got)
		}
	}
	thief := first.State().Forks[0].Ours.String()[:minBranch]
	if _, err := second.Settle(thief); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("a server without the authority settles: %v", err)
	}
	must(first.Settle(thief))
	both()
	must(0, second.Close())
	for _, m := range []*Member{first, open(t, dir, "m-2", c)} {
		s := m.State()
		if len(s.Forks) != 0 || len(s.Bearers) != 0 || s.Grants["dkv://user.prod/eve"].Role != identity.NoRole ||
			s.Grants["dkv://user.prod/ann"].Role != identity.Admin {
			t.Errorf("%s after it is settled: forks %v, tokens %v, grants %v", m.self.Name, s.Forks, s.Bearers, s.Grants)
		}
	}
}

// Whoever has an admin's key revokes the issuer of users, and with it all users. The server with the authority's key
// lets them in again, and the admin stays out.
func TestMember_RevokedIssuerOfUsers(t *testing.T) {
	c := newClock()
	first := create(t, c)
	stolen := must(first.Credential("eve", identity.Admin, time.Hour))
	own := must(access.Read([]byte(first.log.First()), keyHashes(first.ring().roots)))
	serial := access.Serial(first.ring().users.Chain[0].SerialNumber)
	line := must(own.Prepare(access.Entry{Kind: access.Revoke, Serial: serial}, stolen.Key, c.now))
	must(first.Append(string(must(json.Marshal(line)))))
	if _, err := first.Admit(stolen.Chain); err == nil {
		t.Fatal("the issuer is not revoked")
	}
	must(first.Revoke("eve"))
	again := must(first.Credential("ann", identity.Admin, time.Hour))
	must(0, first.Close())
	first = open(t, filepath.Dir(first.path), "m-1", c)
	if caller := must(first.Caller(must(first.Admit(again.Chain)))); caller.Role != identity.Admin {
		t.Errorf("the new admin has the role %q", caller.Role)
	}
	request := string(must(identity.NewRequest(must(pki.NewKey()))))
	bob := identity.Identity{Kind: identity.User, Cluster: "prod", Name: "bob"}
	made := must(first.Certify(bob, request, time.Hour))
	if _, err := first.Admit(must(identity.DecodeChain([]byte(made.Certificate)))); err != nil {
		t.Errorf("a new user: %v", err)
	}
	if _, err := first.Admit(stolen.Chain); err == nil {
		t.Error("the stolen credential works again")
	}
}

// A bearer token that came without TLS counts no longer at the ports of instances either, and doesn't come back when a
// branch of the access log that has revoked it is settled.
func TestMember_BurntTokens(t *testing.T) {
	c := newClock()
	first := create(t, c)
	dir := t.TempDir()
	must(0, join(dir, "m-2", first, must(first.Token(1, time.Hour, "")), false))
	second := open(t, dir, "m-2", c)
	sent, other := must(first.Bearer("ci", identity.Admin, time.Hour)), must(first.Bearer("job", identity.Viewer, time.Hour))
	folder := t.TempDir()
	leaf := pki.Leaf{Identity: identity.Identity{Kind: identity.Instance, Cluster: "prod", Store: "S", Name: "s-1"}, Operation: "op"}
	port := func(token string) error {
		t.Helper()
		must(0, first.WriteInstance(folder, leaf, nil))
		_, err := must(instancekeys.Open(folder, "S", c.read)).CallerOf(token)
		return err
	}
	must(0, port(sent.Token))
	must(first.Burn(sent.Token))
	if err := port(sent.Token); err == nil {
		t.Error("the client port takes a burnt token")
	}
	must(0, port(other.Token))
	// While branches differ, of which one lacks the tokens, another token is burnt.
	must(0, second.Pull(first.Access(), first.Lines))
	if _, _, err := second.Import(must(first.Export())); err != nil {
		t.Fatal(err)
	}
	must(second.Revoke("ci"))
	late := must(first.Bearer("late", identity.Viewer, time.Hour))
	must(first.Burn(late.Token))
	must(0, first.Pull(second.Access(), second.Lines))
	if len(first.State().Forks) != 1 {
		t.Fatalf("there is no fork: %v", first.State().Forks)
	}
	must(first.Burn(other.Token))
	if !first.burnt.has(sent.Token) || !first.burnt.has(late.Token) {
		t.Error("a burnt token is forgotten while branches differ")
	}
}

// A terminal of 80 columns shows the status whole, on any server.
func TestMember_StatusFitsATerminal(t *testing.T) {
	c := newClock()
	first := create(t, c)
	must(0, first.SetURL("https://10.100.100.111:17801"))
	dir, name := t.TempDir(), "01a22de8-5fa2-77c5-8b5b-8f29f3f9a5d9"
	must(0, join(dir, name, first, must(first.Token(1, time.Hour, "")), false))
	for _, m := range []*Member{first, open(t, dir, name, c)} {
		for line := range strings.Lines(m.Status()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
}
