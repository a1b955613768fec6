package etcd

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"dkvrun/cmd/dkvmanager/internal/storetest"
)

// The table lists exactly the methods that the server has: a new method of etcd is decided on before it is served.
func TestAllowed_ListsEveryMethod(t *testing.T) {
	t.Parallel()
	in := newStore(t, 1, 0)[0]
	cfg := memberConfig(in.folder, in.spec, zap.NewNop())
	registered := make(chan *grpc.Server, 1)
	cfg.ServiceRegister = func(server *grpc.Server) { registered <- server }
	member, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	var served []string
	select {
	case server := <-registered:
		for service, info := range server.GetServiceInfo() {
			for _, method := range info.Methods {
				served = append(served, "/"+service+"/"+method.Name)
			}
		}
	case <-time.After(startLimit):
		t.Fatal("etcd does not serve")
	}
	for _, method := range served {
		if _, known := methods[method]; !known {
			t.Errorf("etcd has a method %s that the table lacks", method)
		}
	}
	for method := range methods {
		if !slices.Contains(served, method) {
			t.Errorf("the table has a method %s that etcd lacks", method)
		}
	}
}

func TestAllowed_ByCaller(t *testing.T) {
	read := &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{}}}
	put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{}}}
	remove := &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{}}}
	txn := func(ops ...*pb.RequestOp) *pb.TxnRequest { return &pb.TxnRequest{Success: ops} }
	nested := func(inner *pb.TxnRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: inner}}
	}
	kv := pb.KV_Txn_FullMethodName
	for _, c := range []struct {
		what   string
		method string
		req    any
		least  caller
	}{
		{"range", pb.KV_Range_FullMethodName, &pb.RangeRequest{}, reader},
		{"watch", pb.Watch_Watch_FullMethodName, nil, reader},
		{"put", pb.KV_Put_FullMethodName, &pb.PutRequest{}, application},
		{"lock", v3lockpb.Lock_Lock_FullMethodName, &v3lockpb.LockRequest{}, application},
		{"compaction", pb.KV_Compact_FullMethodName, &pb.CompactionRequest{}, local},
		{"a list of alarms", pb.Maintenance_Alarm_FullMethodName, &pb.AlarmRequest{MemberID: 1}, reader},
		{"an alarm", pb.Maintenance_Alarm_FullMethodName, &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE}, local},
		{"the end of an alarm", pb.Maintenance_Alarm_FullMethodName, &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE}, local},
		{"a method of a later etcd", "/etcdserverpb.KV/Later", &pb.RangeRequest{}, local},
		{"no operation", kv, txn(), reader},
		{"reads", kv, txn(read, nested(txn(read))), reader},
		{"a put", kv, txn(read, put), application},
		{"a removal", kv, txn(remove), application},
		{"a put in the other branch", kv, &pb.TxnRequest{Failure: []*pb.RequestOp{put}}, application},
		{"a nested put", kv, txn(read, nested(txn(nested(txn(put))))), application},
		{"a nested put in the other branch", kv,
			txn(nested(&pb.TxnRequest{Success: []*pb.RequestOp{read}, Failure: []*pb.RequestOp{put}})), application},
		{"an empty operation", kv, txn(&pb.RequestOp{}), application},
		{"no transaction", kv, nil, application},
	} {
		for _, who := range []caller{reader, application, local} {
			if got, want := allows(c.method, who, c.req), who >= c.least; got != want {
				t.Errorf("%s: caller %d allowed: %v, want %v", c.what, who, got, want)
			}
		}
	}
}

// attack is a call of one method, and what it would change.
type attack struct {
	method string
	path   string // of the JSON route; "" if there is none
	req    proto.Message
}

