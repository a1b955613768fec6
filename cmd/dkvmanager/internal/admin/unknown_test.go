package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/security/securitytest"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// asked plays the part of the manager that asks the others for lines of the access log: it calls tell in each round
// that somebody calls for, until the test ends, and returns a function that returns the number of rounds so far.
func (s *secured) asked(tell func()) (rounds func() int) {
	m := s.api.Member
	m.BeginRound()() // the one at the start
	stop, done, n := make(chan struct{}), make(chan struct{}), make(chan int)
	go func() {
		defer close(done)
		count := 0
		for {
			select {
			case <-m.Strangers():
				end := m.BeginRound()
				tell()
				count++
				end()
			case n <- count:
			case <-stop:
				return
			}
		}
	}()
	s.t.Cleanup(func() { close(stop); <-done })
	return func() int { return <-n }
}

// A credential that only another manager knows works at the first request.
func TestCaller_NewCredential(t *testing.T) {
	t.Parallel()
	cluster := securitytest.New(t, "prod")
	cluster.Member("m-other")
	s := secure(t, newHarness(t), cluster, "127.0.0.1:0")
	rounds := s.asked(func() {
		if err := cluster.Tell(s.api.Member); err != nil {
			t.Error(err)
		}
	})
	path := wire.StoresPath()
	user := cluster.User("ann", identity.Viewer)
	if status, text := s.call(client(t, user), "", "GET", path, nil); status != http.StatusOK {
		t.Errorf("a new certificate: %d, %s", status, text)
	}
	token := cluster.Token("ci", identity.Viewer)
	if status, text := s.call(client(t, nil), token, "GET", path, nil); status != http.StatusOK {
		t.Errorf("a new bearer token: %d, %s", status, text)
	}
	if n := rounds(); n != 2 {
		t.Errorf("%d rounds, want 2", n)
	}
}

// Who can't be one of the cluster's makes the manager ask nobody. A certificate of the cluster's authority without a
// role does at each request, and an unknown bearer token 10 times a minute.
func TestCaller_StrangersCallForFewRounds(t *testing.T) {
	t.Parallel()
	cluster := securitytest.New(t, "prod")
	everybody := callers(t, cluster)
	s := secure(t, newHarness(t), cluster, "127.0.0.1:0")
	rounds := s.asked(func() {})
	for _, by := range everybody {
		before := rounds()
		status, text := s.call(client(t, by.bundle), by.token, "GET", wire.StoresPath(), nil)
		want := 0
		switch by.name {
		case "unknown token", "no role", "app by another issuer":
			want = 1
		case "no member", "manager by another issuer": // managers don't wait for it
			want = 1
			for rounds() == before {
			}
		}
		if n := rounds() - before; n != want {
			t.Errorf("%s: %d rounds, want %d; %d, %s", by.name, n, want, status, text)
		}
	}
	before := rounds()
	for range 3 * maxTries {
		unknown, err := access.NewBearerToken()
		if err != nil {
			t.Fatal(err)
		}
		status, text := s.call(client(t, nil), unknown.Text(), "GET", wire.StoresPath(), nil)
		if status != http.StatusUnauthorized || !strings.Contains(string(text), "unknown or revoked") {
			t.Errorf("got %d, %s", status, text)
		}
	}
	if n := rounds() - before; n != maxTries-1 { // one was above
		t.Errorf("%d rounds for unknown tokens, want %d", n, maxTries-1)
	}
	stranger := cluster.Issue(identity.Identity{Kind: identity.User, Name: "new"}, time.Hour)
	if status, text := s.call(client(t, stranger), "", "GET", wire.InfoPath(), nil); status != http.StatusForbidden {
		t.Errorf("after the tokens, a certificate without a role: %d, %s", status, text)
	}
	if n := rounds() - before; n != maxTries {
		t.Errorf("%d rounds after the tokens, want one more", n)
	}
}
