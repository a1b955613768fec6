package etcd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/storetest"
)

// clientLimit bounds each request of a test.
const clientLimit = 10 * time.Second

func clientContext(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), clientLimit)
}

func TestGateway_StartsFirst(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	voter, gateway := store[0], store[1]
	gateway.start()
	state := gateway.state("waiting", func(s engine.State) bool { return strings.Contains(s.Reason, "data instances") })
	if state.Ready {
		t.Errorf("a gateway to nothing says %+v", state)
	}
	voter.start()
	if state := gateway.ready(); state.Bootstrapped || state.Leader || state.Learner {
		t.Errorf("a gateway says %+v", state)
	}
	gateway.put("k", "v")
	if got := voter.get("k"); got != "v" {
		t.Errorf("written through the gateway: %q", got)
	}
	t.Logf("an idle gateway takes %d MiB", gateway.rss())
	if took := gateway.stop(); took > 3*time.Second {
		t.Errorf("the gateway took %v to stop", took)
	}
}

func TestGateway_ServesEverything(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	gateway := store[1]
	startAll(store)
	ctx, cancel := clientContext(t)
	defer cancel()

	// JSON, as on a data instance.
	lease := gateway.mustPost("/v3/lease/grant", map[string]any{"TTL": 60})
	gateway.mustPost("/v3/kv/put", map[string]any{"key": b64("leased"), "value": b64("v"), "lease": lease["ID"]})
	if got := gateway.get("leased"); got != "v" {
		t.Errorf("leased = %q", got)
	}
	gateway.mustPost("/v3/lease/keepalive", map[string]any{"ID": lease["ID"]})
	gateway.mustPost("/v3/lease/timetolive", map[string]any{"ID": lease["ID"]})
	gateway.mustPost("/v3/lease/revoke", map[string]any{"ID": lease["ID"]})
	if got := gateway.get("leased"); got != "" {
		t.Errorf("after its lease was revoked: leased = %q", got)
	}
	txn := gateway.mustPost("/v3/kv/txn", map[string]any{"success": []any{
		map[string]any{"requestPut": map[string]any{"key": b64("t"), "value": b64("1")}}}})
	if txn["succeeded"] != true {
		t.Errorf("txn: %v", txn)
	}
	lock := gateway.mustPost("/v3/lock/lock", map[string]any{"name": b64("mutex")})
	gateway.mustPost("/v3/lock/unlock", map[string]any{"key": lock["key"]})

	// gRPC.
	client := gateway.client()
	if _, err := client.Put(ctx, "g", "1"); err != nil {
		t.Fatal(err)
	}
	if resp, err := client.Get(ctx, "g", clientv3.WithSerializable()); err != nil || len(resp.Kvs) != 1 {
		t.Errorf("serializable read: %v, %v", resp, err)
	}
	if resp, err := client.MemberList(ctx); err != nil || len(resp.Members) != 1 {
		t.Errorf("member list: %v, %v", resp, err)
	}
	session, err := concurrency.NewSession(client, concurrency.WithTTL(30))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	mutex := concurrency.NewMutex(session, "m")
	if err := mutex.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	if err := mutex.Unlock(ctx); err != nil {
		t.Fatal(err)
	}
	watch := client.Watch(ctx, "w", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watch
	gateway.put("w1", "v")
	if resp := <-watch; len(resp.Events) != 1 || string(resp.Events[0].Kv.Key) != "w1" {
		t.Errorf("watch: %+v", resp)
	}
	// An empty operation is refused; grpcproxy ends the process on it.
	if _, err := gateway.post("/v3/kv/txn", map[string]any{"success": []any{map[string]any{}}}); err == nil {
		t.Error("a transaction with an empty operation worked")
	}
	gateway.ready()
}

func TestGateway_RequestSize(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	startAll(store)
	for _, in := range store {
		large, tooLarge := strings.Repeat("v", maxRequestBytes-1024), strings.Repeat("v", maxRequestBytes)
		in.put("k", large)
		if got := in.get("k"); got != large {
			t.Errorf("%s: wrote %d bytes, read %d", in.spec.Instance, len(large), len(got))
		}
		_, err := in.post("/v3/kv/put", map[string]any{"key": b64("k"), "value": b64(tooLarge)})
		if err == nil || !strings.Contains(err.Error(), "request is too large") {
			t.Errorf("%s: a write of %d bytes: %v", in.spec.Instance, len(tooLarge), err)
		}
	}
}

func TestGateway_ForwardsMetadata(t *testing.T) {
	client := metadata.NewIncomingContext(t.Context(), metadata.Pairs("hasleader", "true", "token", "secret", "other", "x"))
	got, _ := metadata.FromOutgoingContext(forwardContext(client))
	want := metadata.Pairs(forwardedKey, "1", "hasleader", "true", "token", "secret")
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("forwarded with %v, want %v", got, want)
	}
}