// attacks returns a call of every method that applications can't call. Each does harm where it is carried out.
func attacks(id uint64) []attack {
	return []attack{
		{pb.KV_Compact_FullMethodName, "/v3/kv/compaction", &pb.CompactionRequest{Revision: 2, Physical: true}},
		{pb.Cluster_MemberAdd_FullMethodName, "/v3/cluster/member/add", &pb.MemberAddRequest{PeerURLs: []string{"http://127.0.0.1:1"}, IsLearner: true}},
		{pb.Cluster_MemberPromote_FullMethodName, "/v3/cluster/member/promote", &pb.MemberPromoteRequest{ID: id}},
		{pb.Cluster_MemberUpdate_FullMethodName, "/v3/cluster/member/update", &pb.MemberUpdateRequest{ID: id, PeerURLs: []string{"http://127.0.0.1:1"}}},
		{pb.Cluster_MemberRemove_FullMethodName, "/v3/cluster/member/remove", &pb.MemberRemoveRequest{ID: id}},
		{pb.Maintenance_Alarm_FullMethodName, "/v3/maintenance/alarm",
			&pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: id, Alarm: pb.AlarmType_NOSPACE}},
		{pb.Maintenance_Defragment_FullMethodName, "/v3/maintenance/defragment", &pb.DefragmentRequest{}},
		{pb.Maintenance_Hash_FullMethodName, "/v3/maintenance/hash", &pb.HashRequest{}},
		{pb.Maintenance_HashKV_FullMethodName, "/v3/maintenance/hashkv", &pb.HashKVRequest{}},
		{pb.Maintenance_Snapshot_FullMethodName, "/v3/maintenance/snapshot", &pb.SnapshotRequest{}},
		{pb.Maintenance_MoveLeader_FullMethodName, "/v3/maintenance/transfer-leadership", &pb.MoveLeaderRequest{TargetID: id}},
		{pb.Maintenance_Downgrade_FullMethodName, "/v3/maintenance/downgrade",
			&pb.DowngradeRequest{Action: pb.DowngradeRequest_ENABLE, Version: "3.6.0"}},
		{pb.Auth_RoleAdd_FullMethodName, "/v3/auth/role/add", &pb.AuthRoleAddRequest{Name: "stranger"}},
		{pb.Auth_RoleGet_FullMethodName, "/v3/auth/role/get", &pb.AuthRoleGetRequest{Role: "root"}},
		{pb.Auth_RoleList_FullMethodName, "/v3/auth/role/list", &pb.AuthRoleListRequest{}},
		{pb.Auth_RoleGrantPermission_FullMethodName, "/v3/auth/role/grant", &pb.AuthRoleGrantPermissionRequest{Name: "kept"}},
		{pb.Auth_RoleRevokePermission_FullMethodName, "/v3/auth/role/revoke", &pb.AuthRoleRevokePermissionRequest{Role: "kept", Key: []byte("k")}},
		{pb.Auth_RoleDelete_FullMethodName, "/v3/auth/role/delete", &pb.AuthRoleDeleteRequest{Role: "kept"}},
		{pb.Auth_UserAdd_FullMethodName, "/v3/auth/user/add", &pb.AuthUserAddRequest{Name: "stranger", Password: "secret"}},
		{pb.Auth_UserGet_FullMethodName, "/v3/auth/user/get", &pb.AuthUserGetRequest{Name: "root"}},
		{pb.Auth_UserList_FullMethodName, "/v3/auth/user/list", &pb.AuthUserListRequest{}},
		{pb.Auth_UserChangePassword_FullMethodName, "/v3/auth/user/changepw", &pb.AuthUserChangePasswordRequest{Name: "root", Password: "other"}},
		{pb.Auth_UserGrantRole_FullMethodName, "/v3/auth/user/grant", &pb.AuthUserGrantRoleRequest{User: "root", Role: "kept"}},
		{pb.Auth_UserRevokeRole_FullMethodName, "/v3/auth/user/revoke", &pb.AuthUserRevokeRoleRequest{Name: "root", Role: "root"}},
		{pb.Auth_UserDelete_FullMethodName, "/v3/auth/user/delete", &pb.AuthUserDeleteRequest{Name: "root"}},
		{pb.Auth_AuthStatus_FullMethodName, "/v3/auth/status", &pb.AuthStatusRequest{}},
		{pb.Auth_Authenticate_FullMethodName, "/v3/auth/authenticate", &pb.AuthenticateRequest{Name: "root", Password: "secret"}},
		{pb.Auth_AuthEnable_FullMethodName, "/v3/auth/enable", &pb.AuthEnableRequest{}},
		{pb.Auth_AuthDisable_FullMethodName, "/v3/auth/disable", &pb.AuthDisableRequest{}},
	}
}

