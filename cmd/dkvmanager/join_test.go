package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// madeAt makes a cluster at a time, and returns its first member and a join token.
func madeAt(t *testing.T, at time.Time) (*security.Member, access.JoinToken) {
	t.Helper()
	dir := t.TempDir()
	if err := security.Create(dir, "prod", "m-1", "ann", at); err != nil {
		t.Fatal(err)
	}
	m, err := security.Open(dir, "m-1", nil, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	token, err := m.Token(1, time.Hour, "")
	if err != nil {
		t.Fatal(err)
	}
	return m, token
}

// server is a manager to join whose clock the test sets. It counts the tokens that it is sent.
type server struct {
	*http.Server
	member *security.Member
	now    time.Time
	tokens atomic.Int32
}

// serveJoin serves the member over TLS on an address.
func serveJoin(t *testing.T, address string, m *security.Member, now time.Time) *server {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{member: m, now: now}
	s.Server = &http.Server{Handler: s, ReadHeaderTimeout: patience, ErrorLog: log.New(io.Discard, "", 0)}
	config := identity.Server{Certificate: m.Certificate, Policy: func() *identity.Policy { return m.Policy() }}.Config()
	go func() { _ = s.Serve(tls.NewListener(listener, config)) }()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.now.UTC().Format(http.TimeFormat))
	if r.URL.Path == wire.HealthPath() {
		_ = json.NewEncoder(w).Encode(wire.Result{Success: true})
		return
	}
	var body wire.Join
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return
	}
	s.tokens.Add(1)
	answer, err := s.member.Join(body)
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(wire.Refuse(wire.CodeTokenRefused, "%w", err))
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// ask asks to join with a token.
func ask(t *testing.T, address string, token access.JoinToken) error {
	t.Helper()
	j, err := security.BeginJoin(t.TempDir(), "m-2", token, false)
	if err != nil {
		t.Fatal(err)
	}
	request, err := j.Request("https://127.23.31.12:7801")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := askToJoin(context.Background(), "", address, token.Root, request)
	if err == nil {
		err = j.Complete(answer, "https://"+address, time.Now())
	}
	return err
}

// The token is sent to a manager of the right cluster whose clock is right, and to nobody else.
func TestJoin_ServerIsCheckedFirst(t *testing.T) {
	now := time.Now()
	member, token := madeAt(t, now)
	other, foreign := madeAt(t, now)
	ahead, aheadToken := madeAt(t, now.Add(72*time.Hour))
	ended, endedToken := madeAt(t, now.Add(-40*24*time.Hour))
	for i, c := range []struct {
		name   string
		member *security.Member
		token  access.JoinToken
		clock  time.Time
		want   string // in the error; none if it is empty
		sent   int32
	}{
		{"another cluster", other, token, now, "does not show the root certificate whose key the token names", 0},
		{"a foreign token", member, foreign, now, "can't be trusted, and the token was not sent", 0},
		{"a clock that is 3 days ahead", ahead, aheadToken, now.Add(72 * time.Hour), "the peer's clock " +
			now.Add(72*time.Hour).UTC().Format(time.DateOnly), 0},
		{"an expired certificate", ended, endedToken, now, "expired at ", 0},
		{"a clock that is an hour behind", member, token, now.Add(-time.Hour), "set the wrong one, and join again", 0},
		{"the right one", member, token, now, "", 1},
		{"another key", member, token, now, "refuses: m-2 is a member, and only a token that is made for it", 1},
	} {
		s := serveJoin(t, fmt.Sprintf("127.23.31.%d:7801", 20+i), c.member, c.clock)
		err := ask(t, fmt.Sprintf("127.23.31.%d:7801", 20+i), c.token)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if sent := s.tokens.Load(); sent != c.sent {
			t.Errorf("%s: %d tokens were sent", c.name, sent)
		}
	}
}

// What answers is no secured manager at all.
func TestJoin_NoSecuredManager(t *testing.T) {
	_, token := madeAt(t, time.Now())
	if err := ask(t, "127.23.31.40:7801", token); err == nil || !strings.Contains(err.Error(), "nothing listens at 127.23.31.40:7801") {
		t.Errorf("no port: %v", err)
	}
	plain, err := net.Listen("tcp", "127.23.31.41:7801")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	var got atomic.Pointer[string]
	go func() {
		_ = http.Serve(plain, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			text := string(body)
			got.Store(&text)
		}))
	}()
	if err := ask(t, "127.23.31.41:7801", token); err == nil || !strings.Contains(err.Error(), "does not speak TLS: it is not a secured manager") {
		t.Errorf("a plain manager: %v", err)
	}
	if text := got.Load(); text != nil {
		t.Errorf("the plain manager got %q", *text)
	}
}

func TestJoin_CommandLine(t *testing.T) {
	dir := t.TempDir()
	_, token := madeAt(t, time.Now())
	text := token.Text()
	file, open := filepath.Join(dir, "token"), filepath.Join(dir, "open")
	for path, mode := range map[string]os.FileMode{file: 0o600, open: 0o644} {
		if err := os.WriteFile(path, []byte(text+"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	data := []string{"--data-dir", filepath.Join(dir, "data")}
	for _, c := range []struct {
		args  []string
		stdin string
		want  string // in the error
	}{
		{[]string{"10.0.0.11", text}, "", ""},
		{[]string{"10.0.0.11:7801", "-"}, text + "\n", ""},
		{[]string{"https://10.0.0.11:7801", "--token-file", file}, "", ""},
		{[]string{"[::1]", text, "--again"}, "", ""},
		{[]string{"10.0.0.11", "--token-file", open}, "", "run chmod 600"},
		{[]string{"10.0.0.11"}, "", "the token is missing"},
		{nil, "", "want join ADDRESS TOKEN, got 0 arguments"},
		{[]string{"10.0.0.11", text, "x"}, "", "got 3 arguments"},
		{[]string{"10.0.0.11", text[:40] + "a" + text[41:]}, "", "the token has a typo"},
		{[]string{"10.0.0.11", text[:40]}, "", "the token has 40 characters instead of 101: copy it again as a whole"},
		{[]string{"10.0.0.11", "-"}, "", "standard input is empty"},
		{[]string{"10.0.0.11", "-"}, "x\n", "this is no token of the kind that is needed here"},
		{[]string{"10.0.0.11/x", text}, "", "is not the address of a manager"},
	} {
		if c.want == "the token has a typo" && text[40] == 'a' {
			continue
		}
		o, err := parseJoin(t.Context(), append(c.args, data...), strings.NewReader(c.stdin))
		if c.want == "" {
			if err != nil || o.token.Text() != text || !strings.HasSuffix(o.address, ":7801") {
				t.Errorf("join %s: %v, %+v", c.args, err, o)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("join %s: %v, want %q", c.args, err, c.want)
		} else if strings.Contains(err.Error(), text[10:40]) {
			t.Errorf("join %s: the error shows the token: %v", c.args, err)
		}
	}
}

// silent is an input that gives nothing. Its first read calls begun.
type silent struct{ begun func() }

func (s silent) Read([]byte) (int, error) {
	s.begun()
	select {}
}

// A signal ends join while it waits for the token on standard input.
func TestJoin_InterruptedWhileItReads(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	var stderr strings.Builder
	status := runJoin(ctx, []string{"10.0.0.11", "-", "--data-dir", filepath.Join(t.TempDir(), "data")}, silent{interrupt}, io.Discard, &stderr)
	if want := "dkvmanager: join: interrupted, and nothing was changed\n"; status != exitError || stderr.String() != want {
		t.Errorf("status %d, %q, want %d, %q", status, stderr.String(), exitError, want)
	}
}
