package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// instanceEnv makes the test binary run as the instance process of the folder that it names. With netFaultEnv,
// descriptor 3 is its socket for network faults.
const (
	instanceEnv = "DKV_TEST_INSTANCE"
	netFaultEnv = "DKV_TEST_NETFAULT"
)

func TestMain(m *testing.M) {
	folder := os.Getenv(instanceEnv)
	if folder == "" {
		os.Exit(m.Run())
	}
	var netFaultSocket *os.File
	if os.Getenv(netFaultEnv) != "" {
		netFaultSocket = os.NewFile(3, "netfault")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := process.Run(ctx, New(), folder, nil, netFaultSocket, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const (
	clustronPort = 7811
	clientPort   = 7861
)

// startLimit bounds the waits for states that a running store reaches by itself.
const startLimit = 15 * time.Second

// hosts counts the addresses that this process has used.
var hosts atomic.Int32

// newHost returns an address that no other test uses.
func newHost() string {
	return fmt.Sprintf("127.21.%d.%d", os.Getpid()%250+1, hosts.Add(1))
}

// instance is an instance of a test's store. Its process need not run.
type instance struct {
	t              *testing.T
	folder         string
	spec           engine.Spec
	netFaultSocket *os.File // the socket for network faults; nil for none
	cmd            *exec.Cmd
	exited         chan error
}

// newStore returns the instances of a new store, not started: data instances first, then gateways.
func newStore(t *testing.T, data, gateways int) []*instance {
	store := strings.NewReplacer("/", "-").Replace(t.Name())
	all := make([]*instance, data+gateways)
	var peers []engine.Peer
	var endpoints []string
	for i := range all {
		spec := engine.Spec{Store: store, Instance: fmt.Sprintf("t-%d", i+1), Operation: "op", DataDir: "data-op",
			Role: wire.Data, Start: engine.Found, ClustronPort: clustronPort, ClientPort: clientPort}
		spec.Host = newHost()
		spec.Bind = spec.Host
		if i < data {
			peers = append(peers,
				engine.Peer{Name: spec.Instance, Address: net.JoinHostPort(spec.Host, strconv.Itoa(clustronPort))})
			endpoints = append(endpoints, net.JoinHostPort(spec.Host, strconv.Itoa(clientPort)))
		} else {
			spec.Role = wire.Gateway
		}
		all[i] = &instance{t: t, folder: t.TempDir(), spec: spec}
	}
	for _, in := range all {
		in.spec.Peers, in.spec.Endpoints = peers, endpoints
	}
	return all
}

// start starts the process, and kills it at the end of the test.
func (in *instance) start() {
	in.t.Helper()
	data, err := json.Marshal(in.spec)
	if err != nil {
		in.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(in.folder, engine.SpecFile), data, 0o600); err != nil {
		in.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(in.folder, engine.LogFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		in.t.Fatal(err)
	}
	defer log.Close()
	in.cmd = exec.Command(os.Args[0])
	in.cmd.Env = append(os.Environ(), instanceEnv+"="+in.folder)
	if in.netFaultSocket != nil {
		in.cmd.Env = append(in.cmd.Env, netFaultEnv+"=1")
		in.cmd.ExtraFiles = []*os.File{in.netFaultSocket}
	}
	in.cmd.Stdout, in.cmd.Stderr = log, log
	if err := in.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	cmd, exited := in.cmd, make(chan error, 1)
	in.exited = exited
	go func() { exited <- cmd.Wait() }()
	in.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			in.t.Errorf("%s outlived SIGKILL", in.spec.Instance)
		}
		if strings.Contains(in.log(), "DATA RACE") {
			in.t.Errorf("%s had a data race", in.spec.Instance)
		}
		if in.t.Failed() {
			lines := strings.Split(in.log(), "\n")
			in.t.Logf("log of %s ends:\n%s", in.spec.Instance, strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
	})
}

func (in *instance) log() string {
	text, _ := os.ReadFile(filepath.Join(in.folder, engine.LogFile))
	return string(text)
}

// wait waits for the end of the process, at most for limit, and returns its error.
func (in *instance) wait(limit time.Duration) error {
	in.t.Helper()
	select {
	case err := <-in.exited:
		in.exited <- err
		return err
	case <-time.After(limit):
		in.t.Fatalf("%s still runs after %v", in.spec.Instance, limit)
		return nil
	}
}

// stop stops the instance gracefully and returns how long that took.
func (in *instance) stop() time.Duration {
	in.t.Helper()
	begin := time.Now()
	in.terminate()
	in.mustStop()
	return time.Since(begin)
}

func (in *instance) terminate() {
	in.t.Helper()
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		in.t.Fatal(err)
	}
}

// mustStop waits for the end of a graceful stop.
func (in *instance) mustStop() {
	in.t.Helper()
	if err := in.wait(12 * time.Second); err != nil {
		in.t.Fatalf("%s: graceful stop: %v", in.spec.Instance, err)
	}
}

func (in *instance) kill() {
	in.t.Helper()
	if err := in.cmd.Process.Kill(); err != nil {
		in.t.Fatal(err)
	}
	_ = in.wait(5 * time.Second)
}

// state waits until ok returns true for the state, and returns the state.
func (in *instance) state(what string, ok func(engine.State) bool) engine.State {
	in.t.Helper()
	var state engine.State
	storetest.Eventually(in.t, startLimit, in.spec.Instance+" is "+what, func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if state, err = process.Dial(in.folder).State(ctx); err == nil && !ok(state) {
			err = fmt.Errorf("state %+v", state)
		}
		return err
	})
	return state
}

func (in *instance) ready() engine.State {
	in.t.Helper()
	return in.state("ready", func(s engine.State) bool { return s.Ready })
}

// metrics returns the totals of the metrics by Category/Name.
func (in *instance) metrics() map[string]float64 {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	metrics, err := process.Dial(in.folder).Metrics(ctx, 5*time.Second)
	if err != nil {
		in.t.Fatal(err)
	}
	totals := map[string]float64{}
	for _, m := range metrics {
		if m.Store != in.spec.Store || m.Instance != in.spec.Instance {
			in.t.Errorf("metric of %s/%s, want %s/%s", m.Store, m.Instance, in.spec.Store, in.spec.Instance)
		}
		totals[m.Category+"/"+m.Name] = m.Total
	}
	return totals
}

// rss returns the process's resident memory in MiB.
func (in *instance) rss() int {
	in.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", in.cmd.Process.Pid))
	if err != nil {
		in.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		in.t.Fatal(err)
	}
	return kib / 1024
}

// stateIs returns a condition for a state that is not ready for a reason.
func stateIs(reason string) func(engine.State) bool {
	return func(s engine.State) bool { return !s.Ready && s.Reason == reason }
}
