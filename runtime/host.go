package runtime

import (
	"io"
	"io/fs"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// registryMaxSize is the maximum number of values that the calls of one thread hold together, in hosts made by New.
const registryMaxSize = 1 << 20

// DefaultMaxString is the maximum length, in bytes, of a string that a script makes, unless Options say otherwise.
const DefaultMaxString = 64 << 20

// Options configures a Host. A host does not use the streams, arguments or environment of the process.
type Options struct {
	// Builtins become globals. Of two with the same name the later one is used.
	Builtins []Builtin
	// Stdout receives the output of print and io.write, Stderr what a script writes to io.stderr and the errors of
	// at_exit. A nil writer discards its input.
	Stdout, Stderr io.Writer
	// Script is the path of the script. require looks in its folder first. It is empty for a script without a file;
	// require then begins in the working folder.
	Script string
	// Args are the arguments of the script.
	Args []string
	// Path lists the folders where require looks after the script's folder.
	Path []string
	// Stdlib is the last place where require looks; it may be nil.
	Stdlib fs.FS
	// Seed seeds math.random. Two runs with the same seed get the same numbers.
	Seed uint64
	// Grace limits the time of the functions of Call.AtExit after the run was cancelled.
	Grace time.Duration
	// MaxString is the maximum length, in bytes, of a string that a script makes; 0 means DefaultMaxString.
	MaxString int
	// App is the state of the builtins. Host.App returns it.
	App any
	// BeforeCall, unless nil, is called before each call of a builtin. It has to be quick.
	BeforeCall func()
}

// Host is one Lua state with its builtins. Only one goroutine at a time may call its methods. The tasks of scripts
// run on goroutines that the host starts.
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

// New returns a host. The caller has to close it.
func New(opts Options) *Host { return newHost(opts, registryMaxSize) }

// newHost returns a host whose threads hold at most maxValues values in their calls.
func newHost(opts Options, maxValues int) *Host {
	if opts.Stdout == nil {
		opts.Stdout = io.Discard
	}
	if opts.Stderr == nil {
		opts.Stderr = io.Discard
	}
	if opts.MaxString == 0 {
		opts.MaxString = DefaultMaxString
	}
	L := lua.NewState(lua.Options{
		CallStackSize:       callStackSize,
		RegistrySize:        256,
		RegistryGrowStep:    1024,
		RegistryMaxSize:     maxValues,
		MinimizeStackMemory: true,
		SkipOpenLibs:        true,
	})
	learnStacks.Do(func() {
		growingStack = growingStackOf(L)
		extendsStacks = replaceCall()
		boundLists()
	})
	h := &Host{
		opts:    opts,
		main:    L,
		globals: L.G.Global,

		protected: protectedThreads{running: map[*lua.LState]bool{}},
	}
	h.scheduler = newScheduler(L, opts.Seed)
	L.SetContext(h.scheduler.root)
	h.conv = newConverter(L, h.bindMethod, h.bindSourceMethod)
	h.openLibraries()
	h.bindGlobals(opts.Builtins)
	h.setArg()
	h.seal()
	return h
}

// setArg sets the global arg: the script's path at 0, its arguments from 1.
func (h *Host) setArg() {
	t := h.main.CreateTable(len(h.opts.Args), 0)
	t.RawSetInt(0, lua.LString(h.opts.Script))
	for i, a := range h.opts.Args {
		t.RawSetInt(i+1, lua.LString(a))
	}
	h.globals.RawSetString("arg", t)
}

// App returns Options.App.
func (h *Host) App() any { return h.opts.App }

// stdout returns the writer of Options.Stdout.
func (h *Host) stdout() io.Writer { return h.opts.Stdout }

// script returns the path of the script and its arguments.
func (h *Host) script() (file string, args []string) { return h.opts.Script, h.opts.Args }

// Close frees the Lua state. The host can't be used afterwards.
func (h *Host) Close() { h.main.Close() }
