package main

import (
	"bytes"
	"context"
	"encoding/json"
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
	listener, err := net.Listen("tcp", "127.48.6.1:0")
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
			http.Redirect(w, r, "http://127.48.6.2/", http.StatusFound)
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
			if s, err := newPeers("", slog.New(slog.DiscardHandler)).State(ctx, server.URL, "S"); err == nil {
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
	listener, err := net.Listen("tcp", "127.48.6.3:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().String()
	listener.Close()
	var log bytes.Buffer
	p := newPeers("", slog.New(slog.NewTextHandler(&log, nil)))
	want := "manager http://" + at + " does not answer"
	for range 3 {
		if _, err = p.State(context.Background(), "http://"+at, "S"); err == nil || err.Error() != want {
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
	p := newPeers("", slog.New(slog.DiscardHandler))
	for _, url := range []string{server.URL + "/any/path?x=", server.URL + "/", "", "file:///etc/passwd"} {
		if _, err := p.State(t.Context(), url, "S"); err == nil {
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
		_, err = newPeers("", slog.New(slog.DiscardHandler)).State(t.Context(), server.URL, "S")
		if (err == nil) != (change == nil) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}
