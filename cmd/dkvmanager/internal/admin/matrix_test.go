package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/cmd/dkvmanager/internal/security/securitytest"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// secured is a harness whose API is that of a secured manager.
type secured struct {
	*harness
	cluster *securitytest.Cluster
	at      string
}

// secure makes the manager of a harness secured, as a member of a cluster, and serves it.
func secure(t *testing.T, b *harness, cluster *securitytest.Cluster, address string) *secured {
	t.Helper()
	cluster.Secure(b.catalog.Dir(), b.catalog.Identity())
	s, err := security.Open(b.catalog.Dir(), b.catalog.Identity(), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b.api.Member, b.api.membership.of = s, s
	if b.api.Audit, err = audit.Open(b.catalog.Dir(), nil); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.api.Serve(ctx, listener, time.Second) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = b.api.Audit.Close()
		_ = s.Close()
	})
	return &secured{b, cluster, listener.Addr().String()}
}

// client returns an HTTP client that shows a certificate, or none, and takes any server.
func client(t *testing.T, shown *identity.Bundle) *http.Client {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	if shown != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return shown.TLS(false), nil
		}
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// matrixReason is the reason that requests state, "ticket 12: größer".
const matrixReason = "ticket%2012:%20gr%C3%B6%C3%9Fer"

// call makes a request over TLS.
func (s *secured) call(c *http.Client, token, method, path string, body any) (int, []byte) {
	s.t.Helper()
	return s.callFor("", c, token, method, path, body)
}

// callFor is like call, with the header of a reason unless it is empty.
func (s *secured) callFor(reason string, c *http.Client, token, method, path string, body any) (int, []byte) {
	s.t.Helper()
	var source io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		source = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, "https://"+s.at+path, source)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if reason != "" {
		req.Header.Set(wire.ReasonHeader, reason)
	}
	resp, err := c.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, text
}

// caller is a column of the matrix.
type caller struct {
	name   string
	bundle *identity.Bundle
	token  string
	// strange means that the manager does not accept the certificate or token, for the reason why.
	strange bool
	why     string
}

// callers returns everybody who may call a manager. The access log that the manager gets must be made afterwards.
func callers(t *testing.T, c *securitytest.Cluster) []caller {
	foreign := securitytest.New(t, "prod").User("root", identity.Admin)
	elsewhere := securitytest.New(t, "test").User("root", identity.Admin)
	revoked := c.User("gone", identity.Admin)
	c.Revoke(revoked)
	reader := c.App("OrdersStore", "report")
	c.Grant(reader, identity.ReadOnlyApp)
	stolen := c.Server("m-stolen")
	return []caller{
		{name: "nobody", strange: true, why: "it has neither"},
		{name: "foreign authority", bundle: foreign, strange: true, why: "unknown authority"},
		{name: "other cluster", bundle: elsewhere, strange: true, why: "belongs to another cluster"},
		{name: "expired", bundle: c.Issue(identity.Identity{Kind: identity.User, Name: "late"}, -time.Hour), strange: true, why: "expired at"},
		{name: "revoked", bundle: revoked, strange: true, why: "is revoked"},
		{name: "unknown token", token: securitytest.New(t, "prod").Token("ci", identity.Admin), strange: true, why: "unknown or revoked"},
		{name: "no token", token: "x", strange: true, why: "token"},
		{name: "expired token", token: c.ExpiredToken("ci-late", identity.Admin), strange: true, why: "expired at"},
		{name: "no role", bundle: c.Issue(identity.Identity{Kind: identity.User, Name: "new"}, time.Hour)},
		{name: "viewer", bundle: c.User("ann", identity.Viewer)},
		{name: "operator", bundle: c.User("bob", identity.Operator)},
		{name: "admin", bundle: c.User("eve", identity.Admin)},
		{name: "viewer token", token: c.Token("ci-read", identity.Viewer)},
		{name: "operator token", token: c.Token("ci-run", identity.Operator)},
		{name: "admin token", token: c.Token("ci-root", identity.Admin)},
		{name: "manager", bundle: c.Member("m-other")},
		{name: "no member", bundle: c.Issue(identity.Identity{Kind: identity.Manager, Name: "m-new"}, time.Hour)},
		{name: "app of another store", bundle: c.App("CartStore", "shop")},
		{name: "instance", bundle: stolen(identity.Instance, "OrdersStore", "orders-1")},
		{name: "manager by another issuer", bundle: stolen(identity.Manager, "", "m-other")},
		{name: "app by another issuer", bundle: stolen(identity.App, "OrdersStore", "shop")},
		{name: "read-only app", bundle: reader},
		{name: "app", bundle: c.App("OrdersStore", "shop")},
	}
}

