package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// Responses of other managers are bounded, also after decompression.
func TestPeers_RefuseHostileResponses(t *testing.T) {
	var answer func(http.ResponseWriter, *http.Request)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	listener, err := net.Listen("tcp", "127.23.48.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	says := func(text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	for name, handler := range map[string]func(http.ResponseWriter, *http.Request){
		"millions of nothing": says(`{"manager":"m","decided":[{}` + strings.Repeat(",{}", 2<<20) + `]}`),
		"over the limit":      says(`{"manager":"` + strings.Repeat("x", 9<<20) + `"}`),
		"nesting":             says(strings.Repeat("[", 1<<20)),
		"a wrong type":        says(`{"manager":7}`),
		"no JSON":             says("SSH-2.0"),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.23.48.2/", http.StatusFound)
		},
		"long headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 64<<10))
			_, _ = w.Write([]byte("{}"))
		},
		"half": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"manager":"m"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer = handler
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			p := newPeers("", slog.New(slog.DiscardHandler), nil, nil)
			if s, err := p.State(ctx, server.URL, "S", wire.StateQuestion{}); err == nil {
				t.Errorf("believed: %.100v", s)
			}
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 128<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
		})
	}
}

// The error names the manager that does not respond, and not why: a client could find out what listens at an address.
// The log has the cause, once.
func TestPeers_NameTheSilentManager(t *testing.T) {
	listener, err := net.Listen("tcp", "127.23.48.3:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().String()
	listener.Close()
	var log bytes.Buffer
	p := newPeers("", slog.New(slog.NewTextHandler(&log, nil)), nil, nil)
	want := "manager http://" + at + " does not answer"
	for range 3 {
		if _, err = p.State(context.Background(), "http://"+at, "S", wire.StateQuestion{}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if strings.Count(log.String(), "connection refused") != 1 || !strings.Contains(log.String(), at) {
		t.Errorf("the log is %q", &log)
	}
}

// A URL that is more than scheme, host and port, of a catalog that an older manager wrote, is not requested.
func TestPeers_RequestNothingButManagers(t *testing.T) {
	requested := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requested <- r.URL.String()
	}))
	defer server.Close()
	p := newPeers("", slog.New(slog.DiscardHandler), nil, nil)
	for _, url := range []string{server.URL + "/any/path?x=", server.URL + "/", "", "file:///etc/passwd"} {
		if _, err := p.State(t.Context(), url, "S", wire.StateQuestion{}); err == nil {
			t.Errorf("%q is taken for a manager", url)
		}
	}
	if len(requested) > 0 {
		t.Errorf("requested %s", <-requested)
	}
}

// A state whose configuration exceeds a bound, or that no manager could run, is not taken.
func TestPeers_RefuseConfigurationsWithoutBounds(t *testing.T) {
	node := wire.Node{Name: "a-1", Host: "10.0.0.11", ClustronPort: 7811, ClientPort: 7861, Role: wire.Data}
	for name, change := range map[string]func(*wire.Configuration){
		"a URL with a path": func(c *wire.Configuration) { c.Managers[0].URL += "/path" },
		"a long identity":   func(c *wire.Configuration) { c.Managers[0].Identity = strings.Repeat("x", 1<<20) },
		"a long operation":  func(c *wire.Configuration) { c.LastOperation = strings.Repeat("x", 1<<20) },
		"a name as a path":  func(c *wire.Configuration) { c.Nodes[0].Name = "../x" },
		"a founder's host":  func(c *wire.Configuration) { c.Founders[0].Host = strings.Repeat("x", 1<<20) },
		"many founders":     func(c *wire.Configuration) { c.Founders = make([]wire.Founder, 1000) },
		"nothing is wrong":  nil,
	} {
		c := wire.Configuration{Creation: "o", LastOperation: "o", Revision: 1, Nodes: []wire.Node{node},
			Managers: []wire.Manager{{Identity: "a", URL: "http://10.0.0.11:7801"}},
			Founders: []wire.Founder{{Name: node.Name, Host: node.Host, ClustronPort: node.ClustronPort}}}
		if change != nil {
			change(&c)
		}
		c.Digest = wire.Digest("S", c.Nodes)
		text, err := json.Marshal(wire.StoreState{Manager: "a", Store: "S", Configuration: &c})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(text)
		}))
		_, err = newPeers("", slog.New(slog.DiscardHandler), nil, nil).State(t.Context(), server.URL, "S", wire.StateQuestion{})
		if (err == nil) != (change == nil) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// What another manager answers about the members of a store counts only if it is an answer to the request.
func TestPeers_ChangeMember(t *testing.T) {
	change := wire.ChangeMember{Instance: "orders-2", Step: wire.AddMember}
	ok := `{"manager":"m-1","store":"S","members":[{"name":"orders-1","role":"voter"}]}`
	older := strings.NewReplacer("409", "404", "store_not_ready", "not_found")
	refusal := `{"operation":"ChangeMember","success":false,"statusCode":409,"code":"store_not_ready","message":%q}`
	for name, test := range map[string]struct {
		status  int
		body    string
		refused string // the message of the refusal
		good    bool
	}{
		"done":             {200, ok, "", true},
		"another store":    {200, strings.Replace(ok, `"S"`, `"T"`, 1), "", false},
		"another manager":  {200, strings.Replace(ok, `"m-1"`, `"m-2"`, 1), "", false},
		"no manager":       {200, `{}`, "", false},
		"a refusal":        {409, fmt.Sprintf(refusal, "not yet"), "not yet", false},
		"controls":         {409, fmt.Sprintf(refusal, "\x1b[2J"), "", false},
		"an older manager": {404, older.Replace(fmt.Sprintf(refusal, "no path")), "", false},
		"a long refusal":   {409, fmt.Sprintf(refusal, strings.Repeat("x", 2000)), "", false},
		"another status":   {404, fmt.Sprintf(refusal, "not yet"), "", false},
		"not of a manager": {404, "404 page not found", "", false},
	} {
		var asked string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = r.Method + " " + r.URL.String() + " " + string(body)
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
		}))
		to := wire.Manager{Identity: "m-1", URL: server.URL}
		err := newPeers("", slog.New(slog.DiscardHandler), nil, nil).ChangeMember(t.Context(), to, "m-9", "S", change)
		var refused *wire.Result
		switch {
		case errors.As(err, &refused):
			if refused.Message != test.refused {
				t.Errorf("%s: refused with %q", name, refused.Message)
			}
		case (err == nil) != test.good || test.refused != "":
			t.Errorf("%s: %v", name, err)
		case name == "an older manager":
			if want := "manager " + server.URL + " changes no members, because it is older than this one: upgrade it"; err.Error() != want {
				t.Errorf("%s: the error is %q", name, err)
			}
		case err != nil && err.Error() != "manager "+server.URL+" does not answer":
			t.Errorf("%s: the error is %q", name, err)
		}
		if want := `POST /admin/v1/stores/S/members?from=m-9&to=m-1 {"instance":"orders-2","step":"add"}`; asked != want {
			t.Errorf("asked %s, want %s", asked, want)
		}
		server.Close()
	}
}
