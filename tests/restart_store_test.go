package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// rolled is a store of five data instances and a gateway, orders-1 to orders-6, on three managers.
type rolled struct {
	t     *testing.T
	fleet *fleet
	hosts []string
	nodes []wire.Node
}

func newRolled(t *testing.T, block int) *rolled {
	t.Helper()
	r := &rolled{t: t, fleet: &fleet{dir: t.TempDir()}}
	t.Cleanup(r.fleet.close)
	for i := range 3 {
		r.hosts = append(r.hosts, fmt.Sprintf("127.35.%d.%d", block, 11+i))
	}
	if err := r.fleet.start(r.hosts); err != nil {
		t.Fatal(err)
	}
	r.must(`new_store{"OrdersStore", instance_prefix = "orders", instance_count = 2}:check()
start_store{"OrdersStore", parallel = true}:check() wait_ready("OrdersStore")`)
	for i := range 6 {
		n := wire.Node{Name: fmt.Sprintf("orders-%d", i+1), Host: r.hosts[i/2], ClientPort: 7861 + i%2}
		r.nodes = append(r.nodes, n)
	}
	return r
}

// dkvrun returns the command that evaluates a script with the managers.
func (r *rolled) dkvrun(script string) *exec.Cmd {
	return exec.Command(program("dkvrun"), "-q", "-m", strings.Join(r.hosts, ","), "-e", script)
}

// must runs a script that must succeed, and returns its output.
func (r *rolled) must(script string) string {
	r.t.Helper()
	out, err := r.dkvrun(script).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// pids returns the process of each instance, by name.
func (r *rolled) pids() map[string]string {
	r.t.Helper()
	pids := map[string]string{}
	lines := r.must(`for _, n in ipairs(store_status("OrdersStore").instances) do print(n.name, n.pid) end`)
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		name, pid, _ := strings.Cut(line, "\t")
		pids[name] = pid
	}
	return pids
}

// restarted counts the instances that have another process than before.
func (r *rolled) restarted(before map[string]string) int {
	r.t.Helper()
	n := 0
	for name, pid := range r.pids() {
		if before[name] != pid {
			n++
		}
	}
	return n
}

// address returns host:port of a node's client port.
func address(n wire.Node) string { return net.JoinHostPort(n.Host, strconv.Itoa(n.ClientPort)) }

// storeLoad writes and reads all the time, as an application does: through every instance, and through the next one
// after a failure.
type storeLoad struct {
	nodes   []wire.Node
	client  http.Client
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	acked   map[string]string
	last    time.Time
	longest time.Duration // between two acknowledged writes
	failed  int
	wrong   []string
}

func startLoad(nodes []wire.Node) *storeLoad {
	ctx, stop := context.WithCancel(context.Background())
	l := &storeLoad{nodes: nodes, stop: stop, acked: map[string]string{}, last: time.Now(),
		client: http.Client{Timeout: 2 * time.Second}}
	for i := range nodes {
		l.running.Go(func() { l.write(ctx, i) })
	}
	return l
}

func (l *storeLoad) write(ctx context.Context, writer int) {
	at := writer
	for n := 0; ctx.Err() == nil; n++ {
		key, value := fmt.Sprintf("load/%d/%06d", writer, n), fmt.Sprint(n)
		for ctx.Err() == nil && l.call(at, "/v3/kv/put", map[string][]byte{"key": []byte(key), "value": []byte(value)}, nil) != nil {
			l.fail()
			at = (at + 1) % len(l.nodes)
		}
		if ctx.Err() != nil {
			return // it may have been written or not
		}
		l.ack(key, value)
		if got, err := l.read(at, key); err == nil && got != value {
			l.mu.Lock()
			l.wrong = append(l.wrong, fmt.Sprintf("%s was read as %q through %s", key, got, l.nodes[at].Name))
			l.mu.Unlock()
		}
	}
}

