package tests

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// combination is a status together with the value of ready that is reported with it.
type combination struct {
	status string
	ready  bool
}

// documentedCombinations reads the tables of docs/stores.md: the combinations of an instance, and those of a store.
func documentedCombinations(t *testing.T) (instance, store map[combination]bool) {
	t.Helper()
	text, err := os.ReadFile("../docs/stores.md")
	if err != nil {
		t.Fatal(err)
	}
	instance, store = map[combination]bool{}, map[combination]bool{}
	var table map[combination]bool
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) < 4:
			table = nil
		case strings.HasPrefix(line, "| an instance's `status`"):
			table = instance
		case strings.HasPrefix(line, "| a store's `status`"):
			table = store
		case table != nil && !strings.HasPrefix(line, "|-"):
			ready, err := strconv.ParseBool(strings.TrimSpace(cells[2]))
			if err != nil {
				t.Fatalf("docs/stores.md: %s: %v", line, err)
			}
			table[combination{strings.Trim(cells[1], " `"), ready}] = true
		}
	}
	return instance, store
}

// TestStoreStatus_TableIsWhatIsDerived compares the tables with what managers and runners derive, for every mix of up
// to three instances.
func TestStoreStatus_TableIsWhatIsDerived(t *testing.T) {
	documentedInstance, documentedStore := documentedCombinations(t)
	derivedInstance, derivedStore := map[combination]bool{}, map[combination]bool{}
	var mixes func(instances []wire.Instance)
	mixes = func(instances []wire.Instance) {
		status, ready := wire.StoreStatusOf(instances)
		derivedStore[combination{string(status), ready}] = true
		if problem := contradiction(status, ready, instances); problem != "" && len(instances) > 0 {
			t.Error(problem)
		}
		if len(instances) == 3 {
			return
		}
		for _, status := range wire.Statuses {
			for _, serves := range []bool{true, false} {
				in := wire.Instance{Status: status, Ready: wire.InstanceReady(status, serves)}
				derivedInstance[combination{string(status), in.Ready}] = true
				mixes(append(slices.Clone(instances), in))
			}
		}
	}
	mixes(nil)
	for what, pair := range map[string][2]map[combination]bool{
		"an instance": {documentedInstance, derivedInstance}, "a store": {documentedStore, derivedStore},
	} {
		for c := range pair[0] {
			if !pair[1][c] {
				t.Errorf("docs/stores.md has %v for %s, and nothing derives it", c, what)
			}
		}
		for c := range pair[1] {
			if !pair[0][c] {
				t.Errorf("docs/stores.md lacks %v for %s", c, what)
			}
		}
	}
}

// contradiction compares a store's status with the statuses of its instances, by the rule in the last column of the
// table.
func contradiction(status wire.StoreStatus, ready bool, instances []wire.Instance) string {
	count := map[wire.Status]int{}
	serving := 0
	for _, in := range instances {
		count[in.Status]++
		if in.Ready {
			serving++
		}
	}
	all := len(instances)
	want := wire.StorePartial
	switch {
	case count[wire.Running] == all:
		want = wire.StoreRunning
	case count[wire.Stopped] == all:
		want = wire.StoreStopped
	case count[wire.Unknown] > 0 && count[wire.Stopped] == all-count[wire.Unknown]:
		want = wire.StoreUnknown
	}
	if status != want || ready != (serving == all) {
		return fmt.Sprintf("a store is %s, ready %v, with %v, of which %d of %d are ready", status, ready, count, serving, all)
	}
	return ""
}

// statusWatch polls a store's status from all sides at once, and keeps what it has seen.
type statusWatch struct {
	mu        sync.Mutex
	instances map[combination]int
	stores    map[combination]int
	problems  []string
}

func (w *statusWatch) saw(who string, status wire.StoreStatus, ready, joined bool, instances, leaving []wire.Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, in := range append(slices.Clone(instances), leaving...) {
		w.instances[combination{string(in.Status), in.Ready}]++
	}
	for _, in := range leaving {
		if in.Status != wire.Leaving {
			w.problems = append(w.problems, fmt.Sprintf("%s: %s is leaving, and %s", who, in.Name, in.Status))
		}
	}
	if !joined {
		return
	}
	w.stores[combination{string(status), ready}]++
	if problem := contradiction(status, ready, instances); problem != "" {
		w.problems = append(w.problems, who+": "+problem)
	}
}

// manager polls one manager until stop is closed. A manager's status of the store summarizes only its own instances.
func (w *statusWatch) manager(host, store string, stop chan struct{}) {
	client := http.Client{Timeout: 5 * time.Second}
	for {
		select {
		case <-stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
		var s wire.Store
		answer, err := client.Get("http://" + host + ":7801" + wire.StorePath(store))
		if err != nil {
			continue // killed
		}
		err = json.NewDecoder(answer.Body).Decode(&s)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			continue // removed, or not made yet
		}
		own := slices.DeleteFunc(s.Instances, func(in wire.Instance) bool { return !in.Own })
		if len(own) == 0 {
			continue
		}
		status, ready := wire.StoreStatusOf(own)
		if status != s.Status {
			w.saw(host, s.Status, ready, true, own, s.Leaving)
		} else {
			w.saw(host, status, ready, false, own, s.Leaving)
		}
	}
}

