package tests

import (
	"strings"
	"testing"
)

func within(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

// rules say who may import whom: a package within room may import what allowed says.
var rules = []struct {
	room    string
	why     string
	allowed func(imported string) bool
}{
	{"dkvrun/runtime/wire", "the protocol is of the standard library only", func(i string) bool {
		return !strings.Contains(strings.Split(i, "/")[0], ".") && !within(i, "dkvrun")
	}},
	{"dkvrun/runtime/fanout", "the fan-out knows no Lua, and no net/http", func(i string) bool {
		return i != "net/http" && !within(i, "github.com/yuin/gopher-lua") && (!within(i, "dkvrun") || within(i, "dkvrun/runtime/wire"))
	}},
	{"dkvrun/runtime/suite", "suites run hosts, whatever these can call", func(i string) bool {
		return !within(i, "github.com/yuin/gopher-lua") && !within(i, "dkvrun/builtins") && !within(i, "dkvrun/cmd")
	}},
	{"dkvrun/builtins", "builtins never touch the Lua state", func(i string) bool {
		return !within(i, "github.com/yuin/gopher-lua") && !within(i, "dkvrun/cmd")
	}},
	{"dkvrun/cmd/dkvrun", "the runner never links the daemon, and leaves Lua to runtime", func(i string) bool {
		return !within(i, "dkvrun/cmd/dkvmanager") && !within(i, "github.com/yuin/gopher-lua") && !within(i, "go.etcd.io")
	}},
	{"dkvrun/cmd/dkvmanager", "the daemon shares with the runner the protocol, how throw-away servers are cut off, and how files are written durably", func(i string) bool {
		return !within(i, "dkvrun") || within(i, "dkvrun/cmd/dkvmanager") || within(i, "dkvrun/runtime/wire") || within(i, "dkvrun/runtime/netfault") ||
			within(i, "dkvrun/runtime/durable")
	}},
	{"dkvrun/runtime/durable", "the manager, the suites and kept clusters write files the same way; it needs only the system", func(i string) bool {
		return !strings.Contains(strings.Split(i, "/")[0], ".") && !within(i, "dkvrun")
	}},
	{"dkvrun/runtime/netfault", "a cut is a matter of sockets, whatever passes through them", func(i string) bool {
		return !within(i, "dkvrun") && i != "net/http"
	}},
	{"dkvrun/runtime/commit", "bringing a change to all managers is logic over a transport and a clock", func(i string) bool {
		return i != "net" && i != "net/http" && (!within(i, "dkvrun") || within(i, "dkvrun/runtime/wire"))
	}},
	{"dkvrun/cmd/dkvmanager/internal/twophase", "voting is a state machine over the catalog: it serves nothing and runs nothing", func(i string) bool {
		return notAdmin(i) && !within(i, "dkvrun/cmd/dkvmanager/internal/supervisor") && !within(i, "dkvrun/cmd/dkvmanager/internal/engine")
	}},
	{"dkvrun/cmd/dkvmanager/internal/catalog", "the catalog does not know who asks", notAdmin},
	{"dkvrun/cmd/dkvmanager/internal/supervisor", "the supervisor does not know who asks", notAdmin},
	{"dkvrun/cmd/dkvmanager/internal/engine", "the engine does not know who asks", notAdmin},
}

func notAdmin(i string) bool { return !within(i, "dkvrun/cmd/dkvmanager/internal/admin") }

// only lists who alone may import something.
var only = []struct {
	imported string
	rooms    []string
}{
	{"github.com/yuin/gopher-lua", []string{"dkvrun/runtime", "dkvrun/tests/bench"}},
	{"github.com/spf13/pflag", []string{"dkvrun/cmd/dkvrun"}},
	{"github.com/fatih/color", []string{"dkvrun/cmd/dkvrun"}},
	{"github.com/valyala/fasthttp", []string{"dkvrun/runtime/fanout", "dkvrun/tests/bench"}},
	{"go.etcd.io", []string{"dkvrun/cmd/dkvmanager/internal/engine/etcd"}},
}

func TestWhoImportsWhom(t *testing.T) {
	for _, p := range loadTree(t) {
		for imported := range p.Imports {
			for _, r := range rules {
				if within(p.PkgPath, r.room) && !r.allowed(imported) {
					t.Errorf("%s imports %s: %s", p.PkgPath, imported, r.why)
				}
			}
			for _, o := range only {
				if within(imported, o.imported) && !anyWithin(p.PkgPath, o.rooms) {
					t.Errorf("%s imports %s: only %s may", p.PkgPath, imported, strings.Join(o.rooms, " and "))
				}
			}
		}
	}
}

func anyWithin(path string, rooms []string) bool {
	for _, room := range rooms {
		if within(path, room) {
			return true
		}
	}
	return false
}

func TestEveryRoomSaysWhatItIsFor(t *testing.T) {
	for _, p := range loadTree(t) {
		documented := len(p.Syntax) == 0
		for _, f := range p.Syntax {
			documented = documented || f.Doc != nil
		}
		if !documented {
			t.Errorf("%s has no package comment", p.PkgPath)
		}
	}
}