func (l *storeLoad) call(at int, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := l.client.Post("http://"+address(l.nodes[at])+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", resp.Status)
	}
	if into == nil {
		into = &struct{}{}
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func (l *storeLoad) read(at int, key string) (string, error) {
	var answer struct {
		KVs []struct{ Value []byte } `json:"kvs"`
	}
	err := l.call(at, "/v3/kv/range", map[string][]byte{"key": []byte(key)}, &answer)
	if err != nil || len(answer.KVs) == 0 {
		return "", err
	}
	return string(answer.KVs[0].Value), nil
}

func (l *storeLoad) ack(key, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.acked[key] = value
	l.longest, l.last = max(l.longest, now.Sub(l.last)), now
}

func (l *storeLoad) fail() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed++
}

// writes returns the number of acknowledged writes.
func (l *storeLoad) writes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// finish ends the load and reads every acknowledged write back.
func (l *storeLoad) finish(t *testing.T) {
	t.Helper()
	l.stop()
	l.running.Wait()
	var lost []string
	at := 0
	for key, value := range l.acked {
		at = (at + 1) % len(l.nodes)
		if got, err := l.read(at, key); err != nil || got != value {
			lost = append(lost, fmt.Sprintf("%s through %s: %q %v", key, l.nodes[at].Name, got, err))
		}
	}
	t.Logf("%d acknowledged writes, %d lost, %d requests failed and were repeated; longest time without an acknowledged write: %v",
		len(l.acked), len(lost), l.failed, l.longest.Round(time.Millisecond))
	if len(lost) > 0 || len(l.wrong) > 0 || len(l.acked) == 0 {
		t.Errorf("lost: %v; wrong: %v", lost[:min(5, len(lost))], l.wrong)
	}
}

// TestRestartStore_OneDownAtATimeUnderLoad restarts the store while others restart its instances too, without looking
// first: only the managers can refuse. Never may two instances be down, and no acknowledged write may be lost.
func TestRestartStore_OneDownAtATimeUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRolled(t, 1)
	before := r.pids()
	load := startLoad(r.nodes)
	done := make(chan struct{})
	var others sync.WaitGroup
	var accepted, refused atomic.Int32
	for _, n := range r.nodes {
		others.Go(func() {
			for accepted.Load() < 6 {
				select {
				case <-done:
					return
				case <-time.After(rand.N(time.Second)):
				}
				switch status, err := r.restart(n); {
				case err != nil || status != http.StatusOK && status != http.StatusConflict:
					t.Errorf("restart of %s: %d %v", n.Name, status, err)
				case status == http.StatusOK:
					accepted.Add(1)
				default:
					refused.Add(1)
				}
			}
		})
	}
	runner := r.dkvrun(`wait_until{timeout_sec = 60, interval_sec = 0.02, f = function()
  local ok, problem = pcall(function() restart_store{"OrdersStore", timeout_sec = 60}:check() end)
  assert(ok or tostring(problem):find("instances that are not ready", 1, true), problem)
  return ok
end}`)
	var said bytes.Buffer
	runner.Stdout, runner.Stderr = &said, &said
	var failed error
	go func() { failed = runner.Run(); close(done) }()
	sweeps, most := 0, 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(10 * time.Millisecond):
		}
		began := time.Now()
		down := r.down()
		if time.Since(began) > 100*time.Millisecond { // not one moment
			continue
		}
		sweeps++
		most = max(most, len(down))
		if len(down) > 1 {
			t.Errorf("down at once: %v", down)
		}
	}
	others.Wait()
	if failed != nil {
		t.Errorf("%v\n%s", failed, said.String())
	}
	t.Logf("beside the runner: %d restarts accepted, %d refused", accepted.Load(), refused.Load())
	r.must(`wait_ready("OrdersStore")`)
	load.finish(t)
	if n := r.restarted(before); n != 6 || most == 0 || accepted.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d instances have a new process; %d sweeps saw at most %d down", n, sweeps, most)
	}
}

