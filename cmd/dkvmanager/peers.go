package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// peers queries other managers over their admin API. Its errors name the manager and not the cause, which clients could
// use to find out what listens at an address; the cause is in the manager's log.
//
// A secured manager queries others over TLS with its own certificate, whatever scheme their URLs have. It takes answers
// of members of the cluster alone, and only about themselves. One that takes plain connections as well also queries
// managers that don't speak TLS, as managers do that are not secured, but never a manager that has spoken TLS before.
type peers struct {
	client *http.Client
	// secured is nil if the manager is not secured.
	secured *security.Member
	// self is this manager's identity, which requests state.
	self  string
	shown atomic.Pointer[identity.Bundle] // the certificate of the last request
	log   *slog.Logger
	mu    sync.Mutex
	// failures holds the last cause for each manager that does not answer, by URL. A cause is logged when it changes.
	failures map[string]string
	// minute began at since; logged is the number of causes that were logged in it.
	since  time.Time
	logged int
	// spoke holds the https URLs at which a member has answered.
	spoke map[string]bool
	// heard remembers how the audit logs of other managers end; nil if the manager is not secured.
	heard *audit.Memory
	// large holds a value for each response of more than largeResponse bytes that is being read or decoded.
	large chan struct{}
}

const (
	// maxFailures bounds the number of managers whose failures are remembered.
	maxFailures = 4096
	// maxLogged bounds the causes that are logged in a minute, and maxCause the bytes of one. Who answers at a URL
	// chooses the cause, and a client may choose the URL.
	maxLogged = 60
	maxCause  = 300
	// largeResponse is the size in bytes above which responses take turns, maxLargeResponses of them at a time: reading
	// and decoding one takes a multiple of its size in memory.
	largeResponse     = 64 << 10
	maxLargeResponses = 4
)

// peerTimeout bounds one query.
const peerTimeout = 3 * time.Second

// newPeers returns the peers of a server; connections come from bind, empty for all. Without secured the requests are
// made as their URLs say.
func newPeers(bind string, log *slog.Logger, secured *security.Member, heard *audit.Memory) *peers {
	transport := &http.Transport{
		DialContext:         hostid.Dialer(bind).DialContext,
		MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * wire.ResolveEvery, MaxResponseHeaderBytes: 16 << 10,
	}
	if secured != nil {
		transport.TLSClientConfig = secured.Client()
	}
	large := make(chan struct{}, maxLargeResponses)
	return &peers{
		log: log, failures: map[string]string{}, spoke: map[string]bool{}, heard: heard, large: large, secured: secured,
		client: &http.Client{
			Timeout:       peerTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport:     transport,
		},
	}
}

// State returns what the manager at url has of a store.
func (p *peers) State(ctx context.Context, url, store string, q wire.StateQuestion) (s wire.StoreState, err error) {
	asked := time.Now()
	from, err := p.exchangeWith(ctx, http.MethodGet, url, wire.StatePath(store), q.Header(), &s)
	switch {
	case err != nil:
	case p.mustBe(from, s.Manager): // callers compare Manager with the one that they asked
		err = fmt.Errorf("manager %s answers as manager %.60q", from, s.Manager)
	case s.Store != store:
		err = fmt.Errorf("it answers about store %.60q, which was not asked", s.Store)
	default:
		err = s.CheckBounds()
	}
	if err = p.note(url, err); err != nil {
		return wire.StoreState{}, err
	}
	if p.heard != nil && from != "" && s.Audit != nil {
		p.heard.Follow(from, *s.Audit, asked)
	}
	return s, nil
}

// Store returns a store as a manager shows it.
func (p *peers) Store(ctx context.Context, at wire.Manager, store string) (s wire.Store, err error) {
	from, err := p.exchange(ctx, http.MethodGet, at.URL, wire.StorePath(store), &s)
	if err == nil && p.mustBe(from, at.Identity) {
		err = fmt.Errorf("manager %s answers there, not manager %s", from, at.Identity)
	}
	if err == nil && s.Name != store {
		err = fmt.Errorf("it answers about store %.60q, which was not asked", s.Name)
	}
	if err = p.note(at.URL, err); err != nil {
		return wire.Store{}, err
	}
	return s, nil
}

