package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/runtime/wire"
)

// peers queries other managers over their admin API.
type peers struct{ client *http.Client }

// peerTimeout bounds one query.
const peerTimeout = 3 * time.Second

// newPeers returns the peers of a server; connections come from bind, empty for all.
func newPeers(bind string) peers {
	return peers{&http.Client{
		Timeout:       peerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         hostid.Dialer(bind).DialContext,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * wire.ResolveEvery, MaxResponseHeaderBytes: 16 << 10,
		},
	}}
}

// State returns what the manager at url has of a store.
func (p peers) State(ctx context.Context, url, store string) (s wire.StoreState, err error) {
	err = p.send(ctx, http.MethodGet, url, wire.StatePath(store), &s)
	if err == nil && s.Store != store {
		err = fmt.Errorf("manager %s answers about store %.60q, which was not asked", url, s.Store)
	}
	return s, err
}

// Resolve makes a manager resolve a store whose coordinator is at a URL.
func (p peers) Resolve(ctx context.Context, to wire.Manager, store, coordinator string) error {
	query := url.Values{"to": {to.Identity}, "home": {coordinator}}
	return p.send(ctx, http.MethodPost, to.URL, wire.ResolvePath(store)+"?"+query.Encode(), &wire.StoreState{})
}

// send makes a request and decodes the response.
func (p peers) send(ctx context.Context, method, manager, path string, into any) error {
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
		return fmt.Errorf("manager %s does not answer: %w", manager, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxBody))
	if err != nil {
		return fmt.Errorf("manager %s broke off its answer: %w", manager, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("manager %s answers %d to %s", manager, resp.StatusCode, req.URL.Path)
	}
	if err := wire.DecodeAnswer(body, into); err != nil {
		return fmt.Errorf("manager %s answers with something that is not of the admin API: %w", manager, err)
	}
	return nil
}