func TestGateway_JSONWatch(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	startAll(store)
	for _, in := range store {
		storetest.Eventually(t, startLimit, "the store answers", func() error {
			_, err := in.post("/v3/kv/range", map[string]any{"key": b64("w")})
			return err
		})
		ctx, cancel := clientContext(t)
		defer cancel()
		body := fmt.Sprintf(`{"create_request": {"key": %q}}`, b64("w"))
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+in.endpoint()+"/v3/watch", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		var created struct{ Result struct{ Created bool } }
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &created) != nil || !created.Result.Created {
			t.Fatalf("%s: watch began with %s", in.spec.Instance, lines.Text())
		}
		if err := wantMetric(in, "Watch/Active", 1); err != nil {
			t.Error(err)
		}
		in.put("w", "v")
		if !lines.Scan() || !strings.Contains(lines.Text(), b64("w")) {
			t.Errorf("%s: watch went on with %s", in.spec.Instance, lines.Text())
		}
		if took := in.stop(); in.spec.Role == "gateway" && took > 3*time.Second {
			t.Errorf("%s took %v to stop under a watch", in.spec.Instance, took)
		}
		resumeAll(store[:1])
	}
}

// A serializable read on a data instance may be stale; through a gateway it never is. Each request has a separate time
// limit, since the total time depends on the machine.
func TestGateway_ReadsAreFresh(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 1)
	startAll(store)
	writer, reader := store[0].client(), store[3].client()
	do := func(client *clientv3.Client, op clientv3.Op) clientv3.OpResponse {
		t.Helper()
		ctx, cancel := clientContext(t)
		defer cancel()
		resp, err := client.Do(ctx, op)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	stale := clientv3.OpGet("k", clientv3.WithSerializable())
	for name, op := range map[string]clientv3.Op{
		"a read":        stale,
		"a transaction": clientv3.OpTxn(nil, []clientv3.Op{stale}, nil),
	} {
		for i := range 200 {
			want := fmt.Sprint(i)
			do(writer, clientv3.OpPut("k", want))
			resp := do(reader, op)
			read := resp.Get()
			if txn := resp.Txn(); txn != nil {
				read = (*clientv3.GetResponse)(txn.Responses[0].GetResponseRange())
			}
			if got := string(read.Kvs[0].Value); got != want {
				t.Fatalf("%s gave %s after %s was written", name, got, want)
			}
		}
	}
}

// recordingKV records the requests that it receives, and fails them.
type recordingKV struct {
	pb.KVClient
	ranges []*pb.RangeRequest
}

var errRecorded = errors.New("recorded")

func (r *recordingKV) Range(_ context.Context, in *pb.RangeRequest, _ ...grpc.CallOption) (*pb.RangeResponse, error) {
	r.ranges = append(r.ranges, in)
	return nil, errRecorded
}

func (r *recordingKV) RangeStream(_ context.Context, in *pb.RangeRequest,
	_ ...grpc.CallOption) (pb.KV_RangeStreamClient, error) {
	r.ranges = append(r.ranges, in)
	return nil, errRecorded
}

func (r *recordingKV) Txn(_ context.Context, in *pb.TxnRequest, _ ...grpc.CallOption) (*pb.TxnResponse, error) {
	for _, op := range append(in.Success, in.Failure...) {
		r.ranges = append(r.ranges, op.GetRequestRange())
	}
	return nil, errRecorded
}

type contextStream struct {
	pb.KV_RangeStreamServer
	ctx context.Context
}

func (s contextStream) Context() context.Context { return s.ctx }

// Every way to read through a gateway makes the read linearizable before it is forwarded.
func TestGateway_MakesReadsLinearizable(t *testing.T) {
	stale := func() *pb.RangeRequest { return &pb.RangeRequest{Key: []byte("k"), Serializable: true} }
	inTxn := func() *pb.RequestOp { return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: stale()}} }
	for name, c := range map[string]struct {
		reads int
		call  func(gatewayKV) error
	}{
		"range": {1, func(g gatewayKV) error { _, err := g.Range(t.Context(), stale()); return err }},
		"range stream": {1, func(g gatewayKV) error {
			return g.RangeStream(stale(), contextStream{ctx: t.Context()})
		}},
		"transaction": {3, func(g gatewayKV) error {
			_, err := g.Txn(t.Context(),
				&pb.TxnRequest{Success: []*pb.RequestOp{inTxn(), inTxn()}, Failure: []*pb.RequestOp{inTxn()}})
			return err
		}},
	} {
		store := &recordingKV{}
		if err := c.call(gatewayKV{store: store}); !errors.Is(err, errRecorded) {
			t.Errorf("%s: %v", name, err)
		}
		if len(store.ranges) != c.reads {
			t.Errorf("%s: %d reads were forwarded, want %d", name, len(store.ranges), c.reads)
		}
		for _, r := range store.ranges {
			if r.Serializable {
				t.Errorf("%s: a serializable read was forwarded", name)
			}
		}
	}
}
