package lualib_test

import (
	"bytes"
	"context"
	"testing"

	"dkvrun/runtime"
)

// output runs a script on a new host and returns its output, or "error: " with the error.
func output(t *testing.T, script string) string {
	t.Helper()
	var out bytes.Buffer
	h := runtime.New(runtime.Options{Stdout: &out, Stderr: &out, Script: "test.lua"})
	defer h.Close()
	if _, err := h.RunSource(context.Background(), "test.lua", []byte(script)); err != nil {
		return "error: " + err.Error()
	}
	return out.String()
}

// snippet is a script and its output.
type snippet struct{ script, want string }

func checkSnippets(t *testing.T, snippets []snippet) {
	t.Helper()
	for _, s := range snippets {
		if got := output(t, s.script); got != s.want {
			t.Errorf("%s\n got %q\nwant %q", s.script, got, s.want)
		}
	}
}