// The groups of callers of the matrix. They are written from the design, not from the table of routes.
var (
	admins    = []string{"admin", "admin token"}
	operators = append([]string{"operator", "operator token"}, admins...)
	viewers   = append([]string{"viewer", "viewer token"}, operators...)
)

// matrixRow is a request that succeeds for whoever may make it.
type matrixRow struct {
	method, path string // as in the table of routes
	allowed      []string
	// set brings the manager into the state in which the request succeeds.
	set   func(*harness, *otherManager)
	query string
	body  func(*harness) any
	// done reports whether the request had its effect, judged by the manager's state. It is nil for requests that only
	// read: then shows is a text that the answer has.
	done  func(*harness) bool
	shows string
}

const matrixOperation = "0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a11"

func matrix(cluster *securitytest.Cluster, victim *identity.Bundle) []matrixRow {
	keeps := func(b *harness) *catalog.Store { return b.catalog.Snapshot().Stores["OrdersStore"] }
	running := func(b *harness) bool {
		b.sup.mu.Lock()
		defer b.sup.mu.Unlock()
		return b.sup.running["OrdersStore/orders-1"]
	}
	starts := func(b *harness, _ *otherManager) {
		b.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, wire.CodeOK, "Started")
	}
	prepares := func(b *harness, _ *otherManager) {
		b.operation("POST", b.to(wire.OperationsPath()), b.matrixChange(), wire.OperationPrepared)
	}
	decided := func(state wire.OperationState) func(*harness) bool {
		return func(b *harness) bool {
			op, err := b.api.participant.Operation(matrixOperation)
			return err == nil && op.State == state
		}
	}
	lost := func(b *harness, _ *otherManager) {
		b.edit(func(d *catalog.Data) { d.Stores["OrdersStore"].Coordinator = "m-other" })
	}
	fences := func(b *harness, o *otherManager) {
		lost(b, o)
		b.edit(func(d *catalog.Data) { d.SetName("OrdersStore", func(n *catalog.Name) { n.Replacing = "m-other" }) })
	}
	forgets := func(b *harness, o *otherManager) {
		prepares(b, o)
		b.edit(func(d *catalog.Data) { d.SuspectStores = []string{"cartstore"} })
	}
	return []matrixRow{
		{method: "GET", path: "/stores", allowed: viewers, shows: "OrdersStore"},
		{method: "POST", path: "/stores", allowed: admins, body: func(*harness) any {
			return wire.CreateStore{Name: "CartStore", Nodes: []wire.Node{{Name: "cart-1", Host: ownHost, ClustronPort: 18811, ClientPort: 18861}}}
		}, done: func(b *harness) bool { return b.catalog.Snapshot().Stores["CartStore"] != nil }},
		{method: "GET", path: "/stores/OrdersStore", allowed: append([]string{"manager"}, viewers...), shows: `"orders-2"`},
		{method: "DELETE", path: "/stores/OrdersStore", allowed: admins, done: func(b *harness) bool { return keeps(b) == nil }},
		{method: "POST", path: "/stores/OrdersStore/instances", allowed: admins, body: func(b *harness) any {
			s := keeps(b)
			more := append(slices.Clone(s.Nodes), wire.Node{Name: "orders-9", Host: ownHost, ClustronPort: 18811, ClientPort: 18861,
				Role: wire.Gateway})
			return wire.ChangeInstances{Nodes: more, BaseRevision: s.Revision, Managers: s.Managers, Founders: s.Founders}
		}, done: func(b *harness) bool { return len(keeps(b).Nodes) == 3 }},
		{method: "DELETE", path: "/stores/OrdersStore/instances/orders-2", allowed: admins, query: "?baseRevision=1",
			done: func(b *harness) bool { return len(keeps(b).Nodes) == 1 }},
		{method: "POST", path: "/stores/OrdersStore/instances/orders-1/start", allowed: operators, done: running},
		{method: "POST", path: "/stores/OrdersStore/instances/orders-1/stop", allowed: operators, set: starts,
			done: func(b *harness) bool { return !running(b) }},
		{method: "POST", path: "/stores/OrdersStore/instances/orders-1/restart", allowed: operators, set: starts,
			done: func(b *harness) bool {
				b.sup.mu.Lock()
				defer b.sup.mu.Unlock()
				return len(b.sup.restarted) == 1
			}},
		{method: "GET", path: "/stores/OrdersStore/state", allowed: append([]string{"manager"}, viewers...), shows: `"orders-2"`},
		{method: "GET", path: "/stores/OrdersStore/endpoints", allowed: append([]string{"app", "read-only app"}, viewers...), shows: `"port":17862`},
		{method: "POST", path: "/stores/OrdersStore/settle", allowed: append([]string{"manager"}, operators...), query: "?to=SELF",
			set: func(b *harness, o *otherManager) { // the coordinator has a newer configuration
				lost(b, o)
				b.api.participant.Peers = o
				now, err := b.api.participant.State("OrdersStore")
				if err != nil {
					b.t.Fatal(err)
				}
				newer := *now.Configuration
				newer.LastOperation, newer.Revision, newer.Epoch = matrixOperation, 2, 2
				o.state.Configuration, o.state.Epoch = &newer, 2
			}, done: func(b *harness) bool { return keeps(b).Revision == 2 }},
		{method: "POST", path: "/stores/OrdersStore/fence", allowed: operators, query: "?to=SELF", set: lost,
			body: func(b *harness) any {
				return wire.FenceRequest{Lost: "m-other", Survivors: []string{b.catalog.Identity()}}
			}, done: func(b *harness) bool { n := b.catalog.Snapshot().Name("OrdersStore"); return n.Replacing == "m-other" }},
		{method: "POST", path: "/stores/OrdersStore/decide", allowed: operators, query: "?to=SELF", set: fences,
			body: func(b *harness) any {
				return wire.DecideRequest{Lost: "m-other", Coordinator: b.catalog.Identity()}
			}, done: func(b *harness) bool { return keeps(b).Coordinator == b.catalog.Identity() }},
		{method: "POST", path: "/stores/CartStore/heal", allowed: operators, query: "?to=SELF", set: forgets,
			body: func(b *harness) any { return wire.HealRequest{Operation: b.matrixChange(), Decide: wire.DecideMake} },
			done: decided(wire.OperationCommitted)},
		{method: "POST", path: "/stores/OrdersStore/members", allowed: []string{"manager"}, query: "?to=SELF&from=m-other",
			set:  func(_ *harness, o *otherManager) { o.asks(wire.AddMember, nodes(2, ownHost, otherHost)[1]) },
			body: func(*harness) any { return wire.ChangeMember{Instance: "orders-2", Step: wire.AddMember} },
			done: func(b *harness) bool { b.sup.mu.Lock(); defer b.sup.mu.Unlock(); return len(b.sup.steps) == 1 }},
		{method: "POST", path: "/operations", allowed: admins, query: "?to=SELF",
			body: func(b *harness) any { return b.matrixChange() }, done: decided(wire.OperationPrepared)},
		{method: "GET", path: "/operations", allowed: viewers, set: prepares, shows: matrixOperation},
		{method: "GET", path: "/operations/" + matrixOperation, allowed: viewers, set: prepares, shows: `"pending"`},
		{method: "POST", path: "/operations/" + matrixOperation + "/commit", allowed: admins, query: "?to=SELF&epoch=1", set: prepares,
			done: decided(wire.OperationCommitted)},
		{method: "POST", path: "/operations/" + matrixOperation + "/abort", allowed: admins, query: "?to=SELF", set: prepares,
			body: func(*harness) any { return wire.AbortRequest{Store: "CartStore", Epoch: 1} }, done: decided(wire.OperationAborted)},
		{method: "POST", path: "/operations/" + matrixOperation + "/renew", allowed: admins, query: "?to=SELF", set: prepares,
			shows: `"pending"`}, // it changes no more than a clock
		{method: "GET", path: "/stores/OrdersStore/instances/orders-1/log", allowed: viewers, shows: "lines of orders-1"},
		{method: "GET", path: "/metrics", allowed: viewers, query: "?store=OrdersStore", shows: "ItemsCount"},
		{method: "GET", path: "/info", allowed: append([]string{"manager"}, viewers...), shows: "catalogDigest"},
		{method: "GET", path: "/health", allowed: nil, shows: "Alive"}, // nil: everybody
		{method: "GET", path: "/issuer", allowed: []string{"manager"}, shows: "BEGIN CERTIFICATE"},
		{method: "GET", path: "/certificates", allowed: append([]string{"manager"}, viewers...), shows: `"serial"`},
		{method: "POST", path: "/join", allowed: nil, body: func(b *harness) any { return b.joining() },
			done: func(b *harness) bool { return len(b.api.Member.State().Members["m-joins"].Issuer) > 0 }},
		{method: "GET", path: "/access", allowed: append([]string{"manager"}, admins...), shows: `"heads"`},
		{method: "POST", path: "/access", allowed: admins, body: func(b *harness) any {
			return wire.AppendAccess{Line: cluster.Revocation(victim)}
		}, done: func(b *harness) bool { return b.api.Member.State().IsRevoked(victim.Chain[0].SerialNumber) }},
		{method: "GET", path: "/access/state", allowed: viewers, shows: `"uri":"dkv://user.prod/eve"`},
		{method: "POST", path: "/access/certificates", allowed: admins, body: func(b *harness) any {
			return wire.MakeCertificate{Identity: "dkv://app.prod/OrdersStore/new", Request: b.signingRequest(), Seconds: 60}
		}, done: func(b *harness) bool { return b.api.Audit.Head().Number > 0 }}, // it leaves nothing else
		{method: "GET", path: "/openapi.json", allowed: viewers, shows: "openapi"},
	}
}

