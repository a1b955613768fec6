package runtime

import (
	"context"
	"io"
	"io/fs"

	lua "github.com/yuin/gopher-lua"
)

// Options are what a Host is made of. Nothing else of the process is touched.
type Options struct {
	Builtins []Builtin
	// Stdout gets what print and io.write print. Stderr and Stdin are for the builtins.
	Stdout, Stderr io.Writer
	Stdin          io.Reader
	// Script is the name that the script was started by; its folder is where require looks first.
	Script string
	// Args are the script's own arguments.
	Args []string
	// Path lists the folders where require looks after the script's.
	Path []string
	// Stdlib is where require looks last; nil for nowhere.
	Stdlib fs.FS
	// Seed starts math.random.
	Seed uint64
	// App is the builtins' own state: Call.Host.App().
	App any
}

// Host is one Lua state with the builtins in it. One goroutine at a time may use it.
type Host struct {
	opts    Options
	main    *lua.LState
	current *lua.LState // the thread that is in a builtin, or main
	task    *task
}

// New makes a host.
func New(opts Options) *Host {
	L := lua.NewState()
	h := &Host{opts: opts, main: L, current: L, task: newTask()}
	L.SetContext(h.task)
	return h
}

// App is Options.App.
func (h *Host) App() any { return h.opts.App }

// Stdout is Options.Stdout.
func (h *Host) Stdout() io.Writer { return h.opts.Stdout }

// Stderr is Options.Stderr.
func (h *Host) Stderr() io.Writer { return h.opts.Stderr }

// Stdin is Options.Stdin.
func (h *Host) Stdin() io.Reader { return h.opts.Stdin }

// Close frees the state. The host can't be used afterwards.
func (h *Host) Close() { h.main.Close() }

// RunFile runs a script and returns what it returned.
func (h *Host) RunFile(ctx context.Context, path string) ([]any, error) { return nil, nil }

// RunSource runs src as a script of that name.
func (h *Host) RunSource(ctx context.Context, name string, src []byte) ([]any, error) {
	return nil, nil
}

// Eval runs text, an expression or else a chunk, and returns its values.
func (h *Host) Eval(ctx context.Context, text string) ([]any, error) { return nil, nil }

// Format shows a value for people.
func (h *Host) Format(v any) string { return "" }

func (h *Host) call(fn *lua.LFunction, args []any) ([]any, error) { return nil, nil }
