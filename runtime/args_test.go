package runtime

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

const optionScript = `local opt = args{store = "string", count = 2, ratio = 0.5, dry_run = false, checks = true, envs = "list", tags = {"a", "b"}}
print(opt.store, opt.count, opt.ratio, opt.dry_run, opt.checks, opt.envs, opt.tags, #opt, opt[1])`

func runWithArgs(script string, args ...string) (string, error) {
	var out bytes.Buffer
	h := New(Options{Builtins: []Builtin{ArgsBuiltin()}, Stdout: &out, Script: "demo.lua", Args: args})
	defer h.Close()
	_, err := h.RunSource(context.Background(), "demo.lua", []byte(script))
	return out.String(), err
}

func TestHost_Args(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--store", "S", "--envs", "prod"}, "S\t2\t0.5\tfalse\ttrue\t{\"prod\"}\t{\"a\", \"b\"}\t0\tnil\n"},
		{[]string{"x", "--store=S", "--envs=a,b", "--envs", "c", "--count", "-3", "--ratio=2", "--dry-run", "--no-checks", "y"},
			"S\t-3\t2\ttrue\tfalse\t{\"a\", \"b\", \"c\"}\t{\"a\", \"b\"}\t2\tx\n"},
		{[]string{"--store=", "--envs=", "--dry_run=true", "--tags", "z", "-5", "--", "--count"}, "\t2\t0.5\ttrue\ttrue\t{}\t{\"z\"}\t2\t-5\n"},
	} {
		if got, err := runWithArgs(optionScript, c.args...); err != nil || got != c.want {
			t.Errorf("%q: got %q, %v\nwant %q", c.args, got, err, c.want)
		}
	}
	if got, err := runWithArgs(`print(#args{}, pcall(function() return args{a = 1}.b end))`, "x"); err != nil ||
		got != "1\tfalse\tdemo.lua:1: args: no field b: there is a\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := runWithArgs(`print(args{store = "string", count = 2})`, "--store", "S", "x"); err != nil || got != "{count = 2, store = \"S\", \"x\"}\n" {
		t.Errorf("shown as %q, %v", got, err)
	}
}

func TestHost_ArgsRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "--envs and --store: required, but not given (--help shows all)"},
		{[]string{"--sotre", "x"}, "unknown option --sotre: did you mean --store?"},
		{[]string{"--zzz"}, "unknown option --zzz (--help shows all)"},
		{[]string{"-v"}, "unknown option -v: options begin with -- (--help shows all)"},
		{[]string{"--store"}, "--store: its value is missing (string)"},
		{[]string{"--store=a", "--store=b"}, "--store: given twice"},
		{[]string{"--count=2.5"}, `--count: got "2.5", want an integer`},
		{[]string{"--count=99999999999999999"}, `--count: got "99999999999999999", want an integer`},
		{[]string{"--ratio=nan"}, `--ratio: got "nan", want a number`},
		{[]string{"--checks=maybe"}, `--checks: got "maybe", want true or false`},
		{[]string{"--no-checks=true"}, "--no-checks takes no value"},
		{[]string{"--no-count"}, "unknown option --no-count (--help shows all)"},
	} {
		_, err := runWithArgs(optionScript, c.args...)
		var e *Error
		if !errors.As(err, &e) || e.Message != c.want || e.Code != CodeUsageArgs || e.Line != 1 {
			t.Errorf("%q: got %v, want %s", c.args, err, c.want)
		}
	}
	for script, want := range map[string]string{
		`args()`:              "demo.lua:1: args: parameter options: required, but not given",
		`args("x")`:           `demo.lua:1: args: parameter options: want a table of names with types or defaults: args{store = "string", count = 2}`,
		`args{["a b"] = 1}`:   `demo.lua:1: args: parameter options: "a b" is not an option's name: lower-case letters, digits and _, a letter first`,
		`args{help = 1}`:      "demo.lua:1: args: parameter options: help is there already",
		`args{x = print}`:     "demo.lua:1: args: parameter options: x: want a type's name or a default",
		`args{x = {1, 2}}`:    "demo.lua:1: args: parameter options: x: the items of a default list are strings",
		`args{options = "x"}`: "",
	} {
		_, err := runWithArgs(script)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: got %v, want %s", script, err, want)
		}
	}
}

func TestHost_ArgsHelp(t *testing.T) {
	for _, flag := range []string{"--help", "-h"} {
		got, err := runWithArgs(`args{store = "string", count = 2, checks = true, envs = {"a", "b"}}`, "--count", "1", flag)
		var exit *Exit
		if !errors.As(err, &exit) || exit.Status != 0 {
			t.Errorf("%s ended with %v", flag, err)
		}
		const want = "usage: demo.lua [options] [ARG…]\n\n" +
			"  --[no-]checks    default true\n" +
			"  --count INTEGER  default 2\n" +
			"  --envs LIST      default a,b\n" +
			"  --store STRING   required\n" +
			"  -h, --help       shows this\n"
		if got != want {
			t.Errorf("%s printed %q\nwant %q", flag, got, want)
		}
	}
	got, _ := runWithArgs("print(args({}, [[\nFills a store\nwith samples.\n]]))", "--help")
	if want := "usage: demo.lua [options] [ARG…]\n\nFills a store\nwith samples.\n\n  -h, --help  shows this\n"; got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got, err := runWithArgs(`print(args({count = 2}, "Fills a store.").count)`); err != nil || got != "2\n" {
		t.Errorf("got %q, %v", got, err)
	}
}
