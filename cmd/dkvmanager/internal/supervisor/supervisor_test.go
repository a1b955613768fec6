package supervisor

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine/etcd"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/runtime/wire"
)

// TestMain makes the test binary an instance process when it is called as the supervisor calls one.
func TestMain(m *testing.M) {
	if len(os.Args) < 3 || os.Args[1] != "instance" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := process.Run(ctx, etcd.New(), os.Args[len(os.Args)-1], nil, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// blocks counts the address blocks 127.22.x that tests have taken.
var blocks atomic.Int32

// cluster is a few servers, each with a catalog and a supervisor of its own.
type cluster struct {
	t       *testing.T
	servers []*server
	nodes   map[string][]wire.Node // by store
}

type server struct {
	t       *testing.T
	host    string
	dir     string
	catalog *catalog.Catalog
	*Supervisor
	drop func() // ends Run and lets the catalog go; instances stay
}

func newCluster(t *testing.T, servers int) *cluster {
	t.Helper()
	c := &cluster{t: t, nodes: map[string][]wire.Node{}}
	block := blocks.Add(1)
	for i := range servers {
		s := &server{t: t, host: fmt.Sprintf("127.22.%d.%d", block, 11+i), dir: t.TempDir()}
		s.open()
		c.servers = append(c.servers, s)
		t.Cleanup(s.clear)
	}
	return c
}

// open starts a supervisor on the server's folder.
func (s *server) open() {
	s.t.Helper()
	cat, err := catalog.Open(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	sup, err := New(Options{
		Dir: filepath.Join(s.dir, "instances"), Bind: s.host,
		Owns:   func(n wire.Node) bool { return n.Host == s.host },
		Engine: etcd.New(), Catalog: cat, Executable: executable,
		Log: slog.New(slog.NewTextHandler(testWriter{s.t, s.host}, nil)),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sup.Run(ctx) }()
	s.catalog, s.Supervisor = cat, sup
	s.drop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Run: %v", err)
		}
		if err := cat.Close(); err != nil {
			s.t.Errorf("close catalog: %v", err)
		}
	})
}

// clear kills what a test has left running.
func (s *server) clear() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.StopAll(ctx); err != nil {
		s.t.Error(err)
	}
	s.drop()
	if s.t.Failed() {
		logs, _ := filepath.Glob(filepath.Join(s.dir, "instances", "*", "*", "log"))
		for _, path := range logs {
			text, _ := tail(filepath.Dir(path), 15)
			s.t.Logf("%s ends:\n%s", path, text)
		}
	}
}

// testWriter logs to a test.
type testWriter struct {
	t    *testing.T
	host string
}

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s %s", w.host, bytes.TrimSpace(p))
	return len(p), nil
}

// node plans a node; ports grow with the index.
func (s *server) node(name string, index int) wire.Node {
	return wire.Node{Name: name, Host: s.host, ClustronPort: 7811 + index, ClientPort: 7861 + index}
}

// spread plans instances in turn on all servers.
func (c *cluster) spread(prefix string, from, to int) []wire.Node {
	var nodes []wire.Node
	for i := from; i <= to; i++ {
		s := c.servers[(i-1)%len(c.servers)]
		nodes = append(nodes, s.node(fmt.Sprintf("%s-%d", prefix, i), (i-1)/len(c.servers)))
	}
	return nodes
}

// create puts a store into every catalog, as stopped.
func (c *cluster) create(store string, nodes []wire.Node) {
	c.t.Helper()
	nodes = wire.AssignRoles(nodes)
	c.nodes[store] = nodes
	for _, s := range c.servers {
		s.change(func(d *catalog.Data) {
			made := &catalog.Store{Name: store, Engine: "etcd", Operation: "op-" + store, Revision: 1, Epoch: 1,
				Digest: wire.Digest(store, nodes), Founders: wire.Founders(nodes), Nodes: nodes, Local: map[string]*catalog.Local{}}
			for _, n := range nodes {
				if n.Host == s.host {
					made.Local[n.Name] = &catalog.Local{Desired: wire.DesiredStopped}
				}
			}
			d.Stores[store] = made
		})
	}
}

// widen adds nodes to a store, wanted as given.
func (c *cluster) widen(store string, desired wire.Desired, added ...wire.Node) {
	c.t.Helper()
	nodes := wire.AssignRoles(append(slices.Clone(c.nodes[store]), added...))
	c.nodes[store] = nodes
	for _, s := range c.servers {
		s.change(func(d *catalog.Data) {
			d.Stores[store].Nodes = nodes
			for _, n := range added {
				if n.Host == s.host {
					d.Stores[store].Local[n.Name] = &catalog.Local{Desired: desired}
				}
			}
		})
	}
}

