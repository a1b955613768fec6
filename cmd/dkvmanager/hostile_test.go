package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// A manager of the cluster that answers a server which joins with something else than an answer costs it little memory,
// and ends in one line; the server has no keys.
func TestJoin_HostileManager(t *testing.T) {
	const address = "127.23.42.11:7801"
	m, token := madeAt(t, time.Now())
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	config := identity.Server{Certificate: m.Certificate, Policy: func() *identity.Policy { return m.Policy() }}.Config()
	secured := tls.NewListener(listener, config)
	answers := make(chan func(io.Writer), 1)
	go func() {
		for {
			c, err := secured.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				request := make([]byte, 64<<10)
				_, _ = c.Read(request)
				if answer := <-answers; answer != nil {
					answer(c)
				}
			}()
		}
	}()
	defer secured.Close()
	date := "HTTP/1.1 200 OK\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n"
	health := date + "Content-Length: 2\r\n\r\n{}"
	endless := func(w io.Writer, text string) {
		for {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
		}
	}
	for name, test := range map[string]struct {
		answer func(io.Writer)
		want   string
	}{
		"endless header": {func(w io.Writer) {
			_, _ = io.WriteString(w, date)
			endless(w, "X: "+strings.Repeat("x", 4096)+"\r\n")
		}, "no answer of"},
		"endless header line": {func(w io.Writer) { endless(w, strings.Repeat("x", 4096)) }, "no answer of"},
		"endless body": {func(w io.Writer) {
			_, _ = io.WriteString(w, health+date+"\r\n")
			endless(w, strings.Repeat("x", 4096))
		}, "too long"},
		"no date":   {func(w io.Writer) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") }, "no date"},
		"nothing":   {func(io.Writer) {}, "no answer of"},
		"no answer": {nil, "no answer of"},
		"a redirection": {func(w io.Writer) {
			_, _ = io.WriteString(w, health+"HTTP/1.1 302 Found\r\nLocation: https://127.23.42.12/\r\nContent-Length: 0\r\n\r\n")
		}, "answers with status 302"},
		"escape codes": {func(w io.Writer) {
			_, _ = io.WriteString(w, health+"HTTP/1.1 403 No\r\nContent-Length: 27\r\n\r\n{\"message\":\"\\u001b[2J\\nno\"}  ")
		}, "refuses: ?[2J?no"},
		"another document": {func(w io.Writer) { _, _ = io.WriteString(w, health+date+"Content-Length: 4\r\n\r\n[{}]") }, "not of the admin API"},
		"an empty answer":  {func(w io.Writer) { _, _ = io.WriteString(w, health+health) }, "can't be used"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answers <- test.answer
		dir := t.TempDir()
		err := func() error {
			j, err := security.BeginJoin(dir, "m-2", token, false)
			if err != nil {
				t.Fatal(err)
			}
			request, err := j.Request("https://127.23.42.13:7801")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			answer, err := askToJoin(ctx, "", address, token.Root, request)
			if err == nil {
				err = j.Complete(answer, "https://"+address, time.Now())
			}
			return err
		}()
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: %v, want %q in one line", name, err, test.want)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("%s: it took %d MiB", name, used>>20)
		}
		if _, err := os.Stat(filepath.Join(dir, "pki")); !os.IsNotExist(err) {
			t.Errorf("%s: the server has keys: %v", name, err)
		}
	}
}

// A slow manager ends in time.
func TestJoin_SlowManager(t *testing.T) {
	const address = "127.23.42.21:7801"
	m, token := madeAt(t, time.Now())
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	config := identity.Server{Certificate: m.Certificate, Policy: func() *identity.Policy { return m.Policy() }}.Config()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := listener.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(io.Discard, tls.Server(c, config)) // never answers
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := askToJoin(ctx, "", address, token.Root, wire.Join{}); err == nil || !strings.Contains(err.Error(), "no answer of") {
		t.Errorf("got %v", err)
	}
	<-ended
}

// 10,000 requests to join, with each kind of wrong token, key and name, get nothing, and cost the manager no memory and
// no write.
func TestAttack_JoinersGetNothing(t *testing.T) {
	const ip, tries = "127.23.42.31", 10_000
	c := newSecured(t)
	d := c.start(ip, 1, "init", "--cluster", "prod", "--count", "1")
	token := c.line[3]
	request := func() string {
		key, err := pki.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		text, err := identity.NewRequest(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	join := wire.Join{Token: token, Request: request(), Identity: "m-2", URL: "https://127.23.42.32:7801"}
	body := func(change func(*wire.Join)) []byte {
		r := join
		change(&r)
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if status, code := c.post(ip, wire.JoinPath(), body(func(*wire.Join) {})); status != http.StatusOK {
		t.Fatalf("the honest request: %d %s", status, code)
	}
	attacks := map[string][]byte{
		"replayed with another key":      body(func(r *wire.Join) { r.Request = request() }),
		"the same key with another name": body(func(r *wire.Join) { r.Identity = "m-3" }),
		"in the name of the first":       body(func(r *wire.Join) { r.Identity, r.Request = nameOf(t, c.dir(1)), request() }),
		"a name that is a path":          body(func(r *wire.Join) { r.Identity = "../m-2" }),
		"a URL with a path":              body(func(r *wire.Join) { r.URL = "https://127.23.42.32:7801/x?y" }),
		"a token with a typo":            body(func(r *wire.Join) { r.Token = token[:len(token)-1] + "!" }),
		"a request for nobody's key":     body(func(r *wire.Join) { r.Request = strings.Replace(r.Request, "M", "N", 3) }),
		"a name that is too long":        body(func(r *wire.Join) { r.Identity = strings.Repeat("m", 65) }),
		"no JSON":                        []byte("x"),
	}
	for name, text := range attacks {
		status, code := c.post(ip, wire.JoinPath(), text)
		if status != http.StatusForbidden && status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	before := c.must("pki", "status", "--data-dir", c.dir(1))
	web := c.client(nil)
	web.Transport.(*http.Transport).DisableKeepAlives = false
	defer web.CloseIdleConnections()
	attack := func(text []byte) int {
		resp, err := web.Post("https://"+ip+":7801"+wire.JoinPath(), "application/json", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	all := make([][]byte, 0, len(attacks))
	for _, text := range attacks {
		all = append(all, text)
	}
	for i := range 200 {
		attack(all[i%len(all)])
	}
	files, had, began := filesOf(t, filepath.Join(c.dir(1), "pki")), d.memory(), time.Now()
	for i := range tries {
		if status := attack(all[i%len(all)]); status == http.StatusOK {
			t.Fatal("a hostile request was answered")
		}
	}
	grown := d.memory() - had
	t.Logf("%d refused requests in %v: %d KiB more resident memory", tries, time.Since(began), grown>>10)
	if grown > 64<<20 {
		t.Errorf("they took %d MiB for good", grown>>20)
	}
	if after := filesOf(t, filepath.Join(c.dir(1), "pki")); after != files {
		t.Errorf("the keys changed from\n%s\nto\n%s", files, after)
	}
	if after := c.must("pki", "status", "--data-dir", c.dir(1)); after != before {
		t.Errorf("the cluster has changed:\n%s\nbefore:\n%s", after, before)
	}
}

// nameOf returns the identity of the manager of a data folder.
func nameOf(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "identity"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
