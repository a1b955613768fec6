package etcd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/storetest"
)

func TestFounders_StartInAnyOrder(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 0)
	store[2].start()
	alone := store[2].state("up", func(s engine.State) bool { return strings.Contains(s.Reason, "1 of 3") })
	if alone.Ready || alone.Bootstrapped || alone.Leader {
		t.Errorf("one founder of three says %+v", alone)
	}
	store[0].start()
	store[0].ready()
	store[0].put("k", "v")

	store[1].start()
	for _, in := range store {
		state := in.ready()
		if !state.Bootstrapped || state.Learner || state.Reason != "" || state.PID != in.cmd.Process.Pid {
			t.Errorf("%s says %+v", in.spec.Instance, state)
		}
	}
	if got := store[1].get("k"); got != "v" {
		t.Errorf("the late founder has k = %q", got)
	}
	t.Logf("an idle voter takes %d MiB", store[1].rss())

	info, err := os.Stat(filepath.Join(store[1].folder, store[1].spec.DataDir))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("data folder has mode %o, want 700", mode)
	}
}

func TestFounders_StartStaggered(t *testing.T) {
	t.Parallel()
	spec := engine.Spec{Peers: []engine.Peer{{Name: "t-1"}, {Name: "t-2"}, {Name: "t-3"}}}
	for before, p := range spec.Peers {
		spec.Instance = p.Name
		begin := time.Now()
		staggerStart(t.Context(), spec)
		want := time.Duration(before) * staggerDelay
		if took := time.Since(begin); took < want || took > want+time.Second {
			t.Errorf("%s waited %v, want %v", p.Name, took, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begin := time.Now()
	staggerStart(ctx, spec)
	if took := time.Since(begin); took >= 2*staggerDelay {
		t.Errorf("waited %v when it was to stop", took)
	}
}

func TestData_StopBeforeQuorum(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 0)
	store[0].start()
	store[0].state("waiting", func(s engine.State) bool { return strings.Contains(s.Reason, "1 of 3") })
	if took := store[0].stop(); took > 2*time.Second {
		t.Errorf("stop before the first quorum took %v", took)
	}
}

func TestData_StoppedStoreKeepsData(t *testing.T) {
	t.Parallel()
	all := newStore(t, 3, 1)
	store, gateway := all[:3], all[3]
	startAll(all)
	store[0].put("stopped", "kept")
	begin := time.Now()
	for _, in := range store {
		in.terminate()
	}
	for _, in := range store {
		in.mustStop()
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("the store took %v to stop, all instances at once", took)
	}
	gateway.state("without a store", func(s engine.State) bool { return !s.Ready })
	resumeAll(store)
	if got := store[1].get("stopped"); got != "kept" {
		t.Errorf("after a stop: %q", got)
	}

	store[2].put("killed", "kept too")
	for _, in := range store {
		in.kill()
	}
	resumeAll(store)
	if got := store[1].get("killed"); got != "kept too" {
		t.Errorf("after SIGKILL of all: %q", got)
	}
	gateway.ready()
	if got := gateway.get("killed"); got != "kept too" {
		t.Errorf("by the gateway, which went on: %q", got)
	}
}

func TestData_LeaderStopsWithoutGap(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 0)
	startAll(store)
	leader, others := split(store)
	store[0].put("k", "v")
	// A watch must not delay the stop.
	watch := leader.client().Watch(t.Context(), "k")
	storetest.Eventually(t, startLimit, "the watch is counted", func() error { return wantMetric(leader, "Watch/Active", 1) })

	if took := leader.stop(); took > 3*time.Second {
		t.Errorf("the leader took %v to stop", took)
	}
	begin := time.Now()
	others[0].put("k", "w")
	if gap := time.Since(begin); gap > time.Second {
		t.Errorf("the first write after the leader's stop took %v: the leadership was not handed over", gap)
	}
	select {
	case resp, open := <-watch:
		if open {
			t.Errorf("watch of a stopped instance says %+v, want that it waits for another", resp)
		}
	default:
	}
}

func TestData_ResumeWithoutData(t *testing.T) {
	t.Parallel()
	in := newStore(t, 1, 0)[0]
	in.spec.Start = engine.Resume
	in.start()
	if err := in.wait(5 * time.Second); err == nil {
		t.Error("an instance without its data ended well")
	}
	if log := in.log(); !strings.Contains(log, "data of t-1 is gone") {
		t.Errorf("log: %s", log)
	}
	if _, err := os.Stat(filepath.Join(in.folder, in.spec.DataDir)); !os.IsNotExist(err) {
		t.Errorf("it made a data folder: %v", err)
	}
}

func TestData_TakenPort(t *testing.T) {
	t.Parallel()
	first, second := newStore(t, 1, 0)[0], newStore(t, 1, 0)[0]
	second.spec.Host, second.spec.Bind = first.spec.Host, first.spec.Bind
	second.spec.Peers = first.spec.Peers
	first.start()
	first.ready()
	second.start()
	if err := second.wait(5 * time.Second); err == nil {
		t.Error("two instances on one port")
	}
	if log := second.log(); !strings.Contains(log, "address already in use") {
		t.Errorf("log: %s", log)
	}
	first.put("k", "still there")
}

func startAll(store []*instance) {
	for _, in := range store {
		in.start()
	}
	for _, in := range store {
		in.ready()
	}
}

func resumeAll(store []*instance) {
	for _, in := range store {
		in.spec.Start = engine.Resume
		in.spec.Peers = nil
	}
	startAll(store)
}

// split returns the leader and the other instances.
func split(store []*instance) (leader *instance, others []*instance) {
	store[0].t.Helper()
	for _, in := range store {
		if in.ready().Leader {
			leader = in
		} else {
			others = append(others, in)
		}
	}
	if leader == nil {
		store[0].t.Fatal("nobody leads")
	}
	return leader, others
}

// A store whose quota is full serves reads only, and every instance reports that.
func TestData_FullQuota(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	startAll(store)
	ctx, cancel := context.WithTimeout(t.Context(), 6*clientLimit)
	defer cancel()
	maintenance := pb.NewMaintenanceClient(store[0].local().ActiveConnection())
	alarm := func(action pb.AlarmRequest_AlarmAction) {
		t.Helper()
		if _, err := maintenance.Alarm(ctx, &pb.AlarmRequest{Action: action, Alarm: pb.AlarmType_NOSPACE}); err != nil {
			t.Fatal(err)
		}
	}
	alarm(pb.AlarmRequest_ACTIVATE)
	for _, in := range store {
		in.state("full", stateIs(quotaFull))
		if got := in.page("/health"); !strings.Contains(got.body, "ALARM NOSPACE") {
			t.Errorf("/health of %s: %+v", in.spec.Instance, got)
		}
		if _, err := in.post("/v3/kv/put", map[string]any{"key": b64("k"), "value": b64("v")}); err == nil {
			t.Errorf("%s took a write", in.spec.Instance)
		}
	}
	alarm(pb.AlarmRequest_DEACTIVATE)
	for _, in := range store {
		in.ready()
	}
}