// joining returns the request of a server with a valid token to join.
func (b *harness) joining() wire.Join {
	b.t.Helper()
	token, err := b.api.Member.Token(1, time.Hour, "")
	if err != nil {
		b.t.Fatal(err)
	}
	return wire.Join{Token: token.Text(), Request: b.signingRequest(), Identity: "m-joins", URL: "https://10.0.0.9:7801"}
}

// signingRequest returns the signing request of a new key.
func (b *harness) signingRequest() string {
	b.t.Helper()
	key, err := pki.NewKey()
	if err != nil {
		b.t.Fatal(err)
	}
	request, err := identity.NewRequest(key)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(request)
}

// matrixChange returns an operation that creates CartStore.
func (b *harness) matrixChange() wire.Operation {
	c := b.change(matrixOperation)
	c.Store = "CartStore"
	c.Nodes = wire.AssignRoles([]wire.Node{{Name: "cart-1", Host: ownHost, ClustronPort: 18811, ClientPort: 18861}})
	c.Founders = wire.Founders(c.Nodes)
	return c
}

// Everybody may do what the design says and nothing else, judged by what the manager has done.
func TestMatrix_Routes(t *testing.T) {
	cluster := securitytest.New(t, "prod")
	all := callers(t, cluster)
	for i, row := range matrix(cluster, all[len(all)-1].bundle) {
		t.Run(row.method+" "+row.path, func(t *testing.T) {
			address := fmt.Sprintf("127.58.3.%d:0", i+1)
			unchanged := row.serve(t, cluster, address)
			for _, who := range all {
				t.Run(who.name, func(t *testing.T) {
					s := unchanged
					if row.done != nil && row.allows(who) {
						s = row.serve(t, cluster, address)
					}
					row.try(t, s, who)
				})
			}
		})
	}
}

