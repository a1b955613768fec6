package tests

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"dkvrun/runtime/wire"
)

const (
	refusedReason = "connection refused: nothing listens there; is the server running, and the port right?"
	notUTF8       = "is not UTF-8, and JSON can't hold other bytes"
)

// inJSON is an input of which dkvrun writes one JSON document.
func inJSON(in input) input {
	in.args = append([]string{"-o", "json"}, in.args...)
	return in
}

// connected is an input that connects the managers of DKVRUN_MANAGERS first, and says so.
func connected(in input) input {
	in.stderr = strings.TrimSuffix("dkvrun: connected to .*, from DKVRUN_MANAGERS\n"+in.stderr, "\n")
	return in
}

// answersWithoutManagers has inputs for which no manager is needed; nothing listens at 127.0.0.30:7801.
func answersWithoutManagers() []input {
	const (
		query   = `get_store{managers="127.0.0.30"}`
		nobody  = "dkvrun: -e:1: get_store: no manager answered: 127.0.0.30:7801: " + refusedReason
		refused = `\{"code":"refused","manager":"127\.0\.0\.30:7801","message":"connection refused: [^"]*"\}`
	)
	quoted := strings.ReplaceAll(nobody, "?", `\?`)
	wait := input{name: "tasks that wait for each other", args: []string{"wait.lua"}, status: 1,
		files: map[string]string{"wait.lua": `local a, b
a = spawn(function()
  wait_until{interval_sec = 0.01, f = function() return b end}
  print(select(2, pcall(b.wait, b)))
end)
b = spawn(function() a:wait() end)
b:wait()`},
		stdout: `wait\.lua:4: task:wait: can never end: tasks wait for each other here and at wait\.lua:6`,
		stderr: `dkvrun: wait\.lua:6: task:wait: can never end: tasks wait for each other here and at wait\.lua:4`,
	}
	strict := expression("a query that nobody answers, strict", query, 1, "", quoted)
	strict.args = append([]string{"--strict"}, strict.args...)
	return []input{
		expression("a query that nobody answers", query, 1, "", quoted),
		inJSON(expression("a query that nobody answers, as JSON", query, 1,
			`\{"actions":\[\],"error":\{"code":"no_answer",.*\},"ok":false,"steps":\[\],"unreachable":\[`+refused+`\],"value":null\}`, quoted)),
		strict,
		{name: "each query that nobody answers", shown: &shown{"tests/transcripts/no_answer.txtar", "",
			"exec dkvrun each.lua $H3", "watch_store_metrics	false	no_answer"}},

		expression("bytes as JSON", `json.encode("\255\0\1")`, 1, "",
			`dkvrun: -e:1: json\.encode: parameter value: "\\xff\\x00\\x01" `+notUTF8),
		expression("bytes as names in JSON", `json.encode{["k\255"]=1, ["k\254"]=2}`, 1, "",
			`dkvrun: -e:1: json\.encode: parameter value: a key: "k\\xfe" `+notUTF8),
		expression("bytes of JSON", `json.decode("\"\255\"")`, 1, "",
			`dkvrun: -e:1: json\.decode: parameter text: not JSON: byte 2: the text is not UTF-8, or has half of a surrogate pair`),
		expression("half of a surrogate pair", `json.decode[["\ud800"]]`, 1, "",
			`dkvrun: -e:1: json\.decode: parameter text: not JSON: byte 2: the text is not UTF-8, or has half of a surrogate pair`),

		expression("a function that is not called", `managers`, 1, "",
			"dkvrun: the expression's value is a function, which was not called\n        managers\\(\\) calls it"),
		inJSON(expression("a function that is not called, as JSON", `managers`, 1,
			`\{"actions":\[\],"error":\{"hint":"managers\(\) calls it","message":"the expression's value is a function, which was not called"\},`+
				`"ok":false,.*"value":null\}`, "(?s)dkvrun: the expression's value is a function.*")),
		wait,
	}
}

