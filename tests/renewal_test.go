package tests

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	credentials "dkvrun/runtime/identity"
)

// renewalLoad is what applications do at one client port while certificates are renewed. No request is repeated: each
// one that fails, and each stream, is one of the failures.
type renewalLoad struct {
	address  string
	config   *tls.Config
	gateway  bool
	requests atomic.Int64
	mu       sync.Mutex
	failures []string
}

func (l *renewalLoad) fail(what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, fmt.Sprintf("%s of %s: %v", what, l.address, err))
}

// json reads a key over and over, on one connection.
func (l *renewalLoad) json(ctx context.Context) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: l.config.Clone()}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		if err := l.read(client); err != nil {
			l.fail("JSON", err)
		}
		l.requests.Add(1)
	}
}

func (l *renewalLoad) read(client *http.Client) error {
	resp, err := client.Post("https://"+l.address+"/v3/kv/range", "application/json", strings.NewReader(`{"key":"aw=="}`))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return err
}

// known waits until the instance takes the application's credential.
func (l *renewalLoad) known() error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: l.config.Clone()}}
	defer client.CloseIdleConnections()
	return poll(30*time.Second, func() error { return l.read(client) })
}

// grpc writes a key over and over, on one connection, and follows it in one stream, which has to tell each write.
func (l *renewalLoad) grpc(ctx context.Context, key string) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"https://" + l.address}, TLS: l.config.Clone()})
	if err != nil {
		l.fail("the client", err)
		return
	}
	defer client.Close()
	following, cancel := context.WithCancel(context.Background())
	defer cancel()
	next, err := l.follow(following, client, key)
	if err != nil {
		l.fail("the stream", err)
		return
	}
	for n := 0; ctx.Err() == nil; n++ {
		put, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := client.Put(put, key, fmt.Sprint(n))
		cancel()
		l.requests.Add(1)
		if err != nil {
			l.fail("Put", err)
			continue
		}
		told, err := next()
		if err == nil && told != fmt.Sprint(n) {
			err = fmt.Errorf("after write %d it tells %q", n, told)
		}
		if err != nil {
			l.fail("the stream", err)
			return
		}
	}
}

// follow follows a key, and returns a function that returns what was written next.
func (l *renewalLoad) follow(ctx context.Context, client *clientv3.Client, key string) (func() (string, error), error) {
	if l.gateway {
		// A stream through a gateway ends with the certificate that the gateway had when it began. A client of etcd
		// takes it up where it was.
		events := client.Watch(ctx, key, clientv3.WithCreatedNotify())
		if created := <-events; created.Err() != nil {
			return nil, created.Err()
		}
		return func() (string, error) {
			told := <-events
			if told.Err() != nil || len(told.Events) != 1 {
				return "", fmt.Errorf("%d events: %w", len(told.Events), told.Err())
			}
			return string(told.Events[0].Kv.Value), nil
		}, nil
	}
	stream, err := pb.NewWatchClient(client.ActiveConnection()).Watch(ctx) // it ends for good at a failure
	if err == nil {
		create := &pb.WatchCreateRequest{Key: []byte(key)}
		err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}})
	}
	if err == nil {
		_, err = stream.Recv() // that the watch was created
	}
	return func() (string, error) {
		told, err := stream.Recv()
		if err == nil && len(told.Events) != 1 {
			err = fmt.Errorf("it tells %v", told)
		}
		if err != nil {
			return "", err
		}
		return string(told.Events[0].Kv.Value), nil
	}, err
}

// certificatesOf returns the serial numbers of the certificates of all managers and instances, by their name, and when
// the last of them ends.
func certificatesOf(a *accessRun) (map[string]string, time.Time) {
	a.t.Helper()
	out, last := map[string]string{}, time.Time{}
	said := a.must("home", `for _, row in ipairs(list_certificates():check()) do
  print("row", row.who, row.serial, row.not_after)
end`, "-q")
	for line := range strings.Lines(said) {
		cells := strings.Split(strings.TrimSpace(line), "\t")
		if len(cells) != 4 {
			a.t.Fatalf("got %q", said)
		}
		ends, err := time.Parse(time.RFC3339, cells[3])
		if err != nil {
			a.t.Fatal(err)
		}
		if out[cells[1]] = cells[2]; ends.After(last) {
			last = ends
		}
	}
	return out, last
}

