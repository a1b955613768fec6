package security

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// joiner is a server that is joining a cluster, with the answer of an honest manager to its request.
type joiner struct {
	*Joining
	clock  *clock
	first  *Member
	answer wire.Joined
}

func newJoiner(t testing.TB) *joiner {
	t.Helper()
	c := newClock()
	dir := t.TempDir()
	must(0, Create(dir, "prod", "m-1", "ann", c.now))
	first := must(Open(dir, "m-1", []string{"10.0.0.11"}, c.read))
	t.Cleanup(func() { _ = first.Close() })
	token := must(first.Token(2, time.Hour, ""))
	j := must(BeginJoin(t.TempDir(), "m-2", token, false))
	return &joiner{j, c, first, must(first.Join(must(j.Request("https://10.0.0.12:7801"))))}
}

// isSafe reports what is wrong with an answer that was accepted: whatever it said, the server trusts the root that the
// token names, and the issuer is for its own key and makes no users.
func (j *joiner) isSafe(issuer *pki.Issuer, log *access.Log) string {
	state := log.State()
	trusts := slices.ContainsFunc(issuer.Roots, func(c *x509.Certificate) bool {
		return identity.HashKey(c) == j.token.Root
	})
	unknown := slices.ContainsFunc(issuer.Roots, func(c *x509.Certificate) bool {
		return state.Roots[access.Hash(identity.HashKey(c))] == nil
	})
	switch {
	case !trusts:
		return "it does not trust the token's root"
	case unknown:
		return "it trusts a root that the access log does not have"
	case !issuer.Key.Equal(j.key) || !j.key.PublicKey.Equal(issuer.Chain[0].PublicKey):
		return "its issuer has another key"
	case issuer.May(identity.User, state.Cluster) || !issuer.May(identity.Manager, state.Cluster):
		return "its issuer makes users, or no managers"
	case state.Cluster != "prod":
		return "it joined another cluster"
	}
	return ""
}

// A manager that answers with anything else than what the authority has signed for this server is refused, and leaves
// the server as it was: it can ask another manager with the same key.
func TestJoining_HostileAnswers(t *testing.T) {
	t.Parallel()
	j := newJoiner(t)
	if issuer, log, err := j.check(j.answer, j.clock.now); err != nil || j.isSafe(issuer, log) != "" {
		t.Fatalf("the honest answer: %v %s", err, j.isSafe(issuer, log))
	}
	foreign, other := newJoiner(t), must(pki.NewKey())
	asUsers := must(j.first.ring().authority.Admit(&j.key.PublicKey, []identity.Kind{identity.User}, j.clock.now))
	signed := func(template *x509.Certificate) string {
		chain := j.first.ring().issuer.Chain
		der := must(x509.CreateCertificate(nil, template, chain[0], &j.key.PublicKey, j.first.ring().issuer.Key))
		return certificates(append([]*x509.Certificate{must(x509.ParseCertificate(der))}, chain...))
	}
	below := *must(identity.DecodeRoots([]byte(j.answer.Issuer)))[0]
	lines := strings.SplitAfter(j.answer.Access, "\n")
	for name, change := range map[string]func(a *wire.Joined){
		"empty":                 func(a *wire.Joined) { *a = wire.Joined{} },
		"no issuer":             func(a *wire.Joined) { a.Issuer = "" },
		"no roots":              func(a *wire.Joined) { a.Roots = "" },
		"no access log":         func(a *wire.Joined) { a.Access = "" },
		"of another cluster":    func(a *wire.Joined) { *a = foreign.answer },
		"another cluster's log": func(a *wire.Joined) { a.Access = foreign.answer.Access },
		"another root":          func(a *wire.Joined) { a.Roots = foreign.answer.Roots },
		"another issuer":        func(a *wire.Joined) { a.Issuer = foreign.answer.Issuer },
		"for another key": func(a *wire.Joined) {
			a.Issuer = certificates(must(j.first.ring().authority.Admit(&other.PublicKey, pki.ServerKinds(), j.clock.now)))
		},
		"an issuer of users":         func(a *wire.Joined) { a.Issuer = certificates(asUsers) },
		"a root as issuer":           func(a *wire.Joined) { a.Issuer = a.Roots },
		"an issuer below an issuer":  func(a *wire.Joined) { a.Issuer = signed(&below) },
		"a leaf as issuer":           func(a *wire.Joined) { a.Issuer = certificates(j.first.Bundle().Chain) },
		"garbage":                    func(a *wire.Joined) { a.Issuer, a.Roots, a.Access = "x", "y", "z" },
		"a log that is cut off":      func(a *wire.Joined) { a.Access = a.Access[:len(a.Access)-5] },
		"a log without its begin":    func(a *wire.Joined) { a.Access = strings.Join(lines[1:], "") },
		"a log with a line missing":  func(a *wire.Joined) { a.Access = lines[0] + strings.Join(lines[2:], "") },
		"a log with a changed role":  func(a *wire.Joined) { a.Access = strings.Replace(a.Access, `"admin"`, `"viewer"`, 1) },
		"a private key in the roots": func(a *wire.Joined) { a.Roots += string(must(j.first.Bundle().Encode())) },
	} {
		answer := j.answer
		change(&answer)
		if issuer, _, err := j.check(answer, j.clock.now); err == nil {
			t.Errorf("%s: it is taken, with the issuer %s", name, issuer.Chain[0].Subject)
		}
		if err := j.Complete(answer, "https://10.0.0.11:7801", j.clock.now); err == nil {
			t.Errorf("%s: the server has joined", name)
		}
		if secured, err := IsSecured(j.dataDir); secured {
			t.Errorf("%s: the server is secured: %v", name, err)
		}
		if entries := must(os.ReadDir(j.folder)); len(entries) != 1 {
			t.Errorf("%s: it left %v", name, names(entries))
		}
	}
	if err := j.Complete(j.answer, "https://10.0.0.11:7801", j.clock.now); err != nil {
		t.Errorf("the honest answer after all: %v", err)
	}
	if _, err := os.Stat(filepath.Join(j.dataDir, folderName)); err != nil {
		t.Error(err)
	}
}

// Whatever a manager answers, a server trusts nobody else and makes nothing else than what the authority allows.
func FuzzJoining_Answer(f *testing.F) {
	j, foreign := newJoiner(f), newJoiner(f)
	for _, a := range []wire.Joined{j.answer, foreign.answer, {}} {
		f.Add(a.Issuer, a.Roots, a.Access)
	}
	f.Add(foreign.answer.Issuer, j.answer.Roots, j.answer.Access)
	f.Add(j.answer.Issuer, foreign.answer.Roots+j.answer.Roots, j.answer.Access)
	first, _, _ := strings.Cut(j.answer.Access, "\n")
	f.Add(j.answer.Issuer+foreign.answer.Issuer, j.answer.Roots+j.answer.Roots, first+"\n")
	f.Fuzz(func(t *testing.T, issuer, roots, lines string) {
		got, log, err := j.check(wire.Joined{Cluster: "prod", Manager: "m-1", Issuer: issuer, Roots: roots, Access: lines}, j.clock.now)
		if err != nil {
			return
		}
		if wrong := j.isSafe(got, log); wrong != "" {
			t.Error(wrong)
		}
	})
}
