package etcd

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"dkvrun/cmd/dkvmanager/internal/instancekeys"
	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/access"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// authority is a cluster's authority, with the issuer of one server, which may make users as well, and the access log.
type authority struct {
	t      *testing.T
	root   *pki.Authority
	issuer *pki.Issuer
	log    *access.Log
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	a.root, err = pki.NewAuthority("prod", time.Now())
	must(err)
	key, err := pki.NewKey()
	must(err)
	chain, err := a.root.Admit(&key.PublicKey, append(pki.ServerKinds(), identity.User), time.Now())
	must(err)
	a.issuer = &pki.Issuer{Chain: chain, Key: key, Roots: a.root.Bundle().Roots}
	a.log, err = access.Start("prod", a.root.Key, time.Now())
	must(err)
	a.add(access.Entry{Kind: access.Member, Subject: "dkv://manager.prod/m-1", Serial: access.Serial(chain[0].SerialNumber)})
	return a
}

// add adds a line to the access log.
func (a *authority) add(e access.Entry) {
	a.t.Helper()
	e, err := a.log.Prepare(e, a.root.Key, time.Now())
	if err == nil {
		err = a.log.Append(e, time.Now())
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// issue makes a certificate, without a role.
func (a *authority) issue(leaf pki.Leaf) *identity.Bundle {
	a.t.Helper()
	leaf.Identity.Cluster = "prod"
	b, err := a.issuer.Issue(leaf, time.Now())
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

// grant makes the certificate of a user or an application, and gives it a role.
func (a *authority) grant(id identity.Identity, role identity.Role) *identity.Bundle {
	a.t.Helper()
	b := a.issue(pki.Leaf{Identity: id})
	line, err := access.GrantTo(b.Chain[0], role)
	if err != nil {
		a.t.Fatal(err)
	}
	a.add(line)
	return b
}

func (a *authority) app(store, name string, role identity.Role) *identity.Bundle {
	a.t.Helper()
	return a.grant(identity.Identity{Kind: identity.App, Store: store, Name: name}, role)
}

// withToken returns a context whose requests have a bearer token.
func withToken(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// bearer makes a user's bearer token.
func (a *authority) bearer(name string, role identity.Role, lifetime time.Duration) string {
	a.t.Helper()
	token, err := access.NewBearerToken()
	if err != nil {
		a.t.Fatal(err)
	}
	a.add(access.Entry{Kind: access.Bearer, Subject: "dkv://user.prod/" + name, Role: role, Of: token.Hash(),
		Expires: time.Now().Add(lifetime)})
	return token.Text()
}

func (a *authority) user(name string, role identity.Role) *identity.Bundle {
	a.t.Helper()
	return a.grant(identity.Identity{Kind: identity.User, Name: name}, role)
}

// leaf returns what the certificate of an instance is made for.
func (in *instance) leaf() pki.Leaf {
	return pki.Leaf{
		Identity:  identity.Identity{Kind: identity.Instance, Cluster: "prod", Store: in.spec.Store, Name: in.spec.Instance},
		Operation: in.spec.Operation, Hosts: []string{in.spec.Host},
	}
}

// secure writes the keys of instances, as the manager does.
func (a *authority) secure(store []*instance) {
	a.t.Helper()
	a.write(store, a.topology(store))
}

// topology returns that of instances which manager m-1 keeps.
func (a *authority) topology(store []*instance) *instancekeys.Topology {
	out := &instancekeys.Topology{Creation: store[0].spec.Operation, Epoch: 1, Revision: 1, Managers: []string{"m-1", "m-2"},
		Instances: map[string]instancekeys.Place{}}
	for _, in := range store {
		out.Instances[in.spec.Instance] = instancekeys.Place{Manager: "m-1", Gateway: in.spec.Role == wire.Gateway}
	}
	return out
}

// server makes the issuer of a further server, whose manager becomes a member.
func (a *authority) server(manager string) *authority {
	a.t.Helper()
	key, err := pki.NewKey()
	if err != nil {
		a.t.Fatal(err)
	}
	chain, err := a.root.Admit(&key.PublicKey, pki.ServerKinds(), time.Now())
	if err != nil {
		a.t.Fatal(err)
	}
	a.add(access.Entry{Kind: access.Member, Subject: "dkv://manager.prod/" + manager, Serial: access.Serial(chain[0].SerialNumber)})
	return &authority{t: a.t, root: a.root, log: a.log, issuer: &pki.Issuer{Chain: chain, Key: key, Roots: a.issuer.Roots}}
}

// write writes the keys of instances of a topology.
func (a *authority) write(store []*instance, topology *instancekeys.Topology) {
	a.t.Helper()
	for _, in := range store {
		name, err := pki.StoreName(in.spec.Operation)
		if err == nil {
			err = instancekeys.WriteCertificate(in.folder, a.issuer, in.leaf(), time.Now())
		}
		if err == nil {
			err = instancekeys.WriteAccess(in.folder, a.log.State(), a.issuer.Roots, nil, in.spec.Store, false, topology)
		}
		if err != nil {
			a.t.Fatal(err)
		}
		in.spec.ClusterName = name
	}
}

// stockTLS returns a client's configuration as programs have it that know no identities: it checks the server's
// address.
func (a *authority) stockTLS(b *identity.Bundle) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.root.Root)
	c := &tls.Config{RootCAs: roots}
	if b != nil {
		// Certificates would be shown only if they lead to a root that the server names.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return b.TLS(false), nil }
	}
	return c
}

// clientAs returns a client of this instance only.
func (in *instance) clientAs(secure *tls.Config) *clientv3.Client {
	in.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"https://" + in.endpoint()}, TLS: secure})
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = client.Close() })
	return client
}

