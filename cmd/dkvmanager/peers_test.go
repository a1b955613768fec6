package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
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
			if s, err := newPeers("").State(ctx, server.URL, "S"); err == nil {
				t.Errorf("believed: %.100v", s)
			}
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 128<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
		})
	}
}

// The error names the manager that does not respond and the cause, without the request's URL twice.
func TestPeers_NameTheSilentManager(t *testing.T) {
	listener, err := net.Listen("tcp", "127.48.6.3:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().String()
	listener.Close()
	_, err = newPeers("").State(context.Background(), "http://"+at, "S")
	want := "manager http://" + at + " does not answer: dial tcp " + at + ": connect: connection refused"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
