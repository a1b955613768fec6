package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dkvrun/builtins"
)

// TestBuiltins_ExamplesRun runs the example of every declaration unchanged, each as a separate chunk on a shared
// throw-away cluster, and removes the stores that the example created.
func TestBuiltins_ExamplesRun(t *testing.T) {
	t.Parallel()
	var script strings.Builder
	script.WriteString(`
local function clean()
  for _, row in ipairs(get_store()) do
    if #get_store(row.store) > 0 then remove_store{row.store, confirm = row.store, stop_first = true}:check() end
  end
end
local failed = 0
local function try(name, source)
  local chunk = assert(loadstring(source, name))
  local ok, problem = pcall(chunk)
  if not ok then
    failed = failed + 1
    print("FAILED " .. name .. ": " .. tostring(problem))
  end
end
`)
	examples := 0
	example := func(name, source string) {
		if source == "" {
			t.Errorf("%s has no example", name)
		}
		examples++
		fmt.Fprintf(&script, "try(%q, [==[%s]==])\n", name, source)
	}
	for _, b := range builtins.All() {
		example(b.Name, b.Example)
		script.WriteString("clean()\n")
	}
	for _, o := range builtins.Objects() {
		if o.Name == "store" {
			script.WriteString(`new_store{"OrdersStore", instance_prefix = "orders"}:check()
start_store("OrdersStore"):check()
wait_ready("OrdersStore")
store = connect_store("OrdersStore")
`)
		}
		for _, m := range o.Methods {
			example(o.Name+":"+m.Name, m.Example)
			if o.Name != "store" {
				script.WriteString("clean()\n")
			}
		}
	}
	script.WriteString("clean()\nassert(failed == 0, failed .. ' examples failed')\n")
	path := filepath.Join(t.TempDir(), "examples.lua")
	if err := os.WriteFile(path, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program("dkvrun"), "--local=2", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d examples ran", examples)
}

// TestBuiltins_AreDocumented tests that each declaration has the texts that help and reference need.
func TestBuiltins_AreDocumented(t *testing.T) {
	t.Parallel()
	for _, b := range builtins.All() {
		if b.Doc == "" || b.Returns == "" || b.Group == "" {
			t.Errorf("%s lacks its doc, its return or its group", b.Name)
		}
		for _, p := range b.Params {
			if p.Doc == "" {
				t.Errorf("%s: parameter %s has no doc", b.Name, p.Name)
			}
		}
	}
	for _, o := range builtins.Objects() {
		for _, f := range o.Fields {
			if f.Doc == "" {
				t.Errorf("%s.%s has no doc", o.Name, f.Name)
			}
		}
	}
}
