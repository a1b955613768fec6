package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// asDaemon makes the test binary run as dkvmanager. The instances that it starts inherit the variable.
const asDaemon = "DKV_TEST_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience bounds every wait for a condition.
const patience = 20 * time.Second

// eventually waits until ok is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	storetest.Wait(t, patience, func() (bool, string) { return ok(), "not yet: " + what })
}

// command returns the command that runs dkvmanager with args; it is not started.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asDaemon+"=1")
	return cmd
}

// daemon is a manager that runs as a separate process.
type daemon struct {
	t    *testing.T
	ip   string
	dir  string
	cmd  *exec.Cmd
	log  *output
	done chan struct{}
}

// output is a buffer that may be written and read at the same time.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startDaemon starts a manager on ip:7801 with its data in dir, and returns when it responds. The manager and its
// instances end with the test.
func startDaemon(t *testing.T, ip, dir string, more ...string) *daemon {
	t.Helper()
	return startWith(t, ip, dir, nil, more...)
}

// startSecured starts a secured manager.
func startSecured(t *testing.T, ip, dir string) *daemon {
	t.Helper()
	secured := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	return start(t, ip, dir, nil, nil, secured, "https://")
}

// startAs starts a manager with further environment variables.
func startAs(t *testing.T, ip, dir string, variables []string) *daemon {
	t.Helper()
	return start(t, ip, dir, variables, nil, client, "http://")
}

func startWith(t *testing.T, ip, dir string, lifeline *os.File, more ...string) *daemon {
	t.Helper()
	return start(t, ip, dir, nil, lifeline, client, "http://", more...)
}

// start starts a manager, and returns when it answers a client.
func start(
	t *testing.T, ip, dir string, variables []string, lifeline *os.File, c *http.Client, scheme string, more ...string,
) *daemon {
	t.Helper()
	d := &daemon{t: t, ip: ip, dir: dir, log: &output{}, done: make(chan struct{})}
	d.cmd = command(append([]string{"--listen", ip + ":7801", "--data-dir", dir}, more...)...)
	d.cmd.Stderr, d.cmd.Env = d.log, append(d.cmd.Env, variables...)
	if lifeline != nil {
		d.cmd.ExtraFiles = []*os.File{lifeline}
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.cmd.Wait(); close(d.done) }()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.done
		for _, pid := range d.holders() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		eventually(t, "the instances are gone", func() bool { return len(d.holders()) == 0 })
		if t.Failed() {
			t.Logf("log of %s:\n%s", ip, d.log)
		}
	})
	eventually(t, "the manager on "+ip+" answers", func() bool {
		select {
		case <-d.done:
			t.Fatalf("the manager on %s ended: %s\n%s", ip, d.cmd.ProcessState, d.log)
		default:
		}
		resp, err := c.Get(scheme + ip + ":7801" + wire.HealthPath())
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return d
}

// holders returns the processes that hold the folders of the manager's instances.
func (d *daemon) holders() []int {
	folders, err := filepath.Glob(filepath.Join(d.dir, "instances", "*", "*"))
	if err != nil {
		d.t.Fatal(err)
	}
	var pids []int
	for _, f := range folders {
		if pid, err := process.Holder(f); err == nil && pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// end sends a signal and returns the exit status once the process has ended.
func (d *daemon) end(signal syscall.Signal) int {
	d.t.Helper()
	if err := d.cmd.Process.Signal(signal); err != nil {
		d.t.Fatal(err)
	}
	return d.exit()
}

func (d *daemon) exit() int {
	d.t.Helper()
	select {
	case <-d.done:
		return d.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		d.t.Fatalf("the manager on %s does not end\n%s", d.ip, d.log)
		return 0
	}
}

// client keeps no connections: managers come and go under the same address.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// call makes a request to a manager and returns the status and body.
func (d *daemon) call(method, path string, body any) (int, []byte) {
	d.t.Helper()
	status, text, err := roundTrip(method, "http://"+d.ip+":7801"+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	return status, text
}

func roundTrip(method, url string, body any) (int, []byte, error) {
	var source io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		source = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url, source)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, text, errors.Join(err, resp.Body.Close())
}

// must makes a request that must succeed with a message.
func (d *daemon) must(method, path string, body any, message string) {
	d.t.Helper()
	_, text := d.call(method, path, body)
	var result wire.Result
	if err := json.Unmarshal(text, &result); err != nil || !result.Success || result.Message != message {
		d.t.Fatalf("%s %s at %s: got %s, want %q", method, path, d.ip, text, message)
	}
}

func (d *daemon) get(path string, into any) {
	d.t.Helper()
	status, text := d.call("GET", path, nil)
	if status != http.StatusOK {
		d.t.Fatalf("GET %s at %s: %d %s", path, d.ip, status, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) store(name string) wire.Store {
	d.t.Helper()
	var s wire.Store
	d.get(wire.StorePath(name), &s)
	return s
}

// unwell checks that every answer of the manager, and its description, say what is wrong and what to do next.
func (d *daemon) unwell(health wire.Health, alive, why, next string) {
	d.t.Helper()
	d.must("GET", wire.HealthPath(), nil, alive)
	var info wire.Info
	d.get(wire.InfoPath(), &info)
	c := info.Condition
	if c == nil || c.Health != health || !strings.Contains(c.Why, why) || !strings.Contains(c.Next, next) {
		d.t.Errorf("its condition is %+v, want %s, %q, %q", c, health, why, next)
	}
	resp, err := client.Get("http://" + d.ip + ":7801" + wire.StoresPath())
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get(wire.HealthHeader); got != string(health) {
		d.t.Errorf("%s: %q, want %s", wire.HealthHeader, got, health)
	}
}

// ready waits until all of the manager's instances of a store take reads and writes.
func (d *daemon) ready(name string) {
	d.t.Helper()
	eventually(d.t, name+" is ready on "+d.ip, func() bool {
		for _, in := range d.store(name).Instances {
			if in.Own && !in.Ready {
				return false
			}
		}
		return true
	})
}

// pids returns the processes of a store's own instances, by name.
func (d *daemon) pids(name string) map[string]int {
	d.t.Helper()
	pids := map[string]int{}
	for _, in := range d.store(name).Instances {
		if in.Own && in.PID != 0 {
			pids[in.Name] = in.PID
		}
	}
	return pids
}

// orders returns a store of count instances. The hosts get them round-robin; the ports of each host count up from the
// default ports.
func orders(count int, hosts ...string) wire.CreateStore {
	store := wire.CreateStore{Name: "OrdersStore"}
	for i := range count {
		store.Nodes = append(store.Nodes, wire.Node{
			Name: fmt.Sprintf("orders-%d", i+1), Host: hosts[i%len(hosts)],
			ClustronPort: wire.DefaultClustronPort + i/len(hosts), ClientPort: wire.DefaultClientPort + i/len(hosts),
		})
	}
	return store
}

// put writes k=v through the client port of an instance. get expects to read it through another.
func put(t *testing.T, n wire.Node) {
	t.Helper()
	storetest.Put(t, n, "k", "v")
}

func get(t *testing.T, n wire.Node) {
	t.Helper()
	if got := storetest.Get(t, n, "k"); got != "v" {
		t.Fatalf("%s reads %q, want v", n.Name, got)
	}
}
