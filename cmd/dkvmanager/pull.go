package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

const (
	// pullEvery is the interval at which a manager asks others for new lines of the access log.
	pullEvery = 2 * time.Second
	// maxPulls bounds the managers that are asked at a time, which are chosen at random if there are more: with it a
	// line reaches all of a hundred managers within three rounds.
	maxPulls = 8
	// maxAccess is the largest answer about the log's heads, and about its lines, in bytes.
	maxAccess = 4 << 20
	// pullAgain is the least time between rounds.
	pullAgain = 100 * time.Millisecond
	// pullEarly is the least time between rounds that somebody calls for of whom the log says nothing: whoever connects
	// can do that, and each costs requests to up to maxPulls managers.
	pullEarly = time.Second
	// renewEvery is the interval at which a manager looks whether its certificate is due for renewal: soon after the
	// access log has another authority.
	renewEvery = pullEvery
	// warnEvery is the interval at which it repeats warnings.
	warnEvery = 24 * time.Hour
)

// puller keeps the access log of a secured manager up to date.
type puller struct {
	member *security.Member
	// stores returns the managers that the catalog names.
	stores func() []wire.Manager
	url    string // of this manager
	heard  *audit.Memory
	client *http.Client
	log    *slog.Logger

	shown *identity.Bundle // the certificate that open connections show; only round uses it
	early time.Time        // when the last early round was due; only pause uses it
	stale time.Time        // since when no other member is heard, as logged last; only run uses it

	mu       sync.Mutex
	failures map[string]failure // of each manager that gives no lines, by identity
}

// failure is why a manager gives no lines.
type failure struct {
	why    string
	logged bool
}

func newPuller(m *security.Member, bind, url string, stores func() []wire.Manager, heard *audit.Memory,
	log *slog.Logger) *puller {
	return &puller{
		member: m, stores: stores, url: url, heard: heard, log: log, failures: map[string]failure{},
		client: &http.Client{
			Timeout:       pullEvery,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext: hostid.Dialer(bind).DialContext, TLSClientConfig: m.Client(),
				TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
				MaxIdleConnsPerHost: 1, IdleConnTimeout: 10 * pullEvery, MaxResponseHeaderBytes: 16 << 10,
			},
		},
	}
}

// run pulls until ctx is done: at the interval, at once when a round has made other managers known, and early when this
// one meets somebody of whom its log says nothing. So a new member is known to all, and knows all, soon after it has
// joined, and a new credential can be used at all managers.
func (p *puller) run(ctx context.Context) {
	ticker := time.NewTicker(pullEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		more := p.round(ctx)
		p.noteStale()
		if !more {
			p.pause(ctx, ticker.C)
		}
	}
}

// noteStale logs that no other member is heard any more about the access log, and that one is heard again.
func (p *puller) noteStale() {
	since := p.member.StaleSince()
	switch {
	case since.IsZero() == p.stale.IsZero():
	case since.IsZero():
		p.log.Info("access is current again: another manager has told its access log", "stale_since", p.stale)
	default:
		p.log.Warn("access is stale: no other manager has told its access log, so what was revoked since is not known here",
			"since", since)
	}
	p.stale = since
}

// pause returns when the next round is due.
func (p *puller) pause(ctx context.Context, tick <-chan time.Time) {
	select {
	case <-time.After(pullAgain):
	case <-tick:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-p.member.Strangers():
	case <-tick:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(time.Until(p.early.Add(pullEarly))):
		p.early = time.Now()
	case <-tick:
	case <-ctx.Done():
	}
}

// round asks other managers once. It reports whether more of them are known than before.
func (p *puller) round(ctx context.Context) bool {
	defer p.member.BeginRound()()
	if own := p.member.Bundle(); own != p.shown {
		p.client.CloseIdleConnections() // they show the earlier certificate
		p.shown = own
	}
	others := p.others()
	p.askForIssuer(ctx, others)
	rand.Shuffle(len(others), func(i, k int) { others[i], others[k] = others[k], others[i] })
	var all sync.WaitGroup
	for _, other := range others[:min(len(others), maxPulls)] {
		all.Go(func() { p.note(ctx, pulling, other, p.pull(ctx, other)) })
	}
	all.Wait()
	return len(p.others()) > len(others)
}

// others returns the other managers whose address is known. The address that a member has stated comes before those of
// stores, which may be old.
func (p *puller) others() []wire.Manager {
	seen := map[string]bool{p.member.Identity().Name: true}
	members := p.member.State().Members
	var out []wire.Manager
	for _, other := range append(p.member.Managers(), p.stores()...) {
		if _, is := members[other.Identity]; !is || seen[other.Identity] {
			continue
		}
		seen[other.Identity] = true
		if _, address, found := strings.Cut(other.URL, "://"); found {
			out = append(out, wire.Manager{Identity: other.Identity, URL: "https://" + address})
		}
	}
	return out
}

// pull takes what another manager has of the access log.
func (p *puller) pull(ctx context.Context, from wire.Manager) error {
	asked := time.Now()
	sender, answer, err := p.access(ctx, from.URL, url.Values{"url": {p.url}})
	if err != nil {
		return err
	}
	if answer.Audit != nil && sender != "" {
		p.heard.Follow(sender, *answer.Audit, asked)
	}
	return p.member.Pull(answer, func(head string, number int64) ([]byte, error) {
		_, text, err := p.get(ctx, from.URL, url.Values{"head": {head}, "from": {strconv.FormatInt(number, 10)}})
		return text, err
	})
}