// Resolve makes a manager resolve a store whose coordinator is at a URL.
func (p *peers) Resolve(ctx context.Context, to wire.Manager, store, coordinator string) error {
	query := url.Values{"to": {to.Identity}, "home": {coordinator}}
	return p.send(ctx, http.MethodPost, to.URL, wire.ResolvePath(store)+"?"+query.Encode(), &wire.StoreState{})
}

// ChangeMember asks a manager, in the name of another one, to change the members of a running store. An error that is a
// *wire.Result is that manager's refusal.
func (p *peers) ChangeMember(ctx context.Context, to wire.Manager, from, store string, change wire.ChangeMember) error {
	text, err := json.Marshal(change)
	if err != nil {
		return err
	}
	query := url.Values{"to": {to.Identity}, "from": {from}}
	var refused *wire.Result
	err = p.request(ctx, http.MethodPost, to.URL, wire.MembersPath(store)+"?"+query.Encode(), "", bytes.NewReader(text),
		func(sender string, resp *http.Response) (err error) {
			if p.mustBe(sender, to.Identity) {
				return fmt.Errorf("manager %s answers there, not manager %s", sender, to.Identity)
			}
			if resp.StatusCode != http.StatusOK {
				refused, err = readRefusal(resp)
				return err
			}
			var after wire.Members
			if err := p.readAnswer(ctx, resp, &after); err != nil {
				return err
			}
			if after.Manager != to.Identity || after.Store != store {
				return fmt.Errorf("manager %.60q answers about store %.60q", after.Manager, after.Store)
			}
			return nil
		})
	err = p.note(to.URL, err)
	switch {
	case refused == nil:
		return err
	case refused.Code == wire.CodeNotFound: // it does not know the route
		return fmt.Errorf("manager %s changes no members, because it is older than this one: upgrade it", to.URL)
	}
	return refused
}

// maxRefusal is the maximum size of a refusal of another manager that this manager shows, in bytes.
const maxRefusal = 2048

// readRefusal decodes the refusal of a request. A status shows its text.
func readRefusal(resp *http.Response) (*wire.Result, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return nil, fmt.Errorf("it broke off its answer: %w", err)
	}
	refused, err := wire.ReadResult(resp.StatusCode, text)
	unprintable := func(r rune) bool { return !strconv.IsPrint(r) }
	if err != nil || strings.ContainsFunc(refused.Message+refused.Hint, unprintable) {
		return nil, wrongStatus(resp)
	}
	return &refused, nil
}

// send makes a request and decodes the response.
func (p *peers) send(ctx context.Context, method, manager, path string, into any) error {
	_, err := p.exchange(ctx, method, manager, path, into)
	return p.note(manager, err)
}

// note logs the cause of a failure unless it is the last one of this manager, and returns the error for the caller.
func (p *peers) note(manager string, cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cause == nil {
		delete(p.failures, manager)
		return nil
	}
	text := cause.Error()
	if len(text) > maxCause {
		text = text[:maxCause] + "…"
	}
	if before, known := p.failures[manager]; before != text {
		if !known && len(p.failures) >= maxFailures {
			for forgotten := range p.failures { // any
				delete(p.failures, forgotten)
				break
			}
		}
		p.failures[manager] = text
		p.logCause(manager, text)
	}
	return fmt.Errorf("manager %s does not answer", manager)
}

// logCause logs why a manager does not answer, at most maxLogged times a minute.
func (p *peers) logCause(manager, text string) {
	if now := time.Now(); now.Sub(p.since) >= time.Minute {
		p.since, p.logged = now, 0
	}
	switch p.logged++; {
	case p.logged <= maxLogged:
		p.log.Warn("no answer of another manager", "manager", manager, "why", text)
	case p.logged == maxLogged+1:
		p.log.Warn("no answer of more managers; the reasons are not logged for a minute", "logged", maxLogged)
	}
}

// mustBe reports whether a response came over TLS from another manager than it should.
func (p *peers) mustBe(sender, identity string) bool { return sender != "" && sender != identity }