// connAs returns a gRPC connection to the client port.
func (in *instance) connAs(secure *tls.Config) *grpc.ClientConn {
	in.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+in.endpoint(), grpc.WithTransportCredentials(credentials.NewTLS(secure)))
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// jsonAs makes a request over HTTP/1 and returns the status code and the beginning of the body. The client offers
// HTTP/2 as well, as curl does.
func (in *instance) jsonAs(ctx context.Context, secure *tls.Config, path string, req proto.Message) (
	code int, text string) {
	in.t.Helper()
	transport := &http.Transport{TLSClientConfig: secure.Clone(), DisableKeepAlives: true, ForceAttemptHTTP2: true}
	method, body := http.MethodGet, []byte(nil)
	if req != nil {
		method = http.MethodPost
		var err error
		if body, err = protojson.Marshal(req); err != nil {
			in.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "https://"+in.endpoint()+path, bytes.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	if md, has := metadata.FromOutgoingContext(ctx); has { // as a gRPC client sends it
		r.Header["Authorization"] = md.Get("authorization")
	}
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		in.t.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 1 {
		in.t.Errorf("%s: answered in %s", path, resp.Proto)
	}
	begin := make([]byte, 1024)
	n, _ := resp.Body.Read(begin)
	return resp.StatusCode, string(begin[:n])
}

// keysOf returns the keys of a store, as its socket lists them.
func keysOf(t *testing.T, in *instance) string {
	t.Helper()
	ctx, cancel := clientContext(t)
	defer cancel()
	all, err := in.local().Get(ctx, "", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, kv := range all.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return strings.Join(keys, " ")
}

// Each kind of client may do what the table says, over gRPC and JSON, on data instances and gateways. Whether a write
// was allowed shows in the store.
func TestSecure_Matrix(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	a, foreign := newAuthority(t), newAuthority(t)
	name := store[0].spec.Store
	revoked := a.app(name, "revoked", identity.AppRole)
	a.add(access.Entry{Kind: access.Revoke, Serial: access.Serial(revoked.Chain[0].SerialNumber)})
	ended := a.app(name, "ended", identity.AppRole)
	a.add(access.Entry{Kind: access.Revoke, Subject: "dkv://app.prod/" + name + "/ended"})
	expired, err := a.issuer.Issue(pki.Leaf{
		Identity: identity.Identity{Kind: identity.App, Cluster: "prod", Store: name, Name: "web"}, Lifetime: time.Second,
	}, time.Now().Add(-5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	other := store[0].leaf()
	other.Identity.Store, other.Operation = "Other", "other"
	unknown := store[0].leaf()
	unknown.Identity.Name = "t-9"
	second := a.server("m-5")
	clients := []struct {
		what string
		cert *identity.Bundle
		may  string // what it may do, of: write, read, observe
		why  string // a part of the refusal of a write
	}{
		{"nobody", nil, "", "has shown no certificate"},
		{"an app of another authority", foreign.app(name, "web", identity.AppRole), "", "unknown authority"},
		{"an app of another store", a.app("Other", "web", identity.AppRole), "", "app web of store Other in cluster prod may not use store " + name},
		{"an instance of another store", a.issue(other), "", "may not use store " + name},
		{"a revoked app", revoked, "", "is revoked"},
		{"an app whose grant has ended", ended, "", "revoked"},
		{"an expired app", expired, "", "expired at"},
		{"an app without a grant", a.issue(pki.Leaf{Identity: identity.Identity{Kind: identity.App, Store: name, Name: "new"}}), "", "has no role"},
		{"a manager that is no member", a.issue(pki.Leaf{Identity: identity.Identity{Kind: identity.Manager, Name: "m-2"}}), "", "has no role"},
		{"a manager", a.issue(pki.Leaf{Identity: identity.Identity{Kind: identity.Manager, Name: "m-1"}}), "observe", "manager m-1 may not call"},
		{"a viewer", a.user("see", identity.Viewer), "observe read", "viewer see may not call etcdserverpb.KV/Put"},
		{"an operator", a.user("op", identity.Operator), "observe read", "operator op may not call"},
		{"a read-only app", a.app(name, "report", identity.ReadOnlyApp), "observe read", "app-readonly report may not call"},
		{"an instance that another server has made", second.issue(store[0].leaf()), "", "another server has made than that of manager m-1"},
		{"an instance that the store does not have", a.issue(unknown), "", "has no instance t-9"},
		{"a manager that another server has made", second.issue(pki.Leaf{Identity: identity.Identity{Kind: identity.Manager, Name: "m-1"}}), "",
			"another server has made than that of manager m-1"},
		{"a viewer's token", nil, "observe read", "viewer see may not call etcdserverpb.KV/Put"},
		{"an operator's token", nil, "observe read", "operator op may not call"},
		{"an expired token", nil, "", "expired at"},
		{"a token of another authority", nil, "", "unknown or revoked"},
		{"a revoked token", nil, "", "unknown or revoked"},
		{"no token", nil, "", "no token"},
		{"a token beside a certificate", a.app(name, "both", identity.AppRole), "", "one of them is enough"},
		{"an admin", a.user("root", identity.Admin), "observe read write", ""},
		{"an app", a.app(name, "web", identity.AppRole), "observe read write", ""},
		{"an instance of the store", a.issue(store[0].leaf()), "observe read write", ""},
		{"an admin's token", nil, "observe read write", ""},
	}
	tokens := map[string]string{
		"a viewer's token": a.bearer("see", identity.Viewer, time.Hour), "an operator's token": a.bearer("op", identity.Operator, time.Hour),
		"an admin's token": a.bearer("root", identity.Admin, time.Hour), "an expired token": a.bearer("late", identity.Admin, -time.Minute),
		"a token of another authority": foreign.bearer("root", identity.Admin, time.Hour), "no token": "x",
		"a revoked token":              a.bearer("gone", identity.Admin, time.Hour),
		"a token beside a certificate": a.bearer("two", identity.Admin, time.Hour),
	}
	a.add(access.Entry{Kind: access.Revoke, Subject: "dkv://user.prod/gone"})
	a.secure(store)
	startAll(store)
	all, cancel := context.WithTimeout(t.Context(), 8*clientLimit)
	defer cancel()
	ctx := all
	data := store[0]
	if _, err := data.local().Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("stray"), Value: []byte("v")}}}
	read := &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("k")}}}
	tries := []struct {
		attack
		takes string
	}{
		{attack{pb.Cluster_MemberList_FullMethodName, "/v3/cluster/member/list", &pb.MemberListRequest{}}, "observe"},
		{attack{pb.Maintenance_Status_FullMethodName, "/v3/maintenance/status", &pb.StatusRequest{}}, "observe"},
		{attack{pb.KV_Range_FullMethodName, "/v3/kv/range", &pb.RangeRequest{Key: []byte("k")}}, "read"},
		{attack{pb.KV_RangeStream_FullMethodName, "", &pb.RangeRequest{Key: []byte("k")}}, "read"},
		{attack{pb.KV_Txn_FullMethodName, "/v3/kv/txn", &pb.TxnRequest{Success: []*pb.RequestOp{read}}}, "read"},
		{attack{pb.Watch_Watch_FullMethodName, "/v3/watch", &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
			CreateRequest: &pb.WatchCreateRequest{Key: []byte("k")}}}}, "read"},
		{attack{pb.Lease_LeaseTimeToLive_FullMethodName, "/v3/lease/timetolive", &pb.LeaseTimeToLiveRequest{ID: 1}}, "read"},
		{attack{pb.Maintenance_Alarm_FullMethodName, "/v3/maintenance/alarm", &pb.AlarmRequest{}}, "read"},
		{attack{pb.KV_Txn_FullMethodName, "/v3/kv/txn", &pb.TxnRequest{Success: []*pb.RequestOp{put}}}, "write"},
		{attack{pb.Lease_LeaseGrant_FullMethodName, "/v3/lease/grant", &pb.LeaseGrantRequest{TTL: 60}}, "write"},
		{attack{v3lockpb.Lock_Unlock_FullMethodName, "/v3/lock/unlock", &v3lockpb.UnlockRequest{Key: []byte("m/1")}}, "write"},
		{attack{pb.KV_Compact_FullMethodName, "/v3/kv/compaction", &pb.CompactionRequest{Revision: 1}}, "nothing"},
		{attack{pb.Cluster_MemberRemove_FullMethodName, "/v3/cluster/member/remove", &pb.MemberRemoveRequest{ID: 1}}, "nothing"},
		{attack{pb.Auth_AuthEnable_FullMethodName, "/v3/auth/enable", &pb.AuthEnableRequest{}}, "nothing"},
	}
	for _, in := range store {
		for _, c := range clients {
			ctx = all
			if token := tokens[c.what]; token != "" {
				ctx = withToken(all, token)
			}
			secure := a.stockTLS(c.cert)
			conn := in.connAs(secure)
			label := string(in.spec.Role) + ": " + c.what
			refusedAs := codes.PermissionDenied
			if c.may == "" {
				refusedAs = codes.Unauthenticated
			}
			for _, try := range tries {
				want := strings.Contains(c.may, try.takes)
				err := callGRPC(ctx, conn, try.attack)
				failed := err != nil && !strings.Contains(err.Error(), "not found")
				if refused := status.Code(err) == refusedAs; refused == want || want && failed {
					t.Errorf("%s: %s: %v, want allowed: %v", label, try.method, err, want)
				}
				if try.path == "" {
					continue
				}
				code, text := in.jsonAs(ctx, secure, try.path, try.req)
				wantCode := map[bool]int{true: http.StatusUnauthorized, false: http.StatusForbidden}[c.may == ""]
				if (code == wantCode) == want {
					t.Errorf("%s: %s: %d %s, want allowed: %v", label, try.path, code, text, want)
				}
			}
			writes := strings.Contains(c.may, "write")
			key := fmt.Sprintf("%s/%s", in.spec.Role, strings.ReplaceAll(c.what, " ", "-"))
			err := callGRPC(ctx, conn, attack{pb.KV_Put_FullMethodName, "", &pb.PutRequest{Key: []byte(key + "/grpc"), Value: []byte("v")}})
			if !writes && !strings.Contains(fmt.Sprint(err), c.why) {
				t.Errorf("%s: the refusal of a write is %v, want %q", label, err, c.why)
			}
			_, text := in.jsonAs(ctx, secure, "/v3/kv/put", &pb.PutRequest{Key: []byte(key + "/json"), Value: []byte("v")})
			if !writes && !strings.Contains(text, c.why) {
				t.Errorf("%s: the refusal of a write over JSON is %s, want %q", label, text, c.why)
			}
			all := keysOf(t, data)
			if got := strings.Contains(all, key+"/grpc") && strings.Contains(all, key+"/json"); got != writes {
				t.Errorf("%s: the store has %s: want both writes: %v", label, all, writes)
			}
			if !writes && (strings.Contains(all, key) || strings.Contains(all, "stray")) {
				t.Errorf("%s: the store has %s", label, all)
			}
			for _, path := range []string{"/health", "/livez", "/readyz", "/version", "/metrics"} {
				code, text := in.jsonAs(ctx, secure, path, nil)
				if got := code == http.StatusOK; got != (c.may != "") || !got && code != http.StatusUnauthorized {
					t.Errorf("%s: %s: %d %s", label, path, code, text)
				}
			}
		}
		if _, err := data.local().Delete(ctx, "", clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
	}
}