// runner polls with store_status in a runbook until stop is closed.
func (w *statusWatch) runner(t *testing.T, hosts []string, store string, stop chan struct{}) {
	cmd := exec.Command(program("dkvrun"), "-q", "--allow-down", "-m", strings.Join(hosts, ","), "-e", `
while true do
  local known, status = pcall(store_status, {"`+store+`", timeout_sec = 5})
  if known then
    local list = {status.status .. " " .. tostring(status.ready)}
    for i, all in ipairs{status.instances, status.leaving} do
      for _, node in ipairs(all) do
        list[#list + 1] = node.name .. " " .. node.status .. " " .. tostring(node.ready) .. " " .. tostring(i == 2)
      end
    end
    print(table.concat(list, ";"))
  end
  sleep(0.01)
end`)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	go func() {
		<-stop
		cmd.Process.Kill()
	}()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var instances, leaving []wire.Instance
		parts := strings.Split(lines.Text(), ";")
		status, ready, _ := strings.Cut(parts[0], " ")
		for _, part := range parts[1:] {
			word := strings.Fields(part)
			in := wire.Instance{Node: wire.Node{Name: word[0]}, Status: wire.Status(word[1]), Ready: word[2] == "true"}
			if word[3] == "true" {
				leaving = append(leaving, in)
			} else {
				instances = append(instances, in)
			}
		}
		w.saw("store_status", wire.StoreStatus(status), ready == "true", true, instances, leaving)
	}
	cmd.Wait()
}

