package fakemanager

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
	"testing"
	"time"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// runsManagers makes this program run fake managers instead of tests.
const runsManagers = "DKVRUN_TESTS_FLEET"

func TestMain(m *testing.M) {
	if os.Getenv(runsManagers) != "" {
		if err := Main(os.Args[1:], os.Stdin, os.Stdout, nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Setenv(runsManagers, "1")
	os.Exit(m.Run())
}

func start(t *testing.T, plan Plan) *Fleet {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Start(context.Background(), program, plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// classes maps each fault to the class of failure that the runner reports for it; empty for none.
var classes = map[Fault]string{
	"": "", Refuse: fanout.Refused, Hang: fanout.Timeout, Drip: fanout.Timeout, Garbage: fanout.Protocol,
	Reset: fanout.Reset, Slow: "",
}

// A query of ten thousand managers, four hundred of them faulty: each failure has the right class, the others answer,
// and no connection stays open.
func TestFakeManager_SweepOverManyFaults(t *testing.T) {
	f := start(t, Plan{Count: 10000, Port: 7921, Faults: Mix(100, Refuse, Hang, Drip, Garbage)})
	endpoints, err := fanout.ParseEndpoints(f.Addresses(), wire.DefaultManagerPort)
	if err != nil {
		t.Fatal(err)
	}
	requests := make([]fanout.Request, len(endpoints))
	for i, e := range endpoints {
		requests[i] = fanout.Request{Endpoint: e, Method: "GET", Path: wire.StoresPath()}
	}
	goroutines := goruntime.NumGoroutine()
	var answers []fanout.Answer
	var timeout, took time.Duration
	// A slow machine needs longer for the healthy managers, and every timeout is waited for in full.
	for timeout = 4 * time.Second; timeout < time.Minute; {
		timeout *= 2
		client := fanout.New(fanout.Config{})
		began := time.Now()
		answers = client.Do(context.Background(), requests, fanout.Options{Timeout: timeout})
		took = time.Since(began)
		client.Close()
		if !healthyTimedOut(f, answers) {
			break
		}
	}

	good, bad := 0, 0
	for i, a := range answers {
		class := ""
		if a.Err != nil {
			class = a.Err.Class
		}
		if want := classes[f.Fault(i)]; class != want {
			t.Errorf("%s, which should %q: %+v, error %v", f.Address(i), f.Fault(i), a, a.Err)
		}
		if class == "" {
			if stores, err := wire.ParseStoreSummaries(a.Body); err != nil || len(stores) != 1 || stores[0].Name != Seeded {
				t.Errorf("%s: %v, error %v", f.Address(i), stores, err)
			}
			good++
		} else {
			bad++
		}
	}
	if good != 9600 || bad != 400 {
		t.Errorf("%d answers and %d failures, want 9600 and 400", good, bad)
	}
	// Requests that get no answer may start late, but none takes longer than its timeout.
	if took > 2*timeout {
		t.Errorf("took %s with a timeout of %s", took, timeout)
	}
	t.Logf("%d managers in %s", len(answers), took.Round(time.Millisecond))
	poll(t, "no goroutine is left", func() bool { return goruntime.NumGoroutine() <= goroutines })
	poll(t, "no connection is left", func() bool {
		n, err := f.connections()
		return err == nil && n <= 0
	})
}

// healthyTimedOut reports whether a manager without a fault was not given enough time.
func healthyTimedOut(f *Fleet, answers []fanout.Answer) bool {
	for i, a := range answers {
		if f.Fault(i) == "" && a.Err != nil && a.Err.Class == fanout.Timeout {
			return true
		}
	}
	return false
}

// poll waits until ok returns true. Its limit is far beyond the time of any healthy machine.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so after 20 s: %s", what)
		}
	}
}

// The remaining faults, and the life of a store on fake managers.
func TestFakeManager_LifeOfAStore(t *testing.T) {
	f := start(t, Plan{Count: 3, Port: 7922, Faults: []Fault{Slow, Reset}})
	ask := func(i int, method, path, body string) fanout.Answer {
		t.Helper()
		endpoints, err := fanout.ParseEndpoints([]string{f.Address(i)}, 0)
		if err != nil {
			t.Fatal(err)
		}
		r := fanout.Request{Endpoint: endpoints[0], Method: method, Path: path}
		if body != "" {
			r.Body, r.Compressed = fanout.Compress([]byte(body))
		}
		client := fanout.New(fanout.Config{})
		defer client.Close()
		return client.Do(context.Background(), []fanout.Request{r}, fanout.Options{})[0]
	}
	if a := ask(0, "GET", wire.InfoPath(), ""); a.Err != nil || a.Duration < slowDelay {
		t.Errorf("slow: %+v, error %v", a, a.Err)
	}
	if a := ask(faulty(f.Plan, Reset), "GET", wire.InfoPath(), ""); a.Err == nil || a.Err.Class != fanout.Reset {
		t.Errorf("reset: %+v, error %v", a, a.Err)
	}
	good := faulty(f.Plan, "")
	nodes := fmt.Sprintf(`[{"name":"orders-1","host":"127.27.0.%d","clustronPort":7811,"clientPort":7861}]`, good+1)
	for _, step := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", wire.StorePath("Orders"), "", 404},
		{"POST", wire.StoresPath(), "no JSON", 400},
		{"POST", wire.StoresPath(), `{"name":"Orders","nodes":` + nodes + `}`, 200},
		{"GET", wire.StorePath("Orders"), "", 200},
		{"POST", wire.InstancePath("Orders", "orders-1") + "/start", "", 200},
		{"POST", wire.InstancePath("Orders", "orders-2") + "/start", "", 404},
		{"DELETE", wire.StorePath("Orders"), "", 409},
		{"POST", wire.InstancePath("Orders", "orders-1") + "/stop", "", 200},
		{"DELETE", wire.StorePath("Orders"), "", 200},
		{"GET", wire.StorePath("Orders"), "", 404},
		{"GET", wire.StorePath(Seeded), "", 200},
		{"GET", "/nowhere", "", 404},
	} {
		if a := ask(good, step.method, step.path, step.body); a.Err != nil || a.Status != step.status {
			t.Errorf("%s %s: %+v, error %v", step.method, step.path, a, a.Err)
		}
	}
}

// faulty returns the first manager with a fault.
func faulty(p Plan, fault Fault) int {
	for i := range p.Count {
		if p.Fault(i) == fault {
			return i
		}
	}
	return -1
}

func TestFakeManager_Plan(t *testing.T) {
	p := Plan{Count: 1000, Faults: Mix(20, Refuse, Hang)}
	counts := map[Fault]int{}
	for i := range p.Count {
		counts[p.Fault(i)]++
	}
	if counts[Refuse] != 20 || counts[Hang] != 20 || counts[""] != 960 {
		t.Errorf("got %v", counts)
	}
	if p.Address(0) != "127.27.0.1:7801" || p.Address(999) != "127.27.3.250:7801" {
		t.Errorf("%s to %s", p.Address(0), p.Address(999))
	}
	if got, err := parseFaults(words(p.Faults)); err != nil || len(got) != 40 {
		t.Errorf("%d faults, error %v", len(got), err)
	}
	if _, err := parseFaults("refuse,shout"); err == nil {
		t.Error("a fault that there is not was taken")
	}
}