// answersElsewhere has inputs that need faults which transcripts and other tests inject.
func answersElsewhere() []input {
	at := func(name, file, test, in, answer string) input {
		return input{name: name, shown: &shown{file, test, in, answer}}
	}
	const (
		changed  = "tests/transcripts/changed_on_the_way.txtar"
		differ   = "tests/transcripts/contents_differ.txtar"
		refuses  = "tests/transcripts/store_refuses.txtar"
		invalid  = "runtime/commit/invalid_answers_test.go"
		statuses = "tests/store_status_test.go"
	)
	return []input{
		at("statuses after every action", statuses, "TestStoreStatus_NeverContradictsItself",
			`add_instance{"OrdersStore", hosts = "127.28.3.12"}:check()`, "docs/stores.md has no such combination"),
		at("a manager that can't read its catalog", statuses, "TestStoreStatus_CatalogLost",
			`"catalog.json", "catalog.json.1", "catalog.json.2"`, "is read-only, because it can't read its catalog"),

		at("a web server", "tests/connect_test.go", "TestConnect_OnlyManagers", `"<html>It works!</html>"`, `strings.Contains(said, "connected to")`),
		at("a store with nearly this name is removed", "tests/transcripts/absent.txtar", "", `--yes -e 'remove_store("OrderStore")'`,
			`SUCCESS +There is no store OrderStore here \(did you mean OrdersStore\?\)`),
		at("no difference of topologies", "tests/transcripts/plan_diff.txtar", "", "print(topology.diff(topology(store), there))", "no difference"),
		at("differences of topologies", "tests/transcripts/plan_diff.txtar", "", "store.client_port = 7900", "orders-2: client_port 7900 → 7861"),

		at("no majority", refuses, "", `dkvrun codes.lua`,
			`no_majority true store:put: OrdersStore has no majority: 1 of 3 are there, 2 are needed; the write may have been made`),
		at("a stopped store", refuses, "", `connect_store("OrdersStore"):put("order/1", "paid")`, `put: OrdersStore is stopped$`),
		at("authentication is enabled", refuses, "", `auth enable`, `OrdersStore is not ready after 2s: orders-1 \(Running, authentication is enabled`),
		at("authentication is enabled, data", refuses, "", `auth enable`, `denied false store:get: OrdersStore refuses requests without a user`),
		at("pages of a gateway", "cmd/dkvmanager/internal/engine/etcd/gateway_pages_test.go", "TestGateway_AnswersPagesAsDataInstances",
			`"/version", "/health"`, `the gateway answers %+v, a data instance %+v`),

		at("an interrupted step", "tests/interrupt_test.go", "TestInterrupt_StepIsNotFailed",
			`step("long", function() print("begun") sleep(60) end)`, "step long: interrupted, "),
		at("rows in the session's order", "tests/transcripts/row_order.txtar", "", "fleet 7971 4 slow",
			`StartInstance:orders-1 .*\n.*StartInstance:orders-2`),
		at("columns of a restart", "tests/transcripts/row_order.txtar", "", `restart_instance("OrdersStore", "orders-2")`,
			"StopInstance:orders-2   SUCCESS  Already stopped"),

		at("a changed port in a prepare", changed, "", "proxy $H6 prepare nodes.1.clientPort=7899", `CreateStore +FAILED +has another content of the operation`),
		at("a changed name in a prepare", changed, "", "proxy $H6 prepare nodes.0.name=carts-9", `CreateStore +FAILED +has another content`),
		at("a changed role in a prepare", changed, "", "proxy $H6 prepare nodes.0.role=gateway", `CreateStore +ROLLED BACK`),
		at("a changed store in a prepare", changed, "", "proxy $H5 prepare store=PaymentsStore", `has store "PaymentsStore" in the operation, not CartStore`),
		at("a store that was changed can be created", changed, "", `proxy $H5 prepare store=PaymentsStore`, `CreateStore +SUCCESS +Created`),
		at("differing contents", differ, "", "diverge OrdersStore 7899", `false\t1\t`),
		at("repair of differing contents", differ, "", `repair_store("OrdersStore")`, `Had another content of revision 1; took the coordinator`),
		at("a false refusal of the commit", changed, "", "proxy $H5 commit operation_aborted", `CreateStore +SUCCESS +Created`),
		at("a false refusal of the commit of a removal", changed, "", `remove_store{"TaskStore", confirm = "TaskStore"}`, `RemoveStore +SUCCESS +Removed`),
		at("a reader of the output that ends", "tests/transcripts/output_lost.txtar", "", "dkvrun change.lua; echo $? >status; } | head -n 1", "made: new_store: SUCCESS on"),
		at("two removals at the same time", "tests/suites/changes_test.lua", "", "parallel{remove, remove, remove}:check()", "#get_store()"),

		at("a late answer of the coordinator", invalid, "TestDriver_CoordinatorIsAskedTwice", `"1 commit": {silent(), `, "out.State != Committed"),
		at("garbage of the coordinator", invalid, "TestDriver_GarbageIsNotSilence", `"SSH-2.0"`, "gives no valid answer"),
	}
}