// uses returns a call of every method that applications can call, which works. leader has won an election by the lease.
func uses(lease int64, leader *v3electionpb.LeaderKey) []attack {
	return []attack{
		{pb.KV_Range_FullMethodName, "/v3/kv/range", &pb.RangeRequest{Key: []byte("k")}},
		{pb.KV_RangeStream_FullMethodName, "", &pb.RangeRequest{Key: []byte("k")}},
		{pb.KV_Put_FullMethodName, "/v3/kv/put", &pb.PutRequest{Key: []byte("used"), Value: []byte("v")}},
		{pb.KV_DeleteRange_FullMethodName, "/v3/kv/deleterange", &pb.DeleteRangeRequest{Key: []byte("used")}},
		{pb.KV_Txn_FullMethodName, "/v3/kv/txn", &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{
			RequestPut: &pb.PutRequest{Key: []byte("used"), Value: []byte("v")}}}}}},
		{pb.Watch_Watch_FullMethodName, "/v3/watch", &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
			CreateRequest: &pb.WatchCreateRequest{Key: []byte("k")}}}},
		{pb.Lease_LeaseGrant_FullMethodName, "/v3/lease/grant", &pb.LeaseGrantRequest{TTL: 60}},
		{pb.Lease_LeaseKeepAlive_FullMethodName, "/v3/lease/keepalive", &pb.LeaseKeepAliveRequest{ID: lease}},
		{pb.Lease_LeaseTimeToLive_FullMethodName, "/v3/lease/timetolive", &pb.LeaseTimeToLiveRequest{ID: lease}},
		{pb.Lease_LeaseLeases_FullMethodName, "/v3/lease/leases", &pb.LeaseLeasesRequest{}},
		{pb.Cluster_MemberList_FullMethodName, "/v3/cluster/member/list", &pb.MemberListRequest{Linearizable: true}},
		{pb.Maintenance_Status_FullMethodName, "/v3/maintenance/status", &pb.StatusRequest{}},
		{pb.Maintenance_Alarm_FullMethodName, "/v3/maintenance/alarm", &pb.AlarmRequest{}},
		{v3lockpb.Lock_Lock_FullMethodName, "/v3/lock/lock", &v3lockpb.LockRequest{Name: []byte("mutex"), Lease: lease}},
		{v3lockpb.Lock_Unlock_FullMethodName, "/v3/lock/unlock", &v3lockpb.UnlockRequest{Key: []byte("mutex/1")}},
		{v3electionpb.Election_Campaign_FullMethodName, "/v3/election/campaign",
			&v3electionpb.CampaignRequest{Name: []byte("e"), Lease: lease, Value: []byte("v")}},
		{v3electionpb.Election_Leader_FullMethodName, "/v3/election/leader", &v3electionpb.LeaderRequest{Name: []byte("e")}},
		{v3electionpb.Election_Observe_FullMethodName, "/v3/election/observe", &v3electionpb.LeaderRequest{Name: []byte("e")}},
		{v3electionpb.Election_Proclaim_FullMethodName, "/v3/election/proclaim", &v3electionpb.ProclaimRequest{Leader: leader, Value: []byte("w")}},
		{v3electionpb.Election_Resign_FullMethodName, "/v3/election/resign", &v3electionpb.ResignRequest{Leader: leader}},
		{healthpb.Health_Check_FullMethodName, "", &healthpb.HealthCheckRequest{}},
		{healthpb.Health_List_FullMethodName, "", &healthpb.HealthListRequest{}},
		{healthpb.Health_Watch_FullMethodName, "", &healthpb.HealthCheckRequest{}},
		{pb.Lease_LeaseRevoke_FullMethodName, "/v3/lease/revoke", &pb.LeaseRevokeRequest{ID: lease}},
	}
}

