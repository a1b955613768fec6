package etcd

import (
	"testing"

	"go.uber.org/zap"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

func TestConfig_Member(t *testing.T) {
	spec := engine.Spec{Store: "orders", Instance: "orders-2", Operation: "op", Start: engine.Join, DataDir: "data-op",
		Bind: "::1", Host: "fd00::2", ClustronPort: 7811, ClientPort: 7861,
		Peers: []engine.Peer{{Name: "orders-1", Address: "[fd00::1]:7811"}, {Name: "orders-2", Address: "[fd00::2]:7811"}}}
	cfg := memberConfig("folder", spec, zap.NewNop())
	if err := cfg.Validate(); err != nil {
		t.Errorf("etcd refuses the configuration: %v", err)
	}
	for what, pair := range map[string][2]string{
		"data folder":        {cfg.Dir, "folder/data-op"},
		"token":              {cfg.InitialClusterToken, "orders-op"},
		"initial cluster":    {cfg.InitialCluster, "orders-1=http://[fd00::1]:7811,orders-2=http://[fd00::2]:7811"},
		"state":              {cfg.ClusterState, "existing"},
		"peer address":       {cfg.ListenPeerUrls[0].String(), "http://[::1]:7811"},
		"client address":     {cfg.ListenClientUrls[0].String(), "unix://folder/etcd.sock"},
		"advertised peer":    {cfg.AdvertisePeerUrls[0].String(), "http://[fd00::2]:7811"},
		"advertised clients": {cfg.AdvertiseClientUrls[0].String(), "http://[fd00::2]:7861"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %s, want %s", what, pair[0], pair[1])
		}
	}

	spec.Start, spec.Bind, spec.Host = engine.Resume, "", "server-2"
	cfg = memberConfig("folder", spec, zap.NewNop())
	if err := cfg.Validate(); err != nil {
		t.Errorf("etcd refuses to bind to all addresses: %v", err)
	}
	if want := "orders-2=http://server-2:7811"; cfg.InitialCluster != want {
		t.Errorf("initial cluster: got %s, want %s", cfg.InitialCluster, want)
	}
}
