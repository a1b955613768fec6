package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/cmd/dkvmanager/internal/security/securitytest"
	"dkvrun/runtime/wire"
)

// However many requests wait for lines of the access log, another manager is asked once a second for them, and at the
// interval. All of them share these rounds.
func TestPuller_EarlyRoundsAreBounded(t *testing.T) {
	cluster := securitytest.New(t, "prod")
	other := cluster.Member("m-2")
	dir := filepath.Join(t.TempDir(), "data")
	cluster.Secure(dir, "m-1")
	me, err := security.Open(dir, "m-1", nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = me.Close() })
	var asked atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_ = json.NewEncoder(w).Encode(me.Access()) // it has nothing new
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{*other.TLS(true)}}
	server.StartTLS()
	t.Cleanup(server.Close)
	var log bytes.Buffer
	p := newPuller(me, "", "https://127.0.0.1:1", func() []wire.Manager {
		return []wire.Manager{{Identity: "m-2", URL: server.URL}}
	}, nil, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	began := time.Now()
	go func() { defer close(done); p.run(ctx) }()
	eventually(t, "the first round", func() bool { return asked.Load() > 0 })

	const clients, requests = 20, 3
	var judged atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range requests {
				me.Await(ctx, func() bool { judged.Add(1); return false })
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	stop()
	<-done
	// The first round, that at the first call, and one more at the end of each interval.
	if n, most := asked.Load(), 2+int64(took/pullEarly)+int64(took/pullEvery); n > most {
		t.Errorf("%d rounds in %s, at most %d; %s", n, took, most, &log)
	}
	if n := judged.Load(); n < clients*requests {
		t.Errorf("%d judgements: the requests did not wait", n)
	}
	if log.Len() > 0 {
		t.Errorf("the rounds failed: %s", &log)
	}
}