// conn returns a gRPC connection to the client port.
func (in *instance) conn() *grpc.ClientConn {
	in.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+in.endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// callGRPC calls a method and returns the error with which the first response came. All methods can be called as
// streams.
func callGRPC(ctx context.Context, conn *grpc.ClientConn, a attack) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, a.method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(a.req); err != nil && err != io.EOF {
		return err
	}
	switch a.method { // a client of these sends more than one message
	case pb.Watch_Watch_FullMethodName, pb.Lease_LeaseKeepAlive_FullMethodName:
	default:
		if err := stream.CloseSend(); err != nil {
			return err
		}
	}
	return stream.RecvMsg(new(emptypb.Empty))
}

// callJSON calls a JSON route and returns the status code and the beginning of the body.
func callJSON(ctx context.Context, in *instance, a attack) (code int, text string) {
	in.t.Helper()
	body, err := protojson.Marshal(a.req)
	if err != nil {
		in.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+in.endpoint()+a.path, strings.NewReader(string(body)))
	if err != nil {
		in.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		in.t.Fatalf("%s: %v", a.path, err)
	}
	defer resp.Body.Close()
	begin := make([]byte, 1024)
	n, _ := resp.Body.Read(begin) // of a stream the first message
	return resp.StatusCode, string(begin[:n])
}

// local returns a client of the instance's socket.
func (in *instance) local() *clientv3.Client {
	in.t.Helper()
	client, err := dialSocket(in.folder)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = client.Close() })
	return client
}

// localAs returns a client of the instance's socket with a user.
func (in *instance) localAs(user, password string) *clientv3.Client {
	in.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + filepath.Join(in.folder, etcdSocket)},
		Username: user, Password: password, Logger: zap.NewNop()})
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = client.Close() })
	return client
}