// Requests about the cluster's members and roles need TLS, also where a manager takes plain connections.
func TestMatrix_PlainConnections(t *testing.T) {
	cluster := securitytest.New(t, "prod")
	token := cluster.Token("ci", identity.Admin)
	app := cluster.App("OrdersStore", "shop")
	for i, row := range matrix(cluster, app) {
		t.Run(row.method+" "+row.path, func(t *testing.T) {
			for _, mode := range []wire.TLSMode{wire.TLSPrefer, wire.TLSRequire} {
				s := row.serve(t, cluster, fmt.Sprintf("127.48.4.%d:0", i+1))
				s.api.Member.Serve(mode)
				ask := func(token string) (int, wire.Result) {
					t.Helper()
					var body []byte
					if row.body != nil {
						body, _ = json.Marshal(row.body(s.harness))
					}
					req := httptest.NewRequest(row.method, wire.Prefix+row.path+strings.ReplaceAll(row.query, "SELF", s.catalog.Identity()),
						bytes.NewReader(body))
					req.Host, req.RemoteAddr = ownHost, "127.0.0.1:1"
					if token != "" {
						req.Header.Set("Authorization", "Bearer "+token)
					}
					w := httptest.NewRecorder()
					s.api.ServeHTTP(deadlines{w}, req)
					var refused wire.Result
					_ = json.Unmarshal(w.Body.Bytes(), &refused) // what succeeds may answer something else
					return w.Code, refused
				}
				lines := s.api.Member.State().Number
				members := strings.HasPrefix(row.path, "/access") || row.path == "/join" || row.path == "/issuer"
				status, refused := ask("")
				if wantRefused := members || mode == wire.TLSRequire; wantRefused != (refused.Code == wire.CodeTLSRequired) {
					t.Errorf("%s: got %d, %+v", mode, status, refused)
				}
				if row.path != "/join" && lines != s.api.Member.State().Number { // its body makes a token
					t.Errorf("%s: the access log was changed", mode)
				}
				if status, refused := ask(token); status != http.StatusUnauthorized {
					t.Errorf("%s, with a token: got %d, %+v", mode, status, refused)
				}
				if _, err := s.api.Member.CallerOf(token); err == nil {
					t.Errorf("%s: the token still counts", mode)
				}
			}
		})
	}
}