// answersOfManagers has inputs for two managers with the store OrdersStore, which runs.
func answersOfManagers() []input {
	const (
		twoOfThe = `managers={"127.28.8.11", "127.0.0.30"}`
		silent   = `dkvrun: get_store: 1 of 2 managers did not answer: 127\.0\.0\.30:7801: connection refused: .*`
	)
	add := expression("an instance is added", `add_instance{"OrdersStore", hosts = "127.28.8.12"}:check()
local now = store_status("OrdersStore")
print(now.status, now.ready)
for _, node in ipairs(now.instances) do print(node.name, node.status, node.ready) end`, 0,
		"(?s).*JoinInstance:orders-3 +SUCCESS +Joined as data.*\nRunning\ttrue\norders-1\tRunning\ttrue\norders-2\tRunning\ttrue\norders-3\tRunning\ttrue", "")
	removes := expression("a store that never was is removed", `local rows = remove_store("TypoStore")
for _, row in ipairs(rows) do print(row.success, row.code, row.changed, row.message) end`, 0,
		"(?s).*RemoveStore +SUCCESS .*"+strings.TrimSuffix(strings.Repeat("true\tabsent\tfalse\tThere is no store TypoStore here\n", 2), "\n"), "")
	removes.args = append([]string{"--yes"}, removes.args...)
	return []input{
		expression("a query that one of two answers", `#get_store{`+twoOfThe+`}`, 1, "1",
			silent+`\ndkvrun: -e:1: get_store: 1 of 2 managers did not answer .* and its result was never checked\n +look at .*`),
		inJSON(expression("a query that one of two answers, as JSON", `#get_store{`+twoOfThe+`}`, 1,
			`.*"ok":false,.*"unreachable":\[\{"code":"refused","manager":"127\.0\.0\.30:7801",.*\}\],"value":1\}`, `(?s)`+silent+`.*`)),
		expression("a store is created if nobody has it, and one is silent",
			`if #get_store{name="CartStore", `+twoOfThe+`} == 0 then new_store("CartStore", "cart") end`, 1, "",
			`(?s)`+silent+`\ndkvrun: .* was never checked: not running new_store .*`),
		connected(expression("nothing was created", `#get_store("CartStore")`, 0, "0", "")),

		connected(removes),
		connected(expression("a misspelt metric", `store_metrics("OrdersStore").store.typo`, 1, "",
			`dkvrun: -e:1: store metrics: no field typo: there is Cluster/IsLeader, .*`)),
		connected(expression("a metric with nearly this name", `store_metrics("OrdersStore").store["Request/Put"]`, 1, "",
			`dkvrun: -e:1: store metrics: no field Request/Put: did you mean Requests/Put\?`)),
		connected(expression("a metric beside the store's", `store_metrics("OrdersStore")["Request/Put"]`, 1, "",
			`dkvrun: -e:1: metrics: no field Request/Put: there is .*`)),
		expression("the table of new_store", `topology{name = "OrdersStore", instance_prefix = "orders"}`, 0,
			`(?s)orders-1 +127\.28\.8\.11:7811 +client:7861\norders-2 .*`, ""),
		connected(expression("bytes are stored", `connect_store("OrdersStore"):put("k", "a\255b") return #connect_store("OrdersStore"):get("k")`, 0, "3", "")),
		connected(inJSON(expression("stored bytes as JSON", `connect_store("OrdersStore"):get("k")`, 1,
			`\{"actions":\[\],"error":\{"message":"the value is left out: \\"a\\\\xffb\\" `+notUTF8+`"\},"ok":false,.*"value":null\}`,
			`dkvrun: the value is left out: "a\\xffb" `+notUTF8))),
		connected(add),
	}
}

