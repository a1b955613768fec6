package etcd

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"go.etcd.io/etcd/client/pkg/v3/tlsutil"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/instancekeys"
)

// Limits of every store.
const (
	quotaBytes      = 2 << 30
	maxRequestBytes = 3 << 19 // 1.5 MiB
	snapshotCount   = 10_000  // writes between two snapshots of the raft log
	// compactionRetention bounds how much of the quota old revisions take under full load, and how long a watch can be
	// disconnected and still resume.
	compactionRetention = "5m"
	// maxLearners is the number of instances that can join at once. All members must have the same value.
	maxLearners = 5
)

// memberConfig returns the etcd configuration of a data instance.
func memberConfig(folder string, spec engine.Spec, logger *zap.Logger) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name = spec.Instance
	cfg.Dir = filepath.Join(folder, spec.DataDir)
	cfg.InitialClusterToken = spec.Store + "-" + spec.Operation
	cfg.InitialCluster = initialCluster(spec)
	cfg.ClusterState = embed.ClusterStateFlagNew
	if spec.Start == engine.Join {
		cfg.ClusterState = embed.ClusterStateFlagExisting
	}
	cfg.ListenPeerUrls = []url.URL{portURL(spec, bindIP(spec.Bind), spec.ClustronPort)}
	cfg.ListenClientUrls = []url.URL{socketURL(folder)} // port.go serves the client port
	cfg.AdvertisePeerUrls = []url.URL{portURL(spec, spec.Host, spec.ClustronPort)}
	cfg.AdvertiseClientUrls = []url.URL{portURL(spec, spec.Host, spec.ClientPort)}
	if spec.SecuredCluster() {
		securePeers(cfg, folder, spec)
	}

	cfg.QuotaBackendBytes = quotaBytes
	cfg.MaxRequestBytes = maxRequestBytes
	cfg.SnapshotCount = snapshotCount
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = compactionRetention
	cfg.MaxLearners = maxLearners
	cfg.StrictReconfigCheck = true
	cfg.PreVote = true
	cfg.EnableGRPCGateway = false // json.go serves its routes, without web pages
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)
	return cfg
}

// peerSocket is the unix socket that etcd listens on for peers where the cluster port is served by peers.go. Nothing
// connects to it.
const peerSocket = "peer.sock"

// securePeers makes etcd connect to other members over TLS, and leaves the cluster port to peers.go. etcd accepts
// servers whose certificates have the name of the store, which those of other stores don't have. It reads the
// certificate for each connection, and the roots at the start. It can't be told who else is revoked, or which server
// has made a certificate: see severance.
func securePeers(cfg *embed.Config, folder string, spec engine.Spec) {
	certificate := filepath.Join(folder, instancekeys.CertificateFile)
	cfg.ListenPeerUrls = []url.URL{{Scheme: "unix", Host: filepath.Join(folder, peerSocket)}}
	cfg.TlsMinVersion = string(tlsutil.TLSVersion13)
	cfg.PeerTLSInfo = transport.TLSInfo{
		CertFile: certificate, KeyFile: certificate,
		TrustedCAFile: filepath.Join(folder, instancekeys.RootsFile),
		ServerName:    spec.ClusterName, AllowedHostnames: []string{spec.ClusterName},
	}
}

// initialCluster returns etcd's initial-cluster, which etcd ignores once there is data.
func initialCluster(spec engine.Spec) string {
	if spec.Start == engine.Resume {
		self := portURL(spec, spec.Host, spec.ClustronPort)
		return spec.Instance + "=" + self.String()
	}
	members := make([]string, len(spec.Peers))
	for i, p := range spec.Peers {
		members[i] = p.Name + "=" + scheme(spec.SecuredCluster()) + "://" + p.Address
	}
	return strings.Join(members, ",")
}

// bindIP returns the IP to bind to: etcd needs an explicit one for all addresses.
func bindIP(bind string) string {
	if bind != "" {
		return bind
	}
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return "0.0.0.0"
	}
	probe.Close()
	return "::"
}

// etcdSocket is the unix socket in an instance's folder through which this server administers etcd. Only the folder's
// owner can open it, and everything is allowed to whoever does.
const etcdSocket = "etcd.sock"

// socketURL returns the URL to listen on. An instance process runs in its folder, so the path is short: the address of
// a unix socket is limited to 108 bytes.
func socketURL(folder string) url.URL {
	return url.URL{Scheme: "unix", Path: filepath.Join(folder, etcdSocket)}
}

// portURL returns the URL of a port. That of a client port is known to applications that follow the member list: while
// the store's cluster ports are plain, so may be its clients.
func portURL(spec engine.Spec, host string, port int) url.URL {
	return url.URL{Scheme: scheme(spec.SecuredCluster()), Host: net.JoinHostPort(host, strconv.Itoa(port))}
}