// A revoked application is cut off within seconds, on data instances and gateways, with its open watch and its idle
// connection; another one goes on. New grants count as soon.
func TestSecure_RevocationEndsWhatIsOpen(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	a := newAuthority(t)
	name := store[0].spec.Store
	leaves, stays := a.app(name, "leaves", identity.AppRole), a.app(name, "stays", identity.AppRole)
	a.secure(store)
	startAll(store)
	ctx, cancel := context.WithTimeout(t.Context(), 3*clientLimit)
	defer cancel()
	type open struct {
		in   *instance
		idle *tls.Conn
		ends chan error // receives the error with which the watch ends
		conn *grpc.ClientConn
		kept chan error
		// token is the connection of a bearer token, and tokenEnds is as ends.
		token     *grpc.ClientConn
		tokenEnds chan error
	}
	token := a.bearer("job", identity.Viewer, time.Hour)
	a.secure(store)
	watch := func(ctx context.Context, conn *grpc.ClientConn) chan error {
		stream, err := pb.NewWatchClient(conn).Watch(ctx)
		if err == nil {
			err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
				CreateRequest: &pb.WatchCreateRequest{Key: []byte("k")}}})
		}
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := stream.Recv(); err != nil {
					ended <- err
					return
				}
			}
		}()
		return ended
	}
	var all []open
	for _, in := range store {
		o := open{in: in, conn: in.connAs(a.stockTLS(leaves))}
		o.ends, o.kept = watch(ctx, o.conn), watch(ctx, in.connAs(a.stockTLS(stays)))
		o.token = in.connAs(a.stockTLS(nil))
		o.tokenEnds = watch(withToken(ctx, token), o.token)
		other := a.bearer(fmt.Sprint("other-", len(all)), identity.Viewer, time.Hour)
		a.secure(store)
		err := callGRPC(withToken(ctx, other), o.token, attack{pb.KV_Range_FullMethodName, "", &pb.RangeRequest{Key: []byte("k")}})
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: another token on the same connection: %v", in.spec.Role, err)
		}
		if o.idle, err = tls.Dial("tcp", in.endpoint(), a.stockTLS(leaves)); err != nil {
			t.Fatal(err)
		}
		defer o.idle.Close()
		fmt.Fprint(o.idle, "GET /livez HTTP/1.1\r\nHost: "+in.endpoint()+"\r\n\r\n")
		if n, err := o.idle.Read(make([]byte, 4096)); n == 0 {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	a.add(access.Entry{Kind: access.Revoke, Subject: leaves.Chain[0].URIs[0].String()})
	a.add(access.Entry{Kind: access.Revoke, Subject: "dkv://user.prod/job"})
	late := a.app(name, "late", identity.ReadOnlyApp)
	begin := time.Now()
	a.secure(store)
	for _, o := range all {
		role := o.in.spec.Role
		select {
		case err := <-o.ends:
			if status.Code(err) != codes.Unavailable && status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: the watch ended with %v", role, err)
			}
		case <-time.After(clientLimit):
			t.Fatalf("%s: the watch of a revoked client goes on", role)
		}
		select {
		case err := <-o.tokenEnds:
			if status.Code(err) != codes.Unavailable && status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: the watch with a token ended with %v", role, err)
			}
		case <-time.After(clientLimit):
			t.Fatalf("%s: the watch of a revoked token goes on", role)
		}
		if took := time.Since(begin); took > 2*(recheckEvery+instancekeys.FollowEvery) {
			t.Errorf("%s: the watch ended after %v", role, took)
		}
		if err := o.idle.SetReadDeadline(time.Now().Add(clientLimit)); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := o.idle.Read(make([]byte, 4096)); err != nil {
				if timeout, is := err.(net.Error); is && timeout.Timeout() {
					t.Errorf("%s: the idle connection of a revoked client stays open", role)
				}
				break
			}
		}
		err := callGRPC(ctx, o.conn, attack{pb.KV_Put_FullMethodName, "", &pb.PutRequest{Key: []byte("k")}})
		if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("%s: a write of a revoked client: %v", role, err)
		}
		if _, err := o.in.clientAs(a.stockTLS(late)).Get(ctx, "k"); err != nil {
			t.Errorf("%s: a read of a new client: %v", role, err)
		}
		select {
		case err := <-o.kept:
			t.Errorf("%s: the watch of another client ended: %v", role, err)
		default:
		}
	}
	if keys := keysOf(t, store[0]); keys != "" {
		t.Errorf("the store has %s", keys)
	}
}