// deadlines lets a recorder take the deadlines of a connection.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetReadDeadline(time.Time) error  { return nil }
func (deadlines) SetWriteDeadline(time.Time) error { return nil }

// The matrix has every route.
func TestMatrix_IsComplete(t *testing.T) {
	covered := map[string]bool{}
	for _, row := range matrix(nil, nil) {
		if r, _, _ := match(row.method, wire.Prefix+row.path); r == nil {
			t.Errorf("%s %s is no route", row.method, row.path)
		} else {
			covered[r.method+" "+r.path] = true
			// Every mutation has a line of the audit log, for which a row is checked that says what is done.
			if mutates := r.method != http.MethodGet && r.action != "Renew"; mutates != (row.done != nil) {
				t.Errorf("%s %s: is it audited? mutates %v, done %v", r.method, r.path, mutates, row.done != nil)
			}
		}
	}
	for _, r := range routes {
		if !covered[r.method+" "+r.path] {
			t.Errorf("%s %s is not in the matrix", r.method, r.path)
		}
	}
}

// serve serves a secured manager that is in the state in which the request succeeds.
func (row matrixRow) serve(t *testing.T, cluster *securitytest.Cluster, address string) *secured {
	t.Helper()
	b, other := withMembers(t)
	if row.set != nil {
		row.set(b, other)
	}
	return secure(t, b, cluster, address)
}