// exchange makes a request and decodes the response. Over TLS it returns the identity of the manager that answered. The
// errors contain the cause.
func (p *peers) exchange(ctx context.Context, method, manager, path string, into any) (from string, err error) {
	return p.exchangeWith(ctx, method, manager, path, "", into)
}

// exchangeWith is exchange with the header that says who asks for a state; without it if it is empty.
func (p *peers) exchangeWith(ctx context.Context, method, manager, path, question string,
	into any) (from string, err error) {
	err = p.request(ctx, method, manager, path, question, nil, func(sender string, resp *http.Response) error {
		from = sender
		if resp.StatusCode != http.StatusOK {
			return wrongStatus(resp)
		}
		return p.readAnswer(ctx, resp, into)
	})
	return from, err
}

// request makes a request and passes the response to read, over TLS with the identity of the sender.
func (p *peers) request(ctx context.Context, method, manager, path, question string, body io.ReadSeeker,
	read func(sender string, resp *http.Response) error) error {
	if err := wire.CheckURL(manager); err != nil {
		return err
	}
	if p.secured == nil {
		return p.requestAt(ctx, method, manager, path, question, body, read)
	}
	if own := p.secured.Bundle(); p.shown.Swap(own) != own {
		p.client.CloseIdleConnections() // they show the earlier certificate
	}
	secure := withTLS(manager)
	err := p.requestAt(ctx, method, secure, path, question, body, read)
	if !errors.Is(err, http.ErrSchemeMismatch) || !p.mayBePlain(secure) {
		return err
	}
	if body != nil {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	return p.requestAt(ctx, method, "http://"+strings.TrimPrefix(secure, "https://"), path, question, body, read)
}

// mayBePlain reports whether the manager at an https URL, which does not speak TLS now, may be queried without: this
// manager takes plain connections as well, and that one has never spoken TLS. The addresses of members are known to.
func (p *peers) mayBePlain(manager string) bool {
	if !p.secured.TakesPlain() {
		return false
	}
	for _, m := range p.secured.Managers() {
		if m.URL == manager {
			return false
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.spoke[manager]
}

// requestAt makes a request to exactly this URL.
func (p *peers) requestAt(ctx context.Context, method, manager, path, question string, body io.Reader,
	read func(sender string, resp *http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, method, manager+path, body)
	if err != nil {
		return err
	}
	if p.self != "" {
		req.Header.Set(wire.SenderHeader, p.self)
	}
	if question != "" {
		req.Header.Set(wire.QuestionHeader, question)
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
	var sender string
	if p.secured != nil && resp.TLS != nil {
		if sender, err = p.secured.CheckManager(resp.TLS); err != nil {
			return err
		}
		p.mu.Lock()
		if len(p.spoke) < maxFailures {
			p.spoke[manager] = true
		}
		p.mu.Unlock()
	}
	return read(sender, resp)
}

// withTLS returns the URL of a manager with the scheme https.
func withTLS(manager string) string {
	host, plain := strings.CutPrefix(manager, "http://")
	if !plain {
		return manager
	}
	if u, err := url.Parse(manager); err == nil && u.Port() == "" {
		host += ":80"
	}
	return "https://" + host
}

func wrongStatus(resp *http.Response) error {
	return fmt.Errorf("it answers %d to %s", resp.StatusCode, resp.Request.URL.Path)
}

// readAnswer decodes the body of a response with status 200.
func (p *peers) readAnswer(ctx context.Context, resp *http.Response, into any) error {
	var body bytes.Buffer
	if _, err := io.CopyN(&body, resp.Body, largeResponse); err == nil {
		select {
		case p.large <- struct{}{}:
			defer func() { <-p.large }()
		case <-ctx.Done():
			return fmt.Errorf("%d other large answers are being read: %w", cap(p.large), ctx.Err())
		}
		if _, err := body.ReadFrom(io.LimitReader(resp.Body, wire.MaxBody-largeResponse)); err != nil {
			return fmt.Errorf("it broke off its answer: %w", err)
		}
	} else if err != io.EOF {
		return fmt.Errorf("it broke off its answer: %w", err)
	}
	if err := wire.DecodeAnswer(body.Bytes(), into); err != nil {
		return fmt.Errorf("it answers with something that is not of the admin API: %w", err)
	}
	return nil
}