// A client that doesn't speak TLS is told so, in HTTP/1 and in gRPC.
func TestSecure_PlainText(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	a := newAuthority(t)
	a.secure(store)
	startAll(store)
	ctx, cancel := clientContext(t)
	defer cancel()
	for _, in := range store {
		code, text := callJSON(ctx, in, attack{"", "/v3/kv/put", &pb.PutRequest{Key: []byte("k")}})
		if code != http.StatusBadRequest || !strings.Contains(text, plainRefused) {
			t.Errorf("%s: %d %s", in.spec.Role, code, text)
		}
		err := callGRPC(ctx, in.conn(), attack{pb.KV_Put_FullMethodName, "", &pb.PutRequest{Key: []byte("k")}})
		if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), plainRefused) {
			t.Errorf("%s: %v", in.spec.Role, err)
		}
	}
	if keys := keysOf(t, store[0]); keys != "" {
		t.Errorf("the store has %s", keys)
	}
}

// A file of the keys that is gone is written again.
func TestSecure_MissingFileWrittenAgain(t *testing.T) {
	t.Parallel()
	in := newStore(t, 1, 0)[0]
	a := newAuthority(t)
	a.secure([]*instance{in})
	for _, file := range []string{instancekeys.CertificateFile, instancekeys.RootsFile, instancekeys.AccessFile} {
		path := filepath.Join(in.folder, file)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		a.secure([]*instance{in})
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// A client that is refused loses its connection after a time, whether it makes requests or not; one that is accepted
// keeps it.
func TestSecure_RefusedConnectionEnds(t *testing.T) {
	t.Parallel()
	in := newStore(t, 1, 0)[0]
	a := newAuthority(t)
	web := a.stockTLS(a.app(in.spec.Store, "web", identity.AppRole))
	a.secure([]*instance{in})
	keys, err := instancekeys.Open(in.folder, in.spec.Store, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(in.spec.Bind, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSecureListener(l, keys, 0)
	defer s.Close()
	go func() {
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
	}()
	dial := func(config *tls.Config) net.Conn {
		t.Helper()
		config = config.Clone()
		config.ServerName = in.spec.Bind
		c, err := tls.Dial("tcp", l.Addr().String(), config)
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
			_, err = c.Write([]byte("x"))
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	accepted, refused := dial(web), dial(a.stockTLS(nil))
	if err := refused.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := refused.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection of a refused client does not end: %v", err)
	}
	if open := s.connections(); len(open) != 1 || open[0].RemoteAddr().String() != accepted.LocalAddr().String() {
		t.Errorf("%d connections are open, and not that of the accepted client alone", len(open))
	}
}

// The cluster port takes instances of the same store alone; a store of three elects a leader over it.
func TestSecure_ClusterPort(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 0)
	a, foreign := newAuthority(t), newAuthority(t)
	a.secure(store)
	startAll(store)
	in := store[0]
	other := in.leaf()
	other.Operation = "other" // a removed store of the same name, for example
	gone := a.issue(store[1].leaf())
	a.add(access.Entry{Kind: access.Revoke, Serial: access.Serial(gone.Chain[0].SerialNumber)})
	second := a.server("m-2")
	unknown := in.leaf()
	unknown.Identity.Name = "t-9"
	gateway := in.leaf()
	gateway.Identity.Name = "t-8"
	topology := a.topology(store)
	delete(topology.Instances, store[2].spec.Instance) // it has yet to leave
	topology.Instances["t-8"] = instancekeys.Place{Manager: "m-1", Gateway: true}
	stranger := a.server("m-4")
	manager := pki.Leaf{Identity: identity.Identity{Kind: identity.Manager, Name: "m-1"}}
	a.write(store, topology)
	address := net.JoinHostPort(in.spec.Host, strconv.Itoa(clustronPort))
	for what, c := range map[string]struct {
		cert  *identity.Bundle
		taken bool
	}{
		"nobody":                                       {nil, false},
		"another instance of the store":                {a.issue(store[1].leaf()), true},
		"an instance of another store":                 {a.issue(other), false},
		"an instance that another server has made":     {second.issue(store[1].leaf()), false},
		"an instance that is to leave":                 {a.issue(store[2].leaf()), true},
		"one to leave, made by another store's server": {stranger.issue(store[2].leaf()), false},
		"an instance that the store doesn't have":      {a.issue(unknown), false},
		"a gateway of the store":                       {a.issue(gateway), false},
		"an instance of another cluster":               {foreign.issue(store[2].leaf()), false},
		"a revoked instance of the store":              {gone, false},
		"a manager":                                    {a.issue(manager), false},
		"an app of the store":                          {a.app(in.spec.Store, "web", identity.AppRole), false},
		"an admin":                                     {a.user("root", identity.Admin), false},
	} {
		web := http.Client{Transport: &http.Transport{TLSClientConfig: a.stockTLS(c.cert), DisableKeepAlives: true}}
		storetest.Wait(t, startLimit, func() (bool, string) { // until the instance has read its files
			resp, err := web.Get("https://" + address + "/members")
			if err == nil {
				resp.Body.Close()
			}
			taken := err == nil && resp.StatusCode == http.StatusOK
			return taken == c.taken, fmt.Sprintf("%s: taken: %v, %v", what, taken, err)
		})
	}
	resp, err := http.Get("http://" + address + "/members")
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("the cluster port answers without TLS")
		}
	}
}

// A server that is revoked loses the connections of its instances: a member that it keeps takes no part in the raft any
// more, and the others go on.
func TestSecure_RevocationEndsRaft(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 0)
	a := newAuthority(t)
	second := a.server("m-2")
	topology := a.topology(store)
	stolen := store[2]
	topology.Instances[stolen.spec.Instance] = instancekeys.Place{Manager: "m-2"}
	a.write(store[:2], topology)
	second.write(store[2:], topology)
	startAll(store)
	put := func(in *instance, key string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := in.local().Put(ctx, key, "v")
		return err
	}
	for _, in := range store {
		if err := put(in, in.spec.Instance); err != nil {
			t.Fatal(err)
		}
	}
	a.add(access.Entry{Kind: access.Revoke, Subject: "dkv://manager.prod/m-2"})
	a.write(store[:2], topology) // the stolen server doesn't follow the access log
	storetest.Wait(t, 4*recheckEvery, func() (bool, string) {
		err := put(stolen, "stolen")
		return err != nil, "the instance of a revoked server still writes"
	})
	storetest.Eventually(t, startLimit, "the others go on", func() error { return put(store[0], "after") })
	ctx, cancel := clientContext(t)
	defer cancel()
	got, err := stolen.local().Get(ctx, "after", clientv3.WithSerializable())
	if err != nil || len(got.Kvs) != 0 {
		t.Errorf("the instance of a revoked server has what was written later: %v, %v", got, err)
	}
}

