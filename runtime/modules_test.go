package runtime

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// tree writes files, given by path, into a temporary folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestHost_Require(t *testing.T) {
	dir := tree(t, map[string]string{
		"own/one.lua":       `n = (rawget(_G, "n") or 0) + 1 return {name = ..., n = n}`,
		"own/a/b.lua":       `return "a.b"`,
		"own/pack/init.lua": `return "pack"`,
		"own/nothing.lua":   ``,
		"own/loop.lua":      `return require("loop2")`,
		"own/loop2.lua":     `return require("loop")`,
		"own/broken.lua":    "\nx = = 1",
		"own/failing.lua":   "\nerror('inside')",
		"own/strings.lua":   `return "the script's own"`,
		"own/big.lua":       strings.Repeat(" ", MaxSource+1),
		"path/far.lua":      `return "far"`,
		"secret.lua":        `return "secret"`,
	})
	if err := os.Symlink(filepath.Join(dir, "secret.lua"), filepath.Join(dir, "own", "link.lua")); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "own")
	script := filepath.Join(own, "main.lua")
	stdlib := fstest.MapFS{"lists.lua": {Data: []byte(`return "stdlib"`)}, "strings.lua": {Data: []byte(`return "never"`)}}
	for _, c := range []struct{ src, want string }{
		{`local m = require("one") print(m.name, m.n, require("one") == m)`, "one\t1\ttrue\n"},
		{`print(require "a.b", require "pack", require "nothing", require "far", require "lists", require "strings")`,
			"a.b\tpack\ttrue\tfar\tstdlib\tthe script's own\n"},
		{`require("one") package.loaded.one = nil print(require("one").n, package.loaded.one.n)`, "2\t2\n"},
		{`package.preload.made = function(name) return {name = name} end print(require("made").name, require("made") == package.loaded.made)`, "made\ttrue\n"},
		{`package.loaded["set/aside"] = 1 print(require("string") == string, package.loaded._G == _G, package.config:sub(1, 1))`, "true\ttrue\t/\n"},
		{`package.preload.sets = function(name) package.loaded[name] = "itself" end print(require("sets"))`, "itself\n"},
		{`print(package.searchpath) package.searchpath = 1 print(package.searchpath)`, "nil\n1\n"},
		{`package.path = "./?.lua;" .. package.path`, "error: MAIN:1: package.path is not available in runbooks: require finds modules in the script's folder, DKVRUN_PATH and the standard library"},
		{`package.path = "./?.lua"`, "error: MAIN:1: package.path is not available in runbooks: require finds modules in the script's folder, DKVRUN_PATH and the standard library"},
		{`setmetatable(package, nil)`, "error: MAIN:1: cannot change a protected metatable"},
		{`require("loop")`, "error: OWN/loop2.lua:1: require: modules require each other: loop → loop2 → loop"},
		{`require("broken")`, "error: OWN/broken.lua:2: unexpected '=': expected an expression"},
		{`require("failing")`, "error: OWN/failing.lua:2: inside"},
		{`pcall(require, "failing") require("failing")`, "error: OWN/failing.lua:2: inside"},
		{`require("big")`, "error: OWN/big.lua:1: the source is larger than 1 MiB"},
		{`require("../secret")`, `error: MAIN:1: require: "../secret" is not a module's name: letters, digits, _ and -, with dots for folders`},
		{`require("/etc/passwd")`, `error: MAIN:1: require: "/etc/passwd" is not a module's name: letters, digits, _ and -, with dots for folders`},
		{`require("..secret")`, `error: MAIN:1: require: "..secret" is not a module's name: letters, digits, _ and -, with dots for folders`},
		{`require(5)`, "error: MAIN:1: require: got number, want a module's name"},
		{`require("x.y")`, "error: MAIN:1: require: no module x.y: looked for OWN/x/y.lua, OWN/x/y/init.lua, PATH/x/y.lua, PATH/x/y/init.lua, /nowhere, stdlib/x/y.lua"},
	} {
		var out bytes.Buffer
		h := New(Options{Stdout: &out, Script: script, Path: []string{filepath.Join(dir, "path"), "", "/nowhere"}, Stdlib: stdlib})
		got := ""
		if _, err := h.RunSource(context.Background(), script, []byte(c.src)); err != nil {
			got = "error: " + err.Error()
		} else {
			got = out.String()
		}
		h.Close()
		got = strings.NewReplacer(script, "MAIN", own, "OWN", filepath.Join(dir, "path"), "PATH").Replace(got)
		if got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.src, got, c.want)
		}
	}

	h := New(Options{Script: script})
	defer h.Close()
	if _, err := h.RunSource(context.Background(), script, []byte(`require("link")`)); err == nil || !strings.Contains(err.Error(), "link.lua: can't be read") {
		t.Errorf("a link that leads out of the folder: %v", err)
	}
}

func TestHost_LibraryIgnoresModulesOfScripts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "double.lua"), []byte(`return function() return "the script's" end`), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded := fstest.MapFS{
		"double.lua": {Data: []byte(`print("loaded") return function(x) return 2 * x end`)},
		"broken.lua": {Data: []byte(`return 5`)},
	}
	call := func(module string) Builtin {
		return Builtin{Name: module, Params: []Param{{Name: "x", Type: Integer}}, Positional: 1,
			Impl: func(c *Call) (any, error) {
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