// access returns what another manager has of the access log, and which manager answers.
func (p *puller) access(ctx context.Context, manager string, query url.Values) (sender string, answer wire.Access,
	err error) {
	sender, text, err := p.get(ctx, manager, query)
	if err == nil {
		if err = wire.DecodeAnswer(text, &answer); err != nil {
			err = fmt.Errorf("it answers with something that is not of the admin API: %w", err)
		}
	}
	return sender, answer, err
}

// askForIssuer has the present authority admit the issuer of this server, if an earlier one has: it asks the manager
// whose server has the authority's key.
func (p *puller) askForIssuer(ctx context.Context, others []wire.Manager) {
	rotation := p.member.Rotation()
	if !rotation.Waiting() {
		return
	}
	holder := p.member.State().Holder
	for _, other := range others {
		if other.Identity != holder {
			continue
		}
		_, text, err := p.request(ctx, other.URL, wire.IssuerPath())
		var answer wire.Issuer
		if err == nil {
			err = wire.DecodeAnswer(text, &answer)
		}
		if err == nil {
			err = rotation.Accept(answer)
		}
		p.note(ctx, admitting, other, err)
		if err == nil {
			p.log.Info("the new authority has admitted this server", "manager", other.URL)
		}
	}
}

// get asks another manager for its access log, and returns what request does.
func (p *puller) get(ctx context.Context, manager string, query url.Values) (sender string, text []byte, err error) {
	return p.request(ctx, manager, wire.AccessPath()+"?"+query.Encode())
}

// request makes a request to another manager, and returns the identity of the one that answers, or "" if it is no
// member as far as this manager knows.
func (p *puller) request(ctx context.Context, manager, path string) (sender string, text []byte, err error) {
	if err := wire.CheckURL(manager); err != nil {
		return "", nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, manager+path, nil)
	if err != nil {
		return "", nil, err
	}
	resp, err := p.client.Do(r)
	if err != nil {
		var failed *url.Error // its text repeats the request
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return "", nil, err
	}
	defer resp.Body.Close()
	// Lines of the log are signed, so they may come of one whose new membership is not known here.
	sender, _ = p.member.CheckManager(resp.TLS)
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxAccess+1))
	if err == nil && len(text) > maxAccess {
		err = errors.New("its answer is too long")
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = refusalOf(resp.StatusCode, text)
	}
	return sender, text, err
}

// refusalOf returns what another manager says in a refusal.
func refusalOf(status int, text []byte) error {
	var refusal wire.Result
	if json.Unmarshal(text, &refusal) != nil || refusal.Message == "" {
		return fmt.Errorf("it answers %d", status)
	}
	err := fmt.Errorf("it answers %d: %s", status, oneLine(refusal.Message))
	if refusal.Code == wire.CodeNotAuthenticated {
		return &notAcceptedError{err}
	}
	return err
}

// notAcceptedError is the error of a request that another manager refuses because of this one's certificate.
type notAcceptedError struct{ error }

// What note tells about.
const (
	pulling   = "the access log is not pulled"
	admitting = "the issuer of this server is not admitted by the new authority"
)

// note logs the reason of a failure when it lasts for a second round, and when it changes: a manager that doesn't know
// this one yet refuses it once. What is pulling or admitting.
func (p *puller) note(ctx context.Context, what string, of wire.Manager, err error) {
	if ctx.Err() != nil {
		return
	}
	text := ""
	if err != nil {
		if text = err.Error(); len(text) > maxCause {
			text = text[:maxCause] + "…"
		}
	}
	key := what + of.Identity
	p.mu.Lock()
	before, failed := p.failures[key]
	now := failure{text, failed && text != ""}
	if p.failures[key] = now; text == "" {
		delete(p.failures, key)
	}
	p.mu.Unlock()
	switch {
	case now == before, text != "" && !now.logged, text == "" && !before.logged:
	case text == "":
		p.member.Refused(of.Identity, "")
		p.log.Info("solved: "+what, "manager", of.URL)
	default:
		p.log.Warn(what, "manager", of.URL, "why", text)
		var refusal *notAcceptedError
		if errors.As(err, &refusal) && p.member.Refused(of.Identity, text) {
			p.log.Error("excluded from the cluster", "why", p.member.Refusals())
		}
		var refused *identity.Error
		if errors.As(err, &refused) && refused.Problem == identity.UnknownAuthority {
			p.log.Error("if the cluster's authority was replaced while this server was away, it has to join again: " +
				"dkvmanager token --again " + p.member.Identity().Name + " on the server with the authority's key, then dkvmanager join --again here")
		}
	}
}

// keepCertificate renews the manager's certificate when it is due, and warns of what ends, until ctx is done.
func keepCertificate(ctx context.Context, m *security.Member, log *slog.Logger) {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	var warned time.Time
	excluded := ""
	for {
		renewed, err := m.Renew()
		switch {
		case err != nil:
			log.Error("certificate not renewed", "why", err)
		case renewed:
			log.Info("certificate renewed", "until", m.Bundle().Chain[0].NotAfter)
		}
		if now := time.Now(); now.Sub(warned) >= warnEvery {
			for _, what := range m.Warnings() {
				log.Warn(what)
				warned = now
			}
		}
		if why := m.Excluded(); why != excluded {
			if excluded = why; why != "" {
				log.Error("excluded from the cluster", "why", why)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