// Every server can make certificates of applications, with the serial number of one that has a role. They have none.
func TestSecure_ForgedApplication(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 0)
	a := newAuthority(t)
	second := a.server("m-2")
	web := a.app(store[0].spec.Store, "web", identity.AppRole)
	forged := second.issue(pki.Leaf{Identity: identity.Identity{Kind: identity.App, Store: store[0].spec.Store, Name: "web"}})
	template := *forged.Chain[0]
	template.SerialNumber = web.Chain[0].SerialNumber
	der, err := x509.CreateCertificate(rand.Reader, &template, second.issuer.Chain[0], &forged.Key.PublicKey,
		second.issuer.Key)
	if err != nil {
		t.Fatal(err)
	}
	if forged.Chain[0], err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.secure(store)
	startAll(store)
	ctx, cancel := clientContext(t)
	defer cancel()
	put := attack{pb.KV_Put_FullMethodName, "", &pb.PutRequest{Key: []byte("k")}}
	if err := callGRPC(ctx, store[0].connAs(a.stockTLS(forged)), put); err == nil || !strings.Contains(err.Error(), "has no role") {
		t.Errorf("a write with a forged certificate: %v", err)
	}
	if err := callGRPC(ctx, store[0].connAs(a.stockTLS(web)), put); err != nil {
		t.Errorf("a write of the application: %v", err)
	}
}

