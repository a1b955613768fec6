package runtime

import (
	"bytes"
	"context"
	"testing"
)

// testHost returns a host with these builtins, and the buffer that receives its output.
func testHost(t testing.TB, builtins ...Builtin) (*Host, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	h := New(Options{Builtins: builtins, Stdout: &out, Stderr: &out, Script: "test.lua"})
	t.Cleanup(h.Close)
	return h, &out
}

// output runs a script and returns its output, or the text of its error.
func output(t testing.TB, h *Host, out *bytes.Buffer, script string) string {
	t.Helper()
	out.Reset()
	if _, err := h.RunSource(context.Background(), "test.lua", []byte(script)); err != nil {
		return "error: " + err.Error()
	}
	return out.String()
}

// snippet is a script with its expected output, or "error: " with the expected error.
type snippet struct{ script, want string }

func checkSnippets(t *testing.T, snippets []snippet, builtins ...Builtin) {
	t.Helper()
	for _, s := range snippets {
		h, out := testHost(t, builtins...)
		if got := output(t, h, out, s.script); got != s.want {
			t.Errorf("%s\n got %q\nwant %q", s.script, got, s.want)
		}
	}
}

func TestHost_ReturnsItsOptions(t *testing.T) {
	var out, diagnostics bytes.Buffer
	h := New(Options{Stdout: &out, Stderr: &diagnostics, App: 7})
	defer h.Close()
	if _, err := h.Eval(context.Background(), `io.stdout:write("result"); io.stderr:write("problem")`); err != nil {
		t.Error(err)
	}
	if out.String() != "result" || diagnostics.String() != "problem" || h.App() != 7 {
		t.Errorf("the host has written %q and %q, and has the state %v", out.String(), diagnostics.String(), h.App())
	}
	bare := New(Options{})
	defer bare.Close()
	if _, err := bare.Eval(context.Background(), `print("nowhere")`); err != nil {
		t.Error(err)
	}
}

// The limit of the values in calls holds for each thread: of the script, of protected calls, coroutines and tasks.
func TestHost_CallsHoldTooManyValues(t *testing.T) {
	h, _ := testHost(t)
	if n := h.main.Options.RegistryMaxSize; n != 1_048_576 {
		t.Errorf("the calls of a thread hold at most %d values", n)
	}
	const grow = "local function grow(n, ...) return grow(n, unpack(n, 1, 800)), ... end\n"
	const message = "stack overflow: calls hold more than 8192 values"
	for script, want := range map[string]string{
		"grow({})":               "error: test.lua:1: " + message,
		"print(pcall(grow, {}))": "false\ttest.lua:1: " + message + "\n",
		"print(coroutine.resume(coroutine.create(grow), {}))":          "false\ttest.lua:1: " + message + "\n",
		"print(pcall(coroutine.wrap(grow), {}))":                       "false\ttest.lua:1: " + message + "\n",
		"coroutine.wrap(grow)({})":                                     "error: test.lua:1: " + message,
		"print(pcall(string.gsub, 'x', 'x', function() grow({}) end))": "false\ttest.lua:1: " + message + "\n",
	} {
		var out bytes.Buffer
		h := newHost(Options{Stdout: &out, Script: "test.lua"}, 8192)
		if got := output(t, h, &out, grow+script); got != want {
			t.Errorf("%s\n got %q\nwant %q", script, got, want)
		}
		h.Close()
	}
}
