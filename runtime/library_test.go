package runtime

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

func TestLibraryIsTheStandardLibrarysOwn(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "double.lua"), []byte(`return function() return "the script's" end`), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded := fstest.MapFS{
		"double.lua": {Data: []byte(`print("loaded") return function(x) return 2 * x end`)},
		"broken.lua": {Data: []byte(`return 5`)},
	}
	call := func(module string) Builtin {
		return Builtin{Name: module, Params: []Param{{Name: "x", Type: Integer}}, Positional: 1, Impl: func(c *Call) (any, error) {
			f, err := c.Library(module)
			if err != nil {
				return nil, err
			}
			return f.Call(c.Context(), c, c.Int("x"))
		}}
	}
	for script, want := range map[string]string{
		`print(double(2), double(3), require("double")())`: "loaded\n4\t6\tthe script's\n",
		`print(pcall(broken, 1))`:                          "false\tmain.lua:1: broken: stdlib/broken.lua returns a number, not a function\n",
	} {
		var out bytes.Buffer
		h := New(Options{Stdout: &out, Script: filepath.Join(dir, "main.lua"), Stdlib: loaded, Builtins: []Builtin{call("double"), call("broken")}})
		if _, err := h.RunSource(context.Background(), "main.lua", []byte(script)); err != nil {
			t.Error(err)
		}
		h.Close()
		if out.String() != want {
			t.Errorf("%s\n got %q\nwant %q", script, out.String(), want)
		}
	}
}
