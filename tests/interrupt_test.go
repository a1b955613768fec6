package tests

import (
	"encoding/json"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

func (r *localRun) interrupt(t *testing.T) {
	t.Helper()
	if err := r.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
}

func TestInterrupt_RunsCleanUps(t *testing.T) {
	t.Parallel()
	r := startLocal(t, "-e", `
at_exit(function() print("first given") end)
at_exit(function() parallel{function() sleep(0.05) end} print("last given") end)
parallel{
  function() while true do pcall(sleep, 60) end end,
  function() sleep(0.1) print("begun") while true do pcall(function() while true do end end) end end,
}
print("never")`)
	r.until(t, "begun")
	r.interrupt(t)
	out, status := r.finish(t)
	if status != 130 || out != "last given\nfirst given\n" || !strings.HasPrefix(r.stderr.String(), "dkvrun: interrupted at -e:") {
		t.Errorf("status %d, printed %q, said %q", status, out, r.stderr.String())
	}
}

func TestInterrupt_StepIsNotFailed(t *testing.T) {
	t.Parallel()
	r := startLocal(t, "-e", `step("long", function() print("begun") sleep(60) end)`)
	r.until(t, "begun")
	r.interrupt(t)
	_, status := r.finish(t)
	if said := r.stderr.String(); status != 130 || !strings.Contains(said, "step long: interrupted, ") || strings.Contains(said, "failed") {
		t.Errorf("status %d, said %q", status, said)
	}
}

// endlessCleanUp is a script whose at_exit function never returns.
const endlessCleanUp = `
at_exit(function() print("cleaning up") while true do pcall(sleep, 60) end end)
print("begun")
sleep(60)`

func TestInterrupt_SecondEndsAtOnce(t *testing.T) {
	t.Parallel()
	r := startLocal(t, "-e", endlessCleanUp)
	r.until(t, "begun")
	r.interrupt(t)
	r.until(t, "cleaning up")
	began := time.Now()
	r.interrupt(t)
	if _, status := r.finish(t); status != 130 || time.Since(began) > 3*time.Second {
		t.Errorf("status %d after %s: %s", status, time.Since(began), r.stderr.String())
	}
}

func TestInterrupt_CleanUpsHaveGraceTime(t *testing.T) {
	t.Parallel()
	r := startLocal(t, "-e", endlessCleanUp)
	r.until(t, "begun")
	began := time.Now()
	r.interrupt(t)
	_, status := r.finish(t)
	if took := time.Since(began); status != 130 || took < 3*time.Second || took > 8*time.Second {
		t.Errorf("status %d after %s: %s", status, took, r.stderr.String())
	}
	if !strings.Contains(r.stderr.String(), "dkvrun: at_exit: ") {
		t.Errorf("the clean-up that was cut off is not said: %s", r.stderr.String())
	}
}

// TestInterrupt_NamesActionInDoubt interrupts a run while a manager has a request and doesn't answer.
func TestInterrupt_NamesActionInDoubt(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.26.0.11:7801")
	if err != nil {
		t.Fatal(err)
	}
	arrived, over := make(chan struct{}, 1), make(chan struct{})
	manager := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			arrived <- struct{}{}
			<-over
			return
		}
		wire.SetManager(w.Header(), "m1")
		json.NewEncoder(w).Encode(wire.Store{Name: "OrdersStore", Status: wire.StoreStopped, Revision: 1, Digest: "d",
			Instances: []wire.Instance{{
				Node: wire.Node{Name: "orders-1", Host: "127.26.0.11", ClustronPort: 7811, ClientPort: 7861}, Own: true,
				Status: wire.Stopped,
			}}})
	})}
	go manager.Serve(l)
	defer manager.Close()
	defer close(over)
	r := startLocal(t, "-e", `spawn(start_instance, {"OrdersStore", "orders-1", managers = "127.26.0.11"}):wait()`)
	select {
	case <-arrived:
	case <-time.After(20 * time.Second):
		t.Fatal("no request came")
	}
	r.interrupt(t)
	out, status := r.finish(t)
	if status != 130 || !strings.Contains(r.stderr.String(), "in doubt: start_instance on 127.26.0.11:7801\n") {
		t.Errorf("status %d, printed %q, said %q", status, out, r.stderr.String())
	}
}

// TestInterrupt_SecondNamesOperationInDoubt interrupts an operation twice while its coordinator doesn't answer the
// prepare request: the runner exits at once and prints the command that resolves the operation.
func TestInterrupt_SecondNamesOperationInDoubt(t *testing.T) {
	t.Parallel()
	const host = "127.44.0.11"
	l, err := net.Listen("tcp", host+":7801")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 8)
	over := make(chan struct{})
	answer := func(w http.ResponseWriter, status int, value any) {
		wire.SetManager(w.Header(), "m1")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(value)
	}
	manager := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var change wire.Operation
		switch {
		case r.URL.Path == wire.InfoPath():
			answer(w, 200, wire.Info{Identity: "m1", Host: host, Listen: host + ":7801", Version: wire.Version})
		case r.Method == http.MethodGet:
			answer(w, 404, wire.Result{Action: "GetStore", StatusCode: 404, Code: wire.CodeStoreNotFound,
				Message: "there is no such store", Store: "OrdersStore"})
		case json.NewDecoder(r.Body).Decode(&change) == nil && change.DryRun:
			answer(w, 200, wire.OperationStatus{ID: change.ID, State: wire.OperationUnknown, Manager: "m1", Store: change.Store,
				Claims: []string{"orders-1"}})
		case strings.HasSuffix(r.URL.Path, "/renew"):
			<-over
		default:
			asked <- r.URL.Path
			<-over
		}
	})}
	go manager.Serve(l)
	defer manager.Close()
	defer close(over)
	r := startLocal(t, "-m", host, "-e", `new_store("OrdersStore", "orders")`)
	next := func(what string) {
		t.Helper()
		select {
		case path := <-asked:
			if !strings.HasSuffix(path, what) {
				t.Fatalf("asked for %s, want %s", path, what)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("nobody asked for %s", what)
		}
	}
	next("/operations")
	r.interrupt(t)
	next("/abort")
	began := time.Now()
	r.interrupt(t)
	_, status := r.finish(t)
	said := r.stderr.String()
	if status != 130 || time.Since(began) > 3*time.Second {
		t.Errorf("status %d after %s: %s", status, time.Since(began), said)
	}
	if !strings.Contains(said, "in doubt: new_store of OrdersStore, operation ") ||
		!strings.HasSuffix(said, "to resolve it now: dkvrun -m 127.44.0.11:7801 -e 'repair_store(\"OrdersStore\")'\n") {
		t.Errorf("said %q", said)
	}
}

// A run that has passed --max-memory is ended when its functions of at_exit go on allocating, before it takes twice as
// much.
func TestInterrupt_MemoryOfCleanUps(t *testing.T) {
	t.Parallel()
	const limit = 300
	cmd := exec.Command(program("dkvrun"), "--max-memory", strconv.Itoa(limit), "-e", `
local function fill() local t = {} while true do t[#t + 1] = ("x"):rep(1000000) .. #t end end
at_exit(fill)
fill()`)
	out, _ := cmd.CombinedOutput()
	if !strings.Contains(string(out), "--max-memory 300 MiB passed") { // or the time for at_exit was over first
		t.Errorf("it said %q", out)
	}
	if used := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10; used > limit*7/4 {
		t.Errorf("it took %d MiB", used)
	}
}
