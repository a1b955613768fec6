package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dkvrun/builtins"
	"dkvrun/builtins/testkit"
	"dkvrun/runtime/suite"
)

// dkvrunTest runs suites and returns the output. It fails t if they fail.
func dkvrunTest(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(program("dkvrun"), append([]string{"test"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestSuites_Pass runs the suites in tests/suites.
func TestSuites_Pass(t *testing.T) {
	t.Parallel()
	out := dkvrunTest(t, "--shuffle", "--jobs", "6", "suites")
	t.Log(out[strings.LastIndex(out, "PASSED"):])
}

// The example of a suite for plain and secured managers passes on secured ones too; TestSuites_Pass runs it on plain
// ones.
func TestSuites_PassSecured(t *testing.T) {
	t.Parallel()
	const secured = `it("is secured", function() assert.is_true(local_cluster{servers = 1}.secured) end)`
	path := filepath.Join(t.TempDir(), "secured_test.lua")
	if err := os.WriteFile(path, []byte(secured), 0o600); err != nil {
		t.Fatal(err)
	}
	dkvrunTest(t, "--secured", "suites/either_test.lua", path)
}

// TestSuites_DescribeEverything tests that each builtin, method, module and runbook has a block with its name.
func TestSuites_DescribeEverything(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("suites/*_test.lua")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	var names []string
	for _, b := range append(builtins.All(), testkit.Builtins()...) {
		names = append(names, b.Name)
	}
	for _, o := range builtins.Objects() {
		if o.Name == "store" || o.Name == "task" {
			for _, m := range o.Methods {
				names = append(names, o.Name+":"+m.Name)
			}
		}
	}
	for _, folder := range []string{"../stdlib", "../scripts"} {
		modules, err := filepath.Glob(filepath.Join(folder, "*.lua"))
		if err != nil || len(modules) == 0 {
			t.Fatal(folder, err)
		}
		for _, m := range modules {
			names = append(names, strings.TrimSuffix(filepath.Base(m), ".lua"))
		}
	}
	for _, name := range names {
		numbered := strings.TrimRight(name, "0123456789")
		if !strings.Contains(all.String(), fmt.Sprintf("describe(%q", name)) &&
			(numbered == name || !strings.Contains(all.String(), fmt.Sprintf("describe(%q ..", numbered))) {
			t.Errorf("no suite describes %s", name)
		}
	}
}

// TestSuites_ExamplesRun runs the examples of the builtins for tests, each in a separate block.
func TestSuites_ExamplesRun(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	examples := 0
	example := func(name, source string) {
		if source == "" {
			t.Errorf("%s has no example", name)
		}
		examples++
		fmt.Fprintf(&text, "describe(%q, function()\n%s\nit(\"is read\", function() end)\nend)\n", name, source)
	}
	for _, b := range append(suite.Words(), testkit.Builtins()...) {
		if b.Doc == "" || b.Returns == "" {
			t.Errorf("%s lacks its doc or its return", b.Name)
		}
		example(b.Name, b.Example)
	}
	for _, o := range testkit.Objects() {
		for _, m := range o.Methods {
			example(o.Name+":"+m.Name, m.Example)
		}
	}
	path := filepath.Join(t.TempDir(), "examples_test.lua")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out := dkvrunTest(t, path)
	if strings.Count(out, ".") < examples {
		t.Errorf("%d examples, but:\n%s", examples, out)
	}
}