// The certificates of all managers and instances, a gateway among them, are renewed and the earlier ones end, while
// applications read, write and follow keys at each client port: no request fails, and no stream loses a write.
func TestRenewal_UnderLoad(t *testing.T) {
	t.Parallel()
	s := newSecuredRun(t)
	// A certificate is renewed after 10 s, and ends after 16 s.
	s.variables = []string{"DKV_LEAF_LIFETIME=16s", "DKV_LEAF_BACKDATE=1s", "DKV_RENEW_EVERY=500ms"}
	a := &accessRun{s, []string{"127.49.1.11", "127.49.1.12", "127.49.1.13"}}
	serve := func(host string, line ...string) string {
		line = append(line, "--listen", host+":7801", "--data-dir", a.file(host))
		return s.startProgram("dkvmanager-failpoints", "", host, line...)
	}
	join := strings.Fields(serve(a.hosts[0], "init", "--cluster", "prod"))[1:]
	serve(a.hosts[1], join...)
	serve(a.hosts[2], join...)
	a.must("home", `new_store{"S", instance_prefix = "s"}:check() add_instance{"S", hosts = "`+a.hosts[0]+`"}:check()
start_store{"S", parallel = true}:check() wait_ready("S")
local roles = {} for _, i in ipairs(store_status("S"):check().instances) do roles[#roles + 1] = i.role end
assert(table.concat(roles, " "):find("gateway"), table.concat(roles, " "))`)
	said, err := s.command("home", "dkvmanager", "credential", "--data-dir", a.file(a.hosts[0]), "--app", "web", "--store", "S",
		"--ttl", "1h", "--out", a.file("web.pem")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	bundle, err := credentials.Load(a.file("web.pem"))
	if err != nil {
		t.Fatal(err)
	}
	config := credentials.Client{
		Credentials: func() []*credentials.Bundle { return []*credentials.Bundle{bundle} },
		Policy: func(b *credentials.Bundle) *credentials.Policy {
			return &credentials.Policy{Roots: b.Roots, Cluster: "prod", Now: time.Now}
		},
	}.Config()

	ports := []string{a.hosts[0] + ":7861", a.hosts[1] + ":7861", a.hosts[2] + ":7861", a.hosts[0] + ":7862"}
	var loads []*renewalLoad
	for _, address := range ports {
		l := &renewalLoad{address: address, config: config, gateway: strings.HasSuffix(address, ":7862")}
		if err := l.known(); err != nil {
			t.Fatal(err)
		}
		loads = append(loads, l)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for _, l := range loads {
		running.Go(func() { l.json(ctx) })
		running.Go(func() { l.grpc(ctx, "k"+l.address) })
	}
	first, ends := certificatesOf(a)
	if len(first) != len(a.hosts)+len(ports) {
		t.Fatalf("the certificates are %v", first)
	}
	err = poll(90*time.Second, func() error {
		now, _ := certificatesOf(a)
		for _, who := range slices.Sorted(maps.Keys(first)) {
			if now[who] == first[who] {
				return fmt.Errorf("the certificate of %s is not renewed", who)
			}
		}
		if time.Now().Before(ends) {
			return fmt.Errorf("the first certificates are valid until %s", ends)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	before := make([]int64, len(loads))
	for i, l := range loads {
		before[i] = l.requests.Load()
	}
	err = poll(30*time.Second, func() error { // the load goes on after the end of the first certificates
		for i, l := range loads {
			if l.requests.Load() < before[i]+20 {
				return fmt.Errorf("%s: %d requests", l.address, l.requests.Load()-before[i])
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	stop()
	running.Wait()
	for _, l := range loads {
		t.Logf("%s: %d requests", l.address, l.requests.Load())
		if len(l.failures) > 0 {
			t.Errorf("%d failures, the first: %s", len(l.failures), l.failures[0])
		}
	}
}
