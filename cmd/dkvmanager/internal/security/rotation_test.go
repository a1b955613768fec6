package security

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
)

// pull lets one member take what another one has of the access log.
func pull(t *testing.T, m, from *Member) {
	t.Helper()
	if err := m.Pull(from.Access(), from.Lines); err != nil {
		t.Fatal(err)
	}
}

// admitted lets the holder's authority admit the issuer of another member.
func admitted(t *testing.T, m, holder *Member) {
	t.Helper()
	peer, err := holder.Admit(m.Bundle().Chain)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := holder.Rotation().Readmit(peer)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Rotation().Accept(answer); err != nil {
		t.Fatal(err)
	}
}

// checkCertify checks that a member makes a certificate of an application if it should, and that the newest authority
// alone vouches for it.
func checkCertify(t *testing.T, m *Member, c *clock, want error) {
	t.Helper()
	app := identity.Identity{Kind: identity.App, Cluster: "prod", Store: "S", Name: "web"}
	made, err := m.Certify(app, string(must(identity.NewRequest(must(pki.NewKey())))), time.Hour)
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if want != nil {
		return
	}
	roots := m.ring().roots
	_, err = identity.Verify(must(identity.DecodeChain([]byte(made.Certificate))), roots[len(roots)-1:], c.now)
	if err != nil {
		t.Error(err)
	}
}

// While the authority that was added last hasn't admitted a server, the server makes no certificates of applications:
// the refusal to end the rotation would not name them. The same after a rotation was taken back.
func TestRotation_Certify(t *testing.T) {
	t.Parallel()
	c := newClock()
	first := create(t, c)
	dir := t.TempDir()
	if err := join(dir, "m-2", first, must(first.Token(1, time.Hour, "")), false); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir, "m-2", c, "10.0.0.12")
	old := first.State().Authorities()[0]

	if err := first.Rotation().Begin(); err != nil {
		t.Fatal(err)
	}
	checkCertify(t, second, c, nil) // it hasn't heard of it
	pull(t, second, first)
	checkCertify(t, second, c, ErrNotAdmitted)
	checkCertify(t, first, c, nil)
	admitted(t, second, first)
	checkCertify(t, second, c, nil)

	web, err := first.AppCredential("S", "web", identity.AppRole, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Rotation().Abort(); err != nil {
		t.Fatal(err)
	}
	pull(t, second, first)
	checkCertify(t, second, c, ErrNotAdmitted)
	for _, m := range []*Member{first, second} { // what the new authority vouched for is accepted
		for _, chain := range [][]*x509.Certificate{web.Chain, second.Bundle().Chain} {
			if _, err := m.Admit(chain); err != nil {
				t.Errorf("%s: %v", m.Identity(), err)
			}
		}
	}
	admitted(t, second, first)
	for _, m := range []*Member{first, second} {
		checkCertify(t, m, c, nil)
		if names := m.State().Authorities(); len(names) != 1 || names[0] != old {
			t.Errorf("%s trusts %v, not %v alone", m.Identity(), names, old)
		}
		if root, err := m.Policy().Authority(m.Bundle().Chain); err != nil || access.Hash(identity.HashKey(root)) != old {
			t.Errorf("%s: %v, %v", m.Identity(), root, err)
		}
		if n := len(m.Bundle().Chain); n != 2 {
			t.Errorf("%s has a chain of %d certificates", m.Identity(), n)
		}
	}
	if err := first.Rotation().Begin(); err != nil {
		t.Errorf("another rotation: %v", err)
	}
	if credentials, _ := first.Rotation().Left(); len(credentials) != 2 { // the admin's as well
		t.Errorf("left: %v", credentials)
	}
}