// administered describes what only the socket may change: members, alarms, users, roles, authentication, the leader,
// the target of a downgrade, and whether old revisions are kept.
func administered(t *testing.T, in *instance) string {
	t.Helper()
	ctx, cancel := clientContext(t)
	defer cancel()
	client := in.local()
	var found []any
	note := func(value any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, value)
	}
	members, err := client.MemberList(ctx)
	note(members.Members, err)
	alarms, err := client.AlarmList(ctx)
	note(alarms.Alarms, err)
	users, err := client.UserList(ctx)
	note(users.Users, err)
	root, err := client.UserGet(ctx, "root")
	note(root.Roles, err)
	roles, err := client.RoleList(ctx)
	note(roles.Roles, err)
	kept, err := client.RoleGet(ctx, "kept")
	note(kept.Perm, err)
	auth, err := client.AuthStatus(ctx)
	note([]any{auth.Enabled, auth.AuthRevision}, err)
	status, err := pb.NewMaintenanceClient(client.ActiveConnection()).Status(ctx, &pb.StatusRequest{})
	note([]any{status.Leader, status.DowngradeInfo}, err)
	old, err := client.Get(ctx, "k", clientv3.WithRev(2))
	note(old.Kvs, err)
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whoever reaches a client port can use the store and nothing else, over gRPC and JSON, on data instances and gateways.
func TestAllowed_OverTheClientPort(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	data := store[0]
	startAll(store)
	ctx, cancel := context.WithTimeout(t.Context(), 6*clientLimit)
	defer cancel()
	data.put("k", "v")
	data.put("k", "w")
	socket := data.local()
	for _, err := range []error{
		fail(socket.UserAdd(ctx, "root", "secret")), fail(socket.UserGrantRole(ctx, "root", "root")), fail(socket.RoleAdd(ctx, "kept")),
		fail(socket.RoleGrantPermission(ctx, "kept", "k", "", clientv3.PermissionType(clientv3.PermRead))),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	members, err := socket.MemberList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	before := administered(t, data)
	for _, in := range store {
		conn := in.conn()
		var called []string
		for _, a := range attacks(members.Members[0].ID) {
			called = append(called, a.method)
			grpcErr := callGRPC(ctx, conn, a)
			code, text := callJSON(ctx, in, a)
			name := strings.TrimPrefix(a.method, "/")
			if status.Code(grpcErr) != codes.PermissionDenied || !strings.Contains(status.Convert(grpcErr).Message(), name+" is not open to applications: use ") {
				t.Errorf("%s: %s: %v", in.spec.Role, a.method, grpcErr)
			}
			if code != http.StatusForbidden || !strings.Contains(text, name+" is not open to applications: use ") {
				t.Errorf("%s: %s: %d, %s", in.spec.Role, a.path, code, text)
			}
			if after := administered(t, data); after != before {
				t.Fatalf("%s: after %s the store has\n%s, before\n%s", in.spec.Role, a.method, after, before)
			}
		}
		if err := callGRPC(ctx, conn, attack{"/etcdserverpb.KV/Later", "", &pb.RangeRequest{}}); status.Code(err) != codes.PermissionDenied &&
			status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: a method of a later etcd: %v", in.spec.Role, err)
		}
		for _, json := range []bool{false, true} {
			lease, err := in.client().Grant(ctx, 60)
			if err != nil {
				t.Fatal(err)
			}
			won, err := v3electionpb.NewElectionClient(conn).Campaign(ctx,
				&v3electionpb.CampaignRequest{Name: []byte("e"), Lease: int64(lease.ID), Value: []byte("v")})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range uses(int64(lease.ID), won.Leader) {
				if !json {
					called = append(called, a.method)
					if err := callGRPC(ctx, conn, a); err != nil {
						t.Errorf("%s: %s: %v", in.spec.Role, a.method, err)
					}
				} else if a.path != "" {
					if code, text := callJSON(ctx, in, a); code != http.StatusOK || strings.Contains(text, `"error"`) {
						t.Errorf("%s: %s: %d, %s", in.spec.Role, a.path, code, text)
					}
				}
			}
		}
		for method := range methods {
			if !slices.Contains(called, method) {
				t.Errorf("%s: %s was not tried", in.spec.Role, method)
			}
		}
		if got := in.get("used"); got != "v" {
			t.Errorf("%s: written by a transaction: %q", in.spec.Role, got)
		}
	}

	// The same works over the socket, so that the state above could have changed.
	for _, err := range []error{
		fail(socket.AlarmList(ctx)), fail(socket.Defragment(ctx, etcdSocket)), fail(socket.AuthEnable(ctx)),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	data.state("locked", stateIs(usersOnly))
}

// fail returns the error of a call.
func fail[T any](_ T, err error) error { return err }

// A call over the client port that may come from a web page is refused, as one over HTTP/1 is.
func TestAllowed_PagesOverGRPC(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	startAll(store)
	for _, in := range store {
		for what, c := range map[string]struct {
			md        metadata.MD
			authority string
			want      string
		}{
			"an origin":       {metadata.Pairs("origin", "http://evil.example"), "", webPageRefused},
			"a fetching page": {metadata.Pairs("sec-fetch-site", "cross-site"), "", webPageRefused},
			"a foreign host":  {nil, "evil.example:7861", foreignHost},
			"its address":     {nil, in.endpoint(), ""},
			"localhost":       {nil, "localhost:7861", ""},
			"a gateway's key": {metadata.Pairs(forwardedKey, "1"), "", ""},
		} {
			options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
			if c.authority != "" {
				options = append(options, grpc.WithAuthority(c.authority))
			}
			conn, err := grpc.NewClient("passthrough:///"+in.endpoint(), options...)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := clientContext(t)
			ctx = metadata.NewOutgoingContext(ctx, c.md)
			for _, a := range []attack{
				{pb.KV_Put_FullMethodName, "", &pb.PutRequest{Key: []byte(what), Value: []byte("v")}},
				{pb.KV_RangeStream_FullMethodName, "", &pb.RangeRequest{Key: []byte(what)}},
			} {
				if got := status.Convert(callGRPC(ctx, conn, a)).Message(); got != c.want {
					t.Errorf("%s: %s with %s: %q, want %q", in.spec.Role, a.method, what, got, c.want)
				}
			}
			cancel()
			conn.Close()
			if written := in.get(what) != ""; written != (c.want == "") {
				t.Errorf("%s: with %s: written: %v", in.spec.Role, what, written)
			}
		}
		storetest.Eventually(t, startLimit, "the store works", func() error { return storetest.TryPut(in.node(), "k", "v") })
	}
}