// contradictions has results that contradict themselves, as the answer of a manager to a start, and the reason that
// a run gives.
var contradictions = map[string]struct{ result, reason string }{
	"a refusal in a success": {`{"operation":"StartInstance:s-1","success":false,"statusCode":409,"code":"port_taken","message":"m"}`,
		"HTTP status 200, but statusCode 409"},
	"a success with the code of a failure": {`{"operation":"StartInstance:s-1","success":true,"statusCode":200,"code":"start_failed","message":"m"}`,
		"success is true, but the code is start_failed"},
	"two values of success": {`{"operation":"StartInstance:s-1","success":false,"success":true,"statusCode":200,"code":"ok","message":"m"}`,
		`ambiguous key: \\"success\\" is given twice`},
}

// serve serves HTTP on port 7801 of a host until the test ends.
func serve(t *testing.T, host string, handler http.HandlerFunc) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "7801"))
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: handler}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
}

// TestAnswers_EveryInput gives inputs for which a run once said something that is not so.
func TestAnswers_EveryInput(t *testing.T) {
	t.Parallel()
	t.Run("without managers", func(t *testing.T) { checkInputs(t, answersWithoutManagers()) })
	t.Run("elsewhere", func(t *testing.T) { checkInputs(t, answersElsewhere()) })

	const behind, proxy = "127.28.8.21", "127.28.8.22"
	hosts := []string{"127.28.8.11", "127.28.8.12"}
	f := &fleet{dir: t.TempDir()}
	t.Cleanup(f.close)
	if err := f.start(append([]string{behind + "=" + proxy}, hosts...)); err != nil {
		t.Fatal(err)
	}
	manager := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: behind + ":7801"})
	var result atomic.Value
	serve(t, proxy, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/start") {
			r.Method, r.URL.Path = http.MethodGet, wire.InfoPath()
			wire.SetManager(w.Header(), identity(manager, r))
			io.WriteString(w, result.Load().(string))
			return
		}
		manager.ServeHTTP(w, r)
	})
	prepare := func(managers, script string) {
		t.Helper()
		if out, err := exec.Command(program("dkvrun"), "-q", "-m", managers, "-e", script).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	session := strings.Join(hosts, ",")
	prepare(session, `new_store("OrdersStore", "orders"):check() start_store("OrdersStore"):check() wait_ready("OrdersStore")`)
	t.Run("of managers", func(t *testing.T) { checkInputs(t, answersOfManagers(), "DKVRUN_MANAGERS="+session) })

	prepare(proxy, `new_store("S", "s"):check()`)
	for name, c := range contradictions {
		result.Store(c.result)
		row := inJSON(connected(expression(name, `start_store("S")`, 1,
			`.*"code":"protocol",[^}]*"message":"the answer contradicts itself: `+c.reason+`","result":"FAILED",.*"success":false[,}].*`, "")))
		t.Run("contradictions", func(t *testing.T) { checkInputs(t, []input{row}, "DKVRUN_MANAGERS="+proxy) })
	}
}