// TestStoreStatus_NeverContradictsItself drives a store through its life, and polls its status from all sides all the
// time: there are no combinations but those of docs/stores.md.
func TestStoreStatus_NeverContradictsItself(t *testing.T) {
	t.Parallel()
	hosts := []string{"127.28.3.11", "127.28.3.12", "127.28.3.13"}
	f := &fleet{dir: t.TempDir()}
	t.Cleanup(f.close)
	if err := f.start(hosts); err != nil {
		t.Fatal(err)
	}
	const store = "OrdersStore"
	watch := &statusWatch{instances: map[combination]int{}, stores: map[combination]int{}}
	stop := make(chan struct{})
	var polls sync.WaitGroup
	for _, host := range hosts {
		polls.Go(func() { watch.manager(host, store, stop) })
	}
	for range 2 {
		polls.Go(func() { watch.runner(t, hosts, store, stop) })
	}
	ended := sync.OnceFunc(func() {
		close(stop)
		polls.Wait()
	})
	t.Cleanup(ended)
	// From here on orders-1 to orders-3 are at 127.28.3.11 to 127.28.3.13; more instances follow.
	do := func(on []string, script string) string {
		t.Helper()
		out, err := exec.Command(program("dkvrun"), "-q", "--allow-down", "-m", strings.Join(on, ","), "-e", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
	// An action that has returned ok leaves a store that runs and is ready.
	settled := `
local now = store_status("OrdersStore")
local why = {now.status .. ", ready " .. tostring(now.ready)}
for _, node in ipairs(now.instances) do
  if not node.ready then why[#why + 1] = node.name .. " " .. node.status .. " " .. (node.last_error or "") end
end
assert(now.status == "Running" and now.ready, table.concat(why, "; "))`
	kill := func(instance string) {
		t.Helper()
		pid, err := strconv.Atoi(strings.TrimSpace(do(hosts, `
for _, node in ipairs(store_status("OrdersStore").instances) do
  if node.name == "`+instance+`" then print(node.pid or 0) end
end`)))
		if err == nil && pid != 0 {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}

	do(hosts, `new_store("OrdersStore", "orders"):check()`)
	do(hosts, `start_store("OrdersStore"):check() wait_ready("OrdersStore")`+settled)
	do(hosts, `add_instance{"OrdersStore", hosts = "127.28.3.11"}:check()`+settled)
	do(hosts, `add_instance{"OrdersStore", hosts = "127.28.3.12"}:check()`+settled)
	do(hosts, `remove_instance("OrdersStore", "orders-1"):check() wait_ready("OrdersStore")`+settled)
	do(hosts, `restart_instance("OrdersStore", "orders-2"):check() wait_ready("OrdersStore")`+settled)

	// An instance that is killed again and again.
	looping := func() bool {
		watch.mu.Lock()
		defer watch.mu.Unlock()
		return watch.instances[combination{string(wire.CrashLooping), false}] > 0
	}
	for until := time.Now().Add(time.Minute); !looping(); {
		kill("orders-3")
		if time.Now().After(until) {
			t.Fatal("orders-3 was killed for a minute and is not CrashLooping")
		}
	}
	do(hosts, `start_instance("OrdersStore", "orders-3") wait_ready("OrdersStore")`+settled)

	// A manager that dies, while its instance goes on and then stops with it.
	if err := f.kill(hosts[2:]); err != nil {
		t.Fatal(err)
	}
	do(hosts, `assert(store_status("OrdersStore").ready == false)`)
	if err := f.start(hosts[2:]); err != nil {
		t.Fatal(err)
	}
	do(hosts, `wait_ready("OrdersStore")`+settled)
	do(hosts, `stop_store("OrdersStore"):check() assert(store_status("OrdersStore").status == "Stopped")`)
	do(hosts, `add_instance{"OrdersStore", hosts = "127.28.3.11"}:check() assert(store_status("OrdersStore").status == "Stopped")`)
	do(hosts, `start_store("OrdersStore"):check() wait_ready("OrdersStore")`+settled)

	// A server that is lost for good.
	kill("orders-3")
	if err := f.kill(hosts[2:]); err != nil {
		t.Fatal(err)
	}
	rest := hosts[:2]
	do(hosts, `local gone = "127.28.3.13"
repair_store{"OrdersStore", lost = gone}:check()`)
	do(rest, `remove_instance("OrdersStore", "orders-3"):check() wait_ready("OrdersStore")`+settled)
	do(rest, `stop_store("OrdersStore"):check() remove_store{"OrdersStore", confirm = "OrdersStore"}:check()`)
	ended()

	documentedInstance, documentedStore := documentedCombinations(t)
	report := func(what string, seen map[combination]int, documented map[combination]bool, must ...combination) {
		for c, times := range seen {
			if !documented[c] {
				t.Errorf("%s was %s, ready %v, %d times: docs/stores.md has no such combination", what, c.status, c.ready, times)
			}
		}
		for _, c := range must {
			if seen[c] == 0 {
				t.Errorf("nobody saw %s that was %s, ready %v", what, c.status, c.ready)
			}
		}
		t.Log(what, seen)
	}
	report("an instance", watch.instances, documentedInstance, combination{"Stopped", false}, combination{"Running", true},
		combination{"Joining", false}, combination{"CrashLooping", false}, combination{"Unknown", false})
	report("a store", watch.stores, documentedStore, combination{"Stopped", false}, combination{"Running", true},
		combination{"Partial", false})
	for i, problem := range watch.problems {
		if i == 10 {
			t.Errorf("and %d more", len(watch.problems)-i)
			break
		}
		t.Error(problem)
	}
}

// TestStoreStatus_CatalogLost damages both generations of a manager's catalog. What the manager shows then is what it
// finds; nothing calls that ready or consistent.
func TestStoreStatus_CatalogLost(t *testing.T) {
	t.Parallel()
	hosts := []string{"127.28.6.11", "127.28.6.12"}
	f := &fleet{dir: t.TempDir()}
	t.Cleanup(f.close)
	if err := f.start(slices.Clone(hosts)); err != nil {
		t.Fatal(err)
	}
	do := func(managers, script string) string {
		t.Helper()
		out, err := exec.Command(program("dkvrun"), "-q", "-m", managers, "-e", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
	both := strings.Join(hosts, ",")
	do(both, `
new_store{"OrdersStore", "orders"}:check()
start_store("OrdersStore"):check()
wait_ready("OrdersStore")`)
	if err := f.kill(hosts[1:]); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"catalog.json", "catalog.json.1", "catalog.json.2"} {
		if err := os.WriteFile(filepath.Join(f.dir, hosts[1], name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.start(slices.Clone(hosts[1:])); err != nil {
		t.Fatal(err)
	}
	const differs = ":7801 is read-only, because it can't read its catalog; it shows the instances that it finds\n"
	status := `
local s
wait_until{timeout_sec = 20, f = function() s = store_status("OrdersStore") return s.status == "Running" end}
print(s.consistent, s.revision, #s.differences)
print(s.differences[1].manager .. " " .. s.differences[1].message)
print(s.differences[1].revision)`
	if out, want := do(both, status), "false\t1\t1\n"+hosts[1]+differs+"nil\n"; out != want {
		t.Errorf("both: %swant %s", out, want)
	}
	if out, want := do(hosts[1], status+` print(s.ready)`), "false\t0\t1\n"+hosts[1]+differs+"nil\nfalse\n"; out != want {
		t.Errorf("alone: %swant %s", out, want)
	}
	out := do(hosts[1], `local ok, err = pcall(wait_ready, {"OrdersStore", timeout_sec = 1}) print(ok, err.message)`)
	if !strings.HasPrefix(out, "false\twait_ready: OrdersStore is not ready after 1s: ") ||
		!strings.Contains(out, "the topology is not known: "+hosts[1]+differs) {
		t.Error(out)
	}
}