// dismiss drops an instance from the topology.
func (c *cluster) dismiss(store, instance string, loseData bool) {
	c.t.Helper()
	gone := c.node(store, instance)
	nodes := wire.AssignRoles(slices.DeleteFunc(slices.Clone(c.nodes[store]), func(n wire.Node) bool { return n.Name == instance }))
	c.nodes[store] = nodes
	for _, s := range c.servers {
		s.change(func(d *catalog.Data) {
			d.Stores[store].Nodes = nodes
			if local := d.Stores[store].Local[instance]; local != nil {
				local.Leaving, local.LoseData = &gone, loseData
			}
		})
	}
}

func (s *server) change(f func(*catalog.Data)) {
	s.t.Helper()
	if err := s.catalog.Update(func(d *catalog.Data) error { f(d); return nil }); err != nil {
		s.t.Fatal(err)
	}
	s.Poke()
}

func (c *cluster) node(store, instance string) wire.Node {
	c.t.Helper()
	i := slices.IndexFunc(c.nodes[store], func(n wire.Node) bool { return n.Name == instance })
	if i < 0 {
		c.t.Fatalf("no instance %s in store %s", instance, store)
	}
	return c.nodes[store][i]
}

// at is the server of a node.
func (c *cluster) at(n wire.Node) *server {
	return c.servers[slices.IndexFunc(c.servers, func(s *server) bool { return s.host == n.Host })]
}

// start starts all of a store, one after the other.
func (c *cluster) start(store string) {
	c.t.Helper()
	for _, n := range c.nodes[store] {
		c.at(n).mustStart(store, n.Name)
	}
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

// instance is how a server sees one of its instances; its zero value when it has none of that name.
func (s *server) instance(store, instance string) wire.Instance {
	for _, in := range s.Instances(context.Background(), store) {
		if in.Name == instance {
			return in
		}
	}
	return wire.Instance{}
}

// instances are all servers' instances of a store, leaving ones included.
func (c *cluster) instances(store string) []wire.Instance {
	var all []wire.Instance
	for _, s := range c.servers {
		all = append(all, s.Instances(context.Background(), store)...)
	}
	return all
}

// settled says whether all instances of a store are Running and ready, none is leaving, and all data
// instances are marked.
func (c *cluster) settled(store string) bool {
	all := c.instances(store)
	return len(all) == len(c.nodes[store]) && !slices.ContainsFunc(all, func(in wire.Instance) bool {
		return in.Status != wire.Running || !in.Ready || in.Role == wire.Data && !in.Bootstrapped
	})
}

func (c *cluster) waitSettled(store string, limit time.Duration) {
	c.t.Helper()
	wait(c.t, limit, func() (bool, string) {
		return c.settled(store), fmt.Sprintf("store %s is not settled: %s", store, describe(c.instances(store)))
	})
}

func describe(all []wire.Instance) string {
	var b strings.Builder
	for _, in := range all {
		fmt.Fprintf(&b, "\n  %s %s %s pid %d ready %v marked %v restarts %d %s", in.Name, in.Role, in.Status, in.PID, in.Ready, in.Bootstrapped, in.Restarts, in.LastError)
	}
	return b.String()
}

// wait looks until a condition holds.
func wait(t *testing.T, limit time.Duration, look func() (ok bool, otherwise string)) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		ok, otherwise := look()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %s", limit, otherwise)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// call posts to the engine's JSON API of a node.
func call(n wire.Node, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	url := "http://" + net.JoinHostPort(n.Host, strconv.Itoa(n.ClientPort)) + path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", path, resp.Status, text)
	}
	return json.Unmarshal(text, answer)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func put(t *testing.T, n wire.Node, key, value string) {
	t.Helper()
	if err := call(n, "/v3/kv/put", map[string]string{"key": b64(key), "value": b64(value)}, &struct{}{}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, n wire.Node, key string) string {
	t.Helper()
	var answer struct {
		KVs []struct{ Value []byte } `json:"kvs"`
	}
	if err := call(n, "/v3/kv/range", map[string]string{"key": b64(key)}, &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.KVs) == 0 {
		return ""
	}
	return string(answer.KVs[0].Value)
}

// members are the names of a store's members as a node tells them, learners in brackets.
func members(t *testing.T, n wire.Node) string {
	t.Helper()
	var answer struct {
		Members []struct {
			Name      string `json:"name"`
			IsLearner bool   `json:"isLearner"`
		} `json:"members"`
	}
	if err := call(n, "/v3/cluster/member/list", struct{}{}, &answer); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range answer.Members {
		name := m.Name
		if m.IsLearner {
			name = "[" + name + "]"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