func (row matrixRow) allows(who caller) bool {
	return row.allowed == nil || slices.Contains(row.allowed, who.name)
}

func (row matrixRow) try(t *testing.T, s *secured, who caller) {
	b := s.harness
	var body any
	if row.body != nil {
		body = row.body(b)
	}
	before, actions, lines, audited := b.file(), b.sup.actions(), b.api.Member.State().Number, b.api.Audit.Head()
	path := wire.Prefix + row.path + strings.ReplaceAll(row.query, "SELF", b.catalog.Identity())
	status, text := s.callFor(matrixReason, client(t, who.bundle), who.token, row.method, path, body)
	if row.allows(who) {
		if status != http.StatusOK || row.done != nil && !row.done(b) || !strings.Contains(string(text), row.shows) {
			t.Errorf("nothing was done: %d %.300s", status, text)
		}
		row.checkAudit(t, s, who)
		return
	}
	if row.done != nil && row.done(b) {
		t.Errorf("it was done, and answered %d", status)
	}
	if !bytes.Equal(before, b.file()) || actions != b.sup.actions() || lines != b.api.Member.State().Number ||
		audited != b.api.Audit.Head() {
		t.Error("the catalog, an instance, the access log or the audit log was changed")
	}
	var refused wire.Result
	if err := json.Unmarshal(text, &refused); err != nil || refused.StatusCode != status {
		t.Fatalf("%d %.300s: %v", status, text, err)
	}
	code, why := wire.CodeNotAllowed, "may not"
	if who.strange {
		code, why = wire.CodeNotAuthenticated, who.why
	}
	if refused.Code != code || !strings.Contains(refused.Message, why) || refused.Manager != b.catalog.Identity() {
		t.Errorf("got %+v, want %s and %q", refused, code, why)
	}
}

// checkAudit checks that a change by a caller is in the audit log, and nothing else.
func (row matrixRow) checkAudit(t *testing.T, s *secured, who caller) {
	t.Helper()
	text, err := os.ReadFile(s.api.Audit.Path())
	if err != nil {
		t.Fatal(err)
	}
	if row.done == nil {
		if len(text) > 0 {
			t.Errorf("a request that only reads is in the audit log: %s", text)
		}
		return
	}
	var line audit.Line
	if err := json.Unmarshal(text, &line); err != nil { // it fails if there is more than one
		t.Fatalf("the audit log is %q: %v", text, err)
	}
	r, _, _ := match(row.method, wire.Prefix+row.path)
	if line.Reason != "ticket 12: größer" {
		t.Errorf("the reason is %q", line.Reason)
	}
	if line.Number != 1 || !strings.HasPrefix(line.Action, r.action) || line.From != "127.0.0.1" || line.Outcome == "" ||
		row.path != "/join" && row.path != "/access" && !strings.HasSuffix(line.Store, "Store") {
		t.Errorf("the audit log has %s", text)
	}
	if id := identityOf(who); line.Who != id {
		t.Errorf("%s did it, want %s", line.Who, id)
	}
}

// identityOf returns the identity that a caller is taken for, or "".
func identityOf(who caller) string {
	switch {
	case who.strange:
		return ""
	case who.token != "":
		return "dkv://user.prod/" + map[string]string{"viewer token": "ci-read", "operator token": "ci-run", "admin token": "ci-root"}[who.name]
	}
	id, _ := who.bundle.Identity() // it has one
	return id.String()
}

// actions returns what the supervisor has done.
func (p *fakeSupervisor) actions() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprint(p.running, p.removed, p.restarted, p.steps, p.notifications)
}
