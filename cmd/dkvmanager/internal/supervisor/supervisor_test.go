package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine/etcd"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/wire"
)

// TestMain runs an instance process if the test binary is called like one.
func TestMain(m *testing.M) {
	if len(os.Args) < 3 || os.Args[1] != "instance" {
		os.Exit(m.Run())
	}
	var lifeline *os.File
	if os.Args[2] == "--lifeline" && os.Args[3] == "3" {
		lifeline = os.NewFile(3, "lifeline")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := process.Run(ctx, etcd.New(), os.Args[len(os.Args)-1], lifeline, nil, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// blocks counts the address blocks 127.22.x that tests have taken.
var blocks atomic.Int32

// cluster is a group of servers, each with its catalog and its supervisor.
type cluster struct {
	t       *testing.T
	servers []*server
	// all are the servers, including those that a test has lost.
	all   []*server
	nodes map[string][]wire.Node // by store
}

type server struct {
	t       *testing.T
	cluster *cluster
	host    string
	dir     string
	catalog *catalog.Catalog
	*Supervisor
	close func() // ends Run and closes the catalog; instances go on running
	// unconfirmed makes Confirm fail, as if another manager had an operation in progress.
	unconfirmed atomic.Bool
	// needed makes MayKill fail, as if the store had no majority without any instance.
	needed atomic.Bool
	// dropped means that the stores go on without this server's manager.
	dropped atomic.Bool
	// serving is the supervisor while the manager answers others; it is nil while the manager is down.
	serving  atomic.Pointer[Supervisor]
	identity string
	linesMu  sync.Mutex
	lines    []string // of the log
	// steps counts the steps that this manager has taken for others.
	steps atomic.Int32

	lifeline *os.File
	// secured makes the keys of the server before its supervisor starts; nil for a server that isn't secured.
	secured func(*server) *security.Member
	member  *security.Member
}

func newCluster(t *testing.T, servers int) *cluster {
	t.Helper()
	return newClusterOf(t, servers, nil)
}

// newClusterOf makes a cluster whose servers are secured if secured isn't nil.
func newClusterOf(t *testing.T, servers int, secured func(*server) *security.Member) *cluster {
	t.Helper()
	c := &cluster{t: t, nodes: map[string][]wire.Node{}}
	block := blocks.Add(1)
	for i := range servers {
		s := &server{t: t, cluster: c, host: fmt.Sprintf("127.22.%d.%d", block, 11+i), dir: t.TempDir(), secured: secured}
		s.open()
		c.servers, c.all = append(c.servers, s), append(c.all, s)
		t.Cleanup(s.cleanUp)
	}
	return c
}

// open starts a supervisor on the server's folder.
func (s *server) open() {
	s.t.Helper()
	cat, err := catalog.Open(s.dir, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	if s.secured != nil {
		s.identity = cat.Identity()
		s.member = s.secured(s)
	}
	sup, err := New(Options{
		Dir: filepath.Join(s.dir, "instances"), Bind: s.host,
		Owns:   func(n wire.Node) bool { return n.Host == s.host },
		Engine: etcd.New(), Catalog: cat, Executable: executable, Lifeline: s.lifeline,
		Confirm: s.confirm, Peers: s, OrphanPatience: time.Second,
		MayKill: s.mayKill, HangPatience: time.Second, Security: s.member, Hosts: []string{"orders.example"},
		Log: slog.New(slog.NewTextHandler(testWriter{s}, nil)),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sup.Run(ctx) }()
	s.catalog, s.Supervisor = cat, sup
	if s.identity == "" {
		s.identity = cat.Identity()
	}
	s.serving.Store(sup)
	s.close = sync.OnceFunc(func() {
		s.serving.Store(nil)
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Run: %v", err)
		}
		if s.member != nil {
			err = s.member.Close()
		}
		if err := errors.Join(err, cat.Close()); err != nil {
			s.t.Errorf("close catalog: %v", err)
		}
	})
}

func (s *server) mayKill(_ context.Context, _, instance string) error {
	if s.needed.Load() {
		return errors.New(instance + " is needed")
	}
	return nil
}

// confirm does what the participant does. Of a member whose process is alive every manager has to answer that it has no
// such instance leaving, but those that the store goes on without.
func (s *server) confirm(_ context.Context, store, _, member string) error {
	if s.unconfirmed.Load() {
		return errors.New("another manager has an operation in progress")
	}
	for _, other := range s.cluster.all {
		if member == "" || other.dropped.Load() {
			continue
		}
		sup := other.serving.Load()
		if sup == nil {
			return fmt.Errorf("%s does not answer", other.host)
		}
		for _, n := range leaving(sup.view.Load().Stores[store]) {
			if clusterAddress(n) == member {
				return fmt.Errorf("%s takes it out", other.host)
			}
		}
	}
	return nil
}

// manager returns the server's manager, as topologies name it.
func (s *server) manager() wire.Manager {
	return wire.Manager{Identity: s.identity, URL: "http://" + s.host + ":7801"}
}

// ChangeMember does what the managers' route does, but for the comparison with the topology.
func (s *server) ChangeMember(ctx context.Context, to wire.Manager, from, store string,
	change wire.ChangeMember) error {
	at := func(identity string) *server {
		return s.cluster.all[slices.IndexFunc(s.cluster.all, func(o *server) bool { return o.identity == identity })]
	}
	asked, asking := at(to.Identity).serving.Load(), at(from).serving.Load()
	if asked == nil || asking == nil {
		return fmt.Errorf("manager %s does not answer", to.URL)
	}
	state := wire.StoreState{Asks: asking.Asks(store)}
	ask := state.Asked(change)
	if ask == nil {
		return errors.New("the manager does not ask for it")
	}
	_, _, err := asked.ChangeMember(ctx, store, *ask)
	if err == nil {
		at(to.Identity).steps.Add(1)
	}
	return err
}

// cleanUp kills the instances that a test has left running.
func (s *server) cleanUp() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.StopAll(ctx); err != nil {
		s.t.Error(err)
	}
	s.close()
	if s.t.Failed() {
		logs, _ := filepath.Glob(filepath.Join(s.dir, "instances", "*", "*", "log"))
		for _, path := range logs {
			text, _ := tail(filepath.Dir(path), 15)
			s.t.Logf("%s ends:\n%s", path, text)
		}
	}
}

// testWriter writes to the log of a test.
type testWriter struct{ s *server }

func (w testWriter) Write(p []byte) (int, error) {
	line := string(bytes.TrimSpace(p))
	w.s.t.Logf("%s %s", w.s.host, line)
	w.s.linesMu.Lock()
	defer w.s.linesMu.Unlock()
	w.s.lines = append(w.s.lines, line)
	return len(p), nil
}

// logged returns the lines of all logs of this server's supervisors that contain a text.
func (s *server) logged(text string) []string {
	s.linesMu.Lock()
	defer s.linesMu.Unlock()
	var out []string
	for _, line := range s.lines {
		if strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return out
}

// node returns a node of this server; its ports grow with the index.
func (s *server) node(name string, index int) wire.Node {
	return wire.Node{Name: name, Host: s.host, ClustronPort: 7811 + index, ClientPort: 7861 + index}
}

// crash ends the supervisor and changes the catalog without a notification.
func (s *server) crash(f func(*catalog.Data)) {
	s.t.Helper()
	s.close()
	cat, err := catalog.Open(s.dir, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	err = cat.Update(func(d *catalog.Data) error { f(d); return nil })
	if err := errors.Join(err, cat.Close()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) change(f func(*catalog.Data)) {
	s.t.Helper()
	if err := s.catalog.Update(func(d *catalog.Data) error { f(d); return nil }); err != nil {
		s.t.Fatal(err)
	}
	s.Notify()
}

func (s *server) mustStart(store, instance string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if _, err := s.Start(ctx, store, instance); err != nil {
		s.t.Fatalf("start %s: %v", instance, err)
	}
}

func (s *server) mustStop(store, instance string, force bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if changed, err := s.Stop(ctx, store, instance, force); err != nil || !changed {
		s.t.Fatalf("stop %s: changed %v, error %v", instance, changed, err)
	}
}

// instance returns the status of one of the server's instances, or the zero value if it has none of that name.
func (s *server) instance(store, instance string) wire.Instance {
	for _, in := range s.Instances(context.Background(), store) {
		if in.Name == instance {
			return in
		}
	}
	return wire.Instance{}
}
