package builtins

import (
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"

	"dkvrun/runtime/printable"
)

// Texts of a manager reach the terminal only as printable text.
func TestHostileManager_TextIsPrintable(t *testing.T) {
	const bad = "\x1b]0;owned\a\x00\u202e\u009b2J\u2028evil"
	text, err := json.Marshal(bad)
	if err != nil {
		t.Fatal(err)
	}
	q := string(text)
	node := `"host":` + q + `,"manager":` + q + `,"clustronPort":1,"clientPort":2,"role":` + q + `,"status":` + q + `,"desired":` + q + `,"lastError":` + q + `,"own":true}`
	op := `{"id":` + q + `,"state":` + q + `,"manager":` + q + `,"action":` + q + `,"owner":` + q + `,"store":` + q + `,"home":` + q + `,"claims":[` + q + `],"managers":[{"identity":` + q + `,"url":` + q + `}]}`
	good := `{"name":"s-1","host":"127.48.3.1","clustronPort":1,"clientPort":2,"role":"data","own":true,"status":` + q + `,"desired":` + q + `,"lastError":` + q + `,"manager":` + q + `}`
	store := func(name, instances string) string {
		return `{"name":` + name + `,"status":` + q + `,"engine":` + q + `,"operation":` + q + `,"change":` + q + `,"revision":3,"digest":` + q + `,"home":` + q +
			`,"managers":[{"identity":` + q + `,"url":` + q + `}],"founders":[{"name":` + q + `,"host":` + q + `}],"instances":[` + instances + `],"leaving":[` + strings.ReplaceAll(good, "s-1", "s-2") + `],"pending":` + op + `}`
	}
	result := `{"operation":` + q + `,"success":false,"statusCode":409,"code":` + q + `,"message":` + q + `,"hint":` + q + `}`
	info := `{"identity":` + q + `,"host":` + q + `,"version":` + q + `,"boot":` + q + `,"capabilities":[` + q + `]}`
	state := `{"manager":` + q + `,"store":` + q + `,"pending":` + op + `,"decided":[` + op + `],"fenced":[` + q + `],"repairing":` + q + `,"removed":` + q +
		`,"configuration":{"operation":` + q + `,"home":` + q + `,"managers":[{"identity":` + q + `,"url":` + q + `}],"nodes":[{"name":` + q + `,` + node + `]}}`
	metrics := `{"windowSec":5,"metrics":[{"store":"S","instance":` + q + `,"category":` + q + `,"metric":` + q + `,"rate":1,"total":2}]}`
	for name, answers := range map[string]map[string]string{
		"every name":       {"": store(q, `{"name":`+q+`,`+node)},
		"a list of them":   {"/stores": "[" + store(q, `{"name":`+q+`,`+node) + "]"},
		"all but names":    {"/stores/S": store(`"S"`, good), "/stores": "[" + store(`"S"`, good) + "]", "/metrics": metrics, "/state": state, "/operations": op, "/log": bad},
		"results":          {"/start": result, "/stop": result, "/operations": result, "/settle": result, "/state": result},
		"info":             {"/info": info},
		"results for all":  {"": result},
		"operations":       {"": op},
		"states":           {"": state},
		"text":             {"": bad},
		"a text of JSON":   {"": q},
		"names of results": {"": strings.Replace(result, "false", "true", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			shown := runAgainst(t, everything, newHostile(t, "127.48.3.1", answers))
			for i, line := range strings.Split(shown, "\n") {
				if clean := printable.Line(strings.ReplaceAll(line, "\t", " ")); clean != strings.ReplaceAll(line, "\t", " ") {
					t.Errorf("line %d: %q", i+1, line)
				}
			}
			if strings.Contains(shown, "goroutine") || strings.Contains(shown, "runtime error") {
				t.Error(shown)
			}
		})
	}
}

// Wrong types, missing fields, huge numbers and deep nesting give one error line per manager and never a success.
func TestHostileManager_ImpossibleAnswers(t *testing.T) {
	var mutants []string
	var walk func(v any, set func(any))
	good := storeOf("127.48.3.2")
	mutant := func(root *any) { text, _ := json.Marshal(*root); mutants = append(mutants, string(text)) }
	var root any
	if err := json.Unmarshal([]byte(good), &root); err != nil {
		t.Fatal(err)
	}
	walk = func(v any, set func(any)) {
		for _, other := range []any{nil, true, -1, 1.5, 1e300, "", "x/../y", []any{}, map[string]any{}, []any{nil}, json.Number("99999999999999999999")} {
			set(other)
			mutant(&root)
		}
		set(v)
		switch v := v.(type) {
		case map[string]any:
			for k, child := range v {
				delete(v, k)
				mutant(&root)
				v[k] = child
				walk(child, func(x any) { v[k] = x })
			}
		case []any:
			for i, child := range v {
				walk(child, func(x any) { v[i] = x })
			}
		}
	}
	walk(root, func(x any) { root = x })
	mutants = append(mutants,
		strings.Repeat(`{"a":`, 20000)+"1"+strings.Repeat("}", 20000), strings.Repeat("[", 1<<20),
		good+good, good[:len(good)-1], `{"name":"S","name":"T"}`, "", "null", "[]", "\xff", "SSH-2.0")
	h := newHostile(t, "127.48.3.2", map[string]string{})
	for _, m := range mutants {
		h.setAnswers(map[string]string{"": m})
		shown := runAgainst(t, `
			local s, ready = pcall(store_status, "S"), pcall(wait_ready, {"S", timeout_sec = 0.001})
			local r = start_store("S")
			print(s, ready, r.ok and #r > 0)
			add_instance{"S", host = "127.48.3.2", timeout_sec = 0.01, dry_run = true}`, h)
		if strings.Contains(shown, "runtime error") || strings.Contains(shown, "goroutine") || strings.Contains(shown, "internal") {
			t.Errorf("%.300s:\n%s", m, shown)
		}
		if strings.Contains(shown, "SUCCESS") {
			t.Errorf("%.300s: a success:\n%s", m, shown)
		}
	}
	t.Logf("%d answers", len(mutants))
}