// restart requests the rolling restart of an instance of its manager, and returns the HTTP status.
func (r *rolled) restart(n wire.Node) (status int, err error) {
	url := "http://" + net.JoinHostPort(n.Host, "7801") + wire.InstancePath("OrdersStore", n.Name) + "/restart?rolling=true"
	resp, err := http.Post(url, "", nil)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// waitDown waits until an instance is down.
func (r *rolled) waitDown() {
	r.t.Helper()
	if err := poll(20*time.Second, func() error {
		if len(r.down()) == 0 {
			return fmt.Errorf("all instances are up")
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
}

// down returns the instances that refuse connections on their client port.
func (r *rolled) down() []string {
	refused := make([]bool, len(r.nodes))
	var all sync.WaitGroup
	for i, n := range r.nodes {
		all.Go(func() {
			conn, err := net.DialTimeout("tcp", address(n), time.Second)
			if err != nil {
				refused[i] = true
				return
			}
			conn.Close()
		})
	}
	all.Wait()
	var names []string
	for i, n := range r.nodes {
		if refused[i] {
			names = append(names, n.Name)
		}
	}
	return names
}

// TestRestartStore_StopsAtFailure restarts a store one of whose instances does not come up again: its log is gone.
func TestRestartStore_StopsAtFailure(t *testing.T) {
	t.Parallel()
	r := newRolled(t, 2)
	leader := strings.TrimSpace(r.must(`for _, n in ipairs(store_status("OrdersStore").instances) do if n.leader then print(n.name) end end`))
	names := slices.DeleteFunc([]string{"orders-1", "orders-2", "orders-3", "orders-4", "orders-5"}, func(n string) bool { return n == leader })
	broken := names[1] // the second in the order of the restarts
	node := r.nodes[slices.IndexFunc(r.nodes, func(n wire.Node) bool { return n.Name == broken })]
	logs, err := filepath.Glob(filepath.Join(r.fleet.dir, node.Host, "instances", "OrdersStore", broken, "data-*", "member", "wal"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("%v, %v", logs, err)
	}
	if err := os.Rename(logs[0], logs[0]+".away"); err != nil {
		t.Fatal(err)
	}
	load := startLoad(r.nodes)
	before := r.pids()
	out := r.must(`local results = restart_store{"OrdersStore", timeout_sec = 5}
print(results.ok) for _, row in ipairs(results) do print(row.instance, row.result, row.code, row.message) end`)
	for _, want := range []string{
		"false\n", names[0] + "\tSUCCESS\tok\tRestarted\n", broken + "\tFAILED\t",
		names[2] + "\tSKIPPED\tskipped\tnot restarted: the call stopped at " + broken + ", which failed\n",
		leader + "\tSKIPPED\t", "orders-6\tSKIPPED\t",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	writes := load.writes()
	if err := poll(10*time.Second, func() error {
		if now := load.writes(); now < writes+20 {
			return fmt.Errorf("%d writes, then %d", writes, now)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := os.Rename(logs[0]+".away", logs[0]); err != nil {
		t.Fatal(err)
	}
	r.must(fmt.Sprintf(`start_instance("OrdersStore", %q) wait_ready("OrdersStore")`, broken))
	load.finish(t)
	if n := r.restarted(before); n != 2 {
		t.Errorf("%d instances have a new process, want 2", n)
	}
}

// TestRestartStore_Interrupted ends the runner with Ctrl-C in the middle. The instance that is being restarted comes up
// again.
func TestRestartStore_Interrupted(t *testing.T) {
	t.Parallel()
	r := newRolled(t, 3)
	before := r.pids()
	cmd := r.dkvrun(`restart_store("OrdersStore")`)
	cmd.Args = slices.DeleteFunc(cmd.Args, func(a string) bool { return a == "-q" })
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.waitDown()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	t.Logf("said:\n%s", said.String())
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"CANCELLED", "SKIPPED", "not restarted: the call ended before it", "interrupted"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no %q in\n%s", want, said.String())
		}
	}
	r.must(`wait_ready("OrdersStore")`)
	if n := r.restarted(before); n == 0 || n > 4 {
		t.Errorf("%d instances have a new process", n)
	}
}

// TestRestartStore_ManagerDies kills a manager in the middle. Its instances go on running, and nothing more is
// restarted without its word; once it is back, the store is restarted as a whole.
func TestRestartStore_ManagerDies(t *testing.T) {
	t.Parallel()
	r := newRolled(t, 4)
	load := startLoad(r.nodes)
	cmd := r.dkvrun(`local results = restart_store{"OrdersStore", timeout_sec = 4}
print(results.ok) for _, row in ipairs(results) do print(row.instance, row.result, row.message) end`)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.waitDown()
	if err := r.fleet.kill(r.hosts[2:]); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, said.String())
	}
	t.Logf("said:\n%s", said.String())
	for _, want := range []string{"false\n", "\tFAILED\t", "\tSKIPPED\tnot restarted: "} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no %q in\n%s", want, said.String())
		}
	}
	for script, want := range map[string]string{
		`restart_store("OrdersStore")`:                    "not connected: 1 of 3 managers did not answer: " + r.hosts[2],
		`restart_store{"OrdersStore", managers = arg[1]}`: "not ready: orders-5 (Unknown, its manager " + r.hosts[2] + ":7801 did not answer",
	} {
		refused := r.dkvrun(script)
		refused.Args = append(refused.Args, strings.Join(r.hosts, ","))
		if text, err := refused.CombinedOutput(); err == nil || !strings.Contains(string(text), want) {
			t.Errorf("no %q in: %v %s", want, err, text)
		}
	}
	if err := r.fleet.start(r.hosts[2:]); err != nil {
		t.Fatal(err)
	}
	before := r.pids()
	r.must(`wait_ready("OrdersStore") restart_store("OrdersStore"):check()`)
	load.finish(t)
	if n := r.restarted(before); n != 6 {
		t.Errorf("%d instances have a new process", n)
	}
}