// A certificate that is replaced is used without a restart: the client port shows it, and gateways connect with it.
func TestSecure_RenewalWithoutRestart(t *testing.T) {
	t.Parallel()
	store := newStore(t, 2, 1)
	a := newAuthority(t)
	web := a.app(store[0].spec.Store, "web", identity.AppRole)
	for _, in := range store { // with a tenth of their life left, and soon over
		name, err := pki.StoreName(in.spec.Operation)
		if err != nil {
			t.Fatal(err)
		}
		b := a.issue(in.leaf())
		if err := b.Save(in.folder + "/" + instancekeys.CertificateFile); err != nil {
			t.Fatal(err)
		}
		in.spec.ClusterName = name
	}
	a.secure(store)
	startAll(store)
	shown := func(in *instance, port int) string {
		t.Helper()
		secure := a.stockTLS(a.issue(store[0].leaf()))
		secure.InsecureSkipVerify = true
		c, err := tls.Dial("tcp", net.JoinHostPort(in.spec.Host, strconv.Itoa(port)), secure)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := map[string]string{}
	for _, in := range store {
		before[in.spec.Instance] = shown(in, clientPort)
		leaf := in.leaf()
		leaf.Hosts = append(leaf.Hosts, "orders.example") // a further name
		if err := instancekeys.WriteCertificate(in.folder, a.issuer, leaf, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, in := range store {
		storetest.Eventually(t, startLimit, "a new certificate", func() error {
			if shown(in, clientPort) == before[in.spec.Instance] {
				return fmt.Errorf("%s shows the old one", in.spec.Instance)
			}
			return nil
		})
		if in.spec.ClustronPort != 0 && in.spec.Role == "data" && shown(in, clustronPort) == before[in.spec.Instance] {
			t.Errorf("%s shows the old certificate on its cluster port", in.spec.Instance)
		}
		secure := a.stockTLS(web)
		secure.ServerName = "orders.example"
		ctx, cancel := clientContext(t)
		if _, err := in.clientAs(secure).Put(ctx, in.spec.Instance, "v"); err != nil {
			t.Errorf("%s: %v", in.spec.Instance, err)
		}
		cancel()
	}
}