// A store without instances is not ready, and starting it is not a success.
func TestHostileManager_NoInstances(t *testing.T) {
	h := newHostile(t, "127.48.3.3", map[string]string{"/stores/S": `{"name":"S","revision":1,"instances":[]}`})
	for _, call := range []string{`wait_ready{"S", timeout_sec = 0.3}`, `start_store("S"):check()`, `print(store_status("S").ready)`, `add_instance{"S", host = "127.48.3.3"}:check()`} {
		if shown := runAgainst(t, call, h); !strings.Contains(shown, "error: ") || !strings.Contains(shown, "127.48.3.3:7801") {
			t.Errorf("%s:\n%s", call, shown)
		}
	}
}

// An answer to another request is not accepted, even if it reports success.
func TestHostileManager_OtherOperation(t *testing.T) {
	h := newHostile(t, "127.48.3.4", map[string]string{"/start": `{"operation":"StartInstance:s-9","success":true,"statusCode":200,"code":"ok","message":"Started"}`})
	shown := runAgainst(t, `print(start_store("S").ok)`, h)
	if !strings.Contains(shown, "answered about StartInstance:s-9, which was not requested") || !strings.Contains(shown, "false\n") {
		t.Error(shown)
	}
	h.setAnswers(map[string]string{"/start": `{"operation":"StartInstance:s-1","success":false,"statusCode":409,"code":"port_taken"}`})
	if shown := runAgainst(t, `start_store("S")`, h); !strings.Contains(shown, "FAILED|protocol|the answer contradicts itself: HTTP status 200, but statusCode 409") {
		t.Error(shown)
	}
}

// If two managers claim an instance, the one that the topology names counts.
func TestHostileManager_InstanceClaimedTwice(t *testing.T) {
	planned := strings.Replace(storeOf("127.48.3.5"), `"role"`, `"manager":"127.48.3.5:7801","role"`, 1)
	starting := strings.NewReplacer(`"ready":true`, `"ready":false`, `"Running","ready"`, `"Starting","ready"`, `"Running","revision"`, `"Partial","revision"`)
	a := newHostile(t, "127.48.3.5", map[string]string{"/stores/S": starting.Replace(planned)})
	b := newHostile(t, "127.48.3.6", map[string]string{"/stores/S": planned})
	for _, managers := range [][]*hostile{{a, b}, {b, a}} {
		if shown := runAgainst(t, `print(store_status("S").instances[1].status)`, managers...); !strings.Contains(shown, "Starting") {
			t.Errorf("%v: %s", managers[0].Endpoint, shown)
		}
	}
}

// An answer with a huge number of empty values takes little memory.
func TestHostileManager_MemoryBounded(t *testing.T) {
	const size = 16<<20 - 1000
	fill := func(head, item, tail string) string {
		n := (size - len(head) - len(tail)) / (len(item) + 1)
		return head + strings.Repeat(item+",", n) + item + tail
	}
	var figures strings.Builder
	for i := range 60000 {
		fmt.Fprintf(&figures, `{"instance":"i-%d","category":"c","metric":"m-%d","total":1},`, i, i)
	}
	h := newHostile(t, "127.48.3.7", map[string]string{})
	for name, answers := range map[string]map[string]string{
		"instances": {"/stores/S": fill(`{"name":"S","instances":[`, "{}", `]}`)},
		"nulls":     {"/stores/S": fill(`{"name":"S","instances":[`, "null", `]}`)},
		"leaving":   {"/stores/S": fill(`{"name":"S","leaving":[`, "{}", `]}`)},
		"stores":    {"/stores": fill("[", "{}", "]")},
		"names":     {"/stores": fill("[", `{"name":"a"}`, "]")},
		"metrics":   {"/metrics": fill(`{"metrics":[`, "{}", `]}`)},
		"figures":   {"/metrics": `{"metrics":[` + strings.TrimSuffix(figures.String(), ",") + `]}`},
		"states":    {"/state": fill(`{"manager":"x","decided":[`, "{}", `]}`), "/settle": fill(`{"manager":"x","decided":[`, "{}", `]}`)},
		"votes":     {"/operations": fill(`{"id":"x","state":"pending","managers":[`, "{}", `]}`)},
		"info":      {"/info": fill(`{"identity":"x","capabilities":[`, `""`, `]}`)},
		"numbers":   {"/stores/S": `{"name":"S","revision":` + strings.Repeat("9", size) + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			h.setAnswers(answers)
			var before, after goruntime.MemStats
			goruntime.ReadMemStats(&before)
			shown := runAgainst(t, `pcall(connect_managers) pcall(function() print(#get_store()) end) pcall(store_status, "S") pcall(watch_store_metrics, {"S", count = 1})
				pcall(repair_store, {"S", timeout_sec = 1}) pcall(remove_store, {"S", timeout_sec = 1})`, h)
			goruntime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 512<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
			if len(shown) > 1<<20 {
				t.Errorf("%d bytes were shown", len(shown))
			}
		})
	}
}
