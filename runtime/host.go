package runtime

import (
	"io"
	"io/fs"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// callStackSize is how deep Lua calls may nest.
const callStackSize = 256

// registryMaxSize is how many values the calls of one thread may hold between them.
const registryMaxSize = 1 << 18

// Options are what a Host is made of. Nothing else of the process is touched.
type Options struct {
	// Builtins become globals. A later one of the same name wins.
	Builtins []Builtin
	// Stdout gets what print and io.write print. Stderr and Stdin are for the builtins. Nil ones take
	// everything and give nothing.
	Stdout, Stderr io.Writer
	Stdin          io.Reader
	// Script is the file that is run; its folder is where require looks first. Empty for a script
	// that has no file: require then begins in the working folder.
	Script string
	// Args are the script's own arguments.
	Args []string
	// Path lists the folders where require looks after the script's.
	Path []string
	// Stdlib is where require looks last; nil for nowhere.
	Stdlib fs.FS
	// Seed starts math.random; scripts with one seed see the same numbers.
	Seed uint64
	// Grace is how long the functions of Call.AtExit may take once the run was cancelled.
	Grace time.Duration
	// App is the builtins' own state: Call.Host.App().
	App any
	// BeforeCall, where set, is called before each call of a builtin. It has to be quick.
	BeforeCall func()
}

// Host is one Lua state with the builtins in it. One goroutine at a time may use it; the tasks of
// scripts have goroutines of the host's own.
type Host struct {
	opts      Options
	main      *lua.LState
	scheduler *scheduler
	atExit    []exitFunc
	compiler  *compiler
	modules   *modules
	protected protectedThreads

	globals, strings *lua.LTable
	conv             *converter
}

// New makes a host.
func New(opts Options) *Host {
	if opts.Stdout == nil {
		opts.Stdout = io.Discard
	}
	if opts.Stderr == nil {
		opts.Stderr = io.Discard
	}
	if opts.Stdin == nil {
		opts.Stdin = strings.NewReader("")
	}
	L := lua.NewState(lua.Options{
		CallStackSize:       callStackSize,
		RegistrySize:        256,
		RegistryGrowStep:    1024,
		RegistryMaxSize:     registryMaxSize,
		MinimizeStackMemory: true,
		SkipOpenLibs:        true,
	})
	h := &Host{
		opts:    opts,
		main:    L,
		globals: L.G.Global,

		protected: protectedThreads{running: map[*lua.LState]bool{}},
	}
	h.scheduler = newScheduler(L, opts.Seed)
	L.SetContext(h.scheduler.root)
	h.conv = newConverter(L, h.bindMethod)
	h.openLibraries()
	h.bindGlobals(opts.Builtins)
	h.setArg()
	h.seal()
	return h
}

// setArg makes the table arg: the script's name at 0, its arguments from 1.
func (h *Host) setArg() {
	t := h.main.CreateTable(len(h.opts.Args), 0)
	t.RawSetInt(0, lua.LString(h.opts.Script))
	for i, a := range h.opts.Args {
		t.RawSetInt(i+1, lua.LString(a))
	}
	h.globals.RawSetString("arg", t)
}

// App is Options.App.
func (h *Host) App() any { return h.opts.App }

// Stdout is Options.Stdout.
func (h *Host) Stdout() io.Writer { return h.opts.Stdout }

// Stderr is Options.Stderr.
func (h *Host) Stderr() io.Writer { return h.opts.Stderr }

// Stdin is Options.Stdin.
func (h *Host) Stdin() io.Reader { return h.opts.Stdin }

// script is the script's file and its arguments.
func (h *Host) script() (file string, args []string) { return h.opts.Script, h.opts.Args }

// Close frees the state. The host can't be used afterwards.
func (h *Host) Close() { h.main.Close() }
