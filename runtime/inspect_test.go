package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHost_InspectionSaysWhatARunRaises compares the host's answers about names with the errors of a run.
func TestHost_InspectionSaysWhatARunRaises(t *testing.T) {
	h := New(Options{Builtins: declared})
	defer h.Close()
	for _, c := range []struct{ src, want string }{
		{"new_stor", h.Undefined("new_stor", nil)},
		{"nothing_like_it", h.Undefined("nothing_like_it", nil)},
		{"dofile", h.Undefined("dofile", nil)},
		{"os.getenv()", h.UndefinedField("os", "getenv", true)},
		{"io.stdin", h.UndefinedField("io", "stdin", false)},
		{"package.path", h.UndefinedField("package", "path", false)},
		{"os.tiem", h.UndefinedField("os", "tiem", false)},
		{"topology.valid", h.UndefinedField("topology", "valid", false)},
	} {
		_, err := h.Eval(t.Context(), c.src)
		if err == nil || c.want == "" || asError(err).Message != c.want {
			t.Errorf("%s\n raises %v\n want %s", c.src, err, c.want)
		}
	}
	for what, got := range map[string]string{
		"a global that there is":         h.Undefined("new_store", nil),
		"a field that there is":          h.UndefinedField("string", "format", true),
		"a function that is only kept":   h.UndefinedField("os", "getenv", false),
		"a field that package may have":  h.UndefinedField("package", "searchpath", false),
		"a field that may be missing":    h.UndefinedField("table", "unpack", false),
		"an element of the arguments":    h.UndefinedField("arg", "x", true),
		"a field of an undefined global": h.UndefinedField("nowhere", "x", true),
	} {
		if got != "" {
			t.Errorf("%s: got %s", what, got)
		}
	}
	if got, want := h.Undefined("ordres", []string{"orders"}), "undefined global ordres: did you mean orders?"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := h.UndefinedField("new_store", "x", true), "attempt to index a function value with key 'x'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := h.UndefinedField("table", "unpack", true), "table: no field unpack: there is concat, foreach, foreachi, getn, insert, maxn, remove, setn and sort"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHost_CompilesAndModuleRunNothing(t *testing.T) {
	folder := t.TempDir()
	h := New(Options{Script: filepath.Join(folder, "main.lua")})
	defer h.Close()
	if err := h.Compiles("a.lua", []byte("error('ran')")); err != nil {
		t.Error(err)
	}
	if err := h.Compiles("a.lua", []byte("\nx =")); err == nil || !strings.HasPrefix(err.Error(), "a.lua:2: ") {
		t.Errorf("got %v, want a refusal of line 2", err)
	}
	file := filepath.Join(folder, "found.lua")
	if err := os.WriteFile(file, []byte("error('ran')"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, src, err := h.Module("found"); err != nil || got != file || string(src) != "error('ran')" {
		t.Errorf("got %s, %q, %v", got, src, err)
	}
	if _, _, err := h.Module("gone"); err == nil || !strings.Contains(err.Error(), "require: no module gone: looked for ") {
		t.Errorf("got %v, want the words of require", err)
	}
}
