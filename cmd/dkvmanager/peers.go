package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/runtime/wire"
)

// peers queries other managers over their admin API. Its errors name the manager and not the cause, which clients could
// use to find out what listens at an address; the cause is in the manager's log.
type peers struct {
	client *http.Client
	log    *slog.Logger
	mu     sync.Mutex
	// failures holds the last cause for each manager that does not answer, by URL. A cause is logged when it changes.
	failures map[string]string
}

// maxFailures bounds the number of managers whose failures are remembered.
const maxFailures = 4096

// peerTimeout bounds one query.
const peerTimeout = 3 * time.Second

// newPeers returns the peers of a server; connections come from bind, empty for all.
func newPeers(bind string, log *slog.Logger) *peers {
	return &peers{log: log, failures: map[string]string{}, client: &http.Client{
		Timeout:       peerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         hostid.Dialer(bind).DialContext,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * wire.ResolveEvery, MaxResponseHeaderBytes: 16 << 10,
		},
	}}
}

// State returns what the manager at url has of a store.
func (p *peers) State(ctx context.Context, url, store string) (s wire.StoreState, err error) {
	err = p.send(ctx, http.MethodGet, url, wire.StatePath(store), &s)
	switch {
	case err != nil:
		return wire.StoreState{}, err
	case s.Store != store:
		err = fmt.Errorf("it answers about store %.60q, which was not asked", s.Store)
	default:
		err = s.CheckBounds()
	}
	if err = p.note(url, err); err != nil {
		return wire.StoreState{}, err
	}
	return s, nil
}

// Resolve makes a manager resolve a store whose coordinator is at a URL.
func (p *peers) Resolve(ctx context.Context, to wire.Manager, store, coordinator string) error {
	query := url.Values{"to": {to.Identity}, "home": {coordinator}}
	return p.send(ctx, http.MethodPost, to.URL, wire.ResolvePath(store)+"?"+query.Encode(), &wire.StoreState{})
}

// send makes a request and decodes the response.
func (p *peers) send(ctx context.Context, method, manager, path string, into any) error {
	return p.note(manager, p.exchange(ctx, method, manager, path, into))
}

// note logs the cause of a failure unless it is the last one of this manager, and returns the error for the caller.
func (p *peers) note(manager string, cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cause == nil {
		delete(p.failures, manager)
		return nil
	}
	if text := cause.Error(); p.failures[manager] != text {
		if len(p.failures) >= maxFailures {
			clear(p.failures)
		}
		p.failures[manager] = text
		p.log.Warn("no answer of another manager", "manager", manager, "why", text)
	}
	return fmt.Errorf("manager %s does not answer", manager)
}

// exchange does the work of send. Its errors contain the cause.
func (p *peers) exchange(ctx context.Context, method, manager, path string, into any) error {
	if err := wire.CheckURL(manager); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, manager+path, nil)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		var failed *url.Error // its text repeats the request
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxBody))
	if err != nil {
		return fmt.Errorf("it broke off its answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %d to %s", resp.StatusCode, req.URL.Path)
	}
	if err := wire.DecodeAnswer(body, into); err != nil {
		return fmt.Errorf("it answers with something that is not of the admin API: %w", err)
	}
	return nil
}
