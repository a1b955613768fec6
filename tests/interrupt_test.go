package tests

import (
	"encoding/json"
	"net"
	"net/http"
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

func TestCtrlCRunsTheCleanUps(t *testing.T) {
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

// endlessCleanUp can only be ended from outside.
const endlessCleanUp = `
at_exit(function() print("cleaning up") while true do pcall(sleep, 60) end end)
print("begun")
sleep(60)`

func TestTheSecondCtrlCEndsAtOnce(t *testing.T) {
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

func TestCleanUpsHaveAGraceTime(t *testing.T) {
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

// TestCtrlCSaysWhatIsInDoubt interrupts a run while a manager has a request and doesn't answer.
func TestCtrlCSaysWhatIsInDoubt(t *testing.T) {
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
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(wire.Store{Name: "OrdersStore", Revision: 1, Instances: []wire.Instance{
			{Node: wire.Node{Name: "orders-1", Host: "127.26.0.11", ClustronPort: 7811, ClientPort: 7861}, Own: true},
		}})
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
