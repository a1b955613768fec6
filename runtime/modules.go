package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/lualib"
)

// modules is the state of require.
type modules struct {
	compiler        *compiler
	folders         []string // searched first
	stdlib          fs.FS
	loaded, preload *lua.LTable // package.loaded and package.preload
	loading         map[string]*loading
	libraries       map[string]*Func // see Call.Library
}

// loading is a module that a task is loading.
type loading struct {
	by   *task
	done chan struct{}
}

func (m *modules) module(L *lua.LState, name string) (lua.LValue, error) {
	if !isModuleName(name) {
		return nil, usageError(L, "require: %q is not a module's name: letters, digits, _ and -, with dots for folders", name)
	}
	t := taskOf(L)
	for {
		if v := m.loaded.RawGetString(name); lua.LVAsBool(v) {
			return v, nil
		}
		if i := slices.Index(t.loading, name); i >= 0 {
			chain := append(slices.Clone(t.loading[i:]), name)
			return nil, usageError(L, "require: modules require each other: %s", strings.Join(chain, " → "))
		}
		other := m.loading[name]
		if other == nil {
			return m.loadModule(L, t, name)
		}
		if other.waitsFor(t) {
			return nil, usageError(L, "require: modules require each other, in two tasks: %s and %s", t.loading[len(t.loading)-1], name)
		}
		t.awaits = other
		t.withoutLock(func() {
			select {
			case <-other.done:
			case <-t.scope.ctx.Done():
			}
		})
		t.awaits = nil
		if err := t.scope.err(); err != nil {
			return nil, err
		}
	}
}

// waitsFor reports whether the module can only be loaded after t has loaded one of its modules.
func (l *loading) waitsFor(t *task) bool {
	for ; l != nil; l = l.by.awaits {
		if l.by == t {
			return true
		}
	}
	return false
}

func (m *modules) loadModule(L *lua.LState, t *task, name string) (lua.LValue, error) {
	fn, err := m.loader(L, name)
	if err != nil {
		return nil, err
	}
	mine := &loading{by: t, done: make(chan struct{})}
	m.loading[name] = mine
	depth := len(t.loading)
	t.loading = append(t.loading, name)
	defer func() {
		t.loading = t.loading[:depth]
		delete(m.loading, name)
		close(mine.done)
	}()
	L.Push(fn)
	L.Push(lua.LString(name))
	L.Call(1, 1)
	v := L.Get(-1)
	L.Pop(1)
	if v == lua.LNil {
		v = m.loaded.RawGetString(name) // a module may set itself
	}
	if !lua.LVAsBool(v) {
		v = lua.LTrue
	}
	m.loaded.RawSetString(name, v)
	return v, nil
}

// loader returns the function that makes a module: from package.preload, or from the module's source.
func (m *modules) loader(L *lua.LState, name string) (*lua.LFunction, error) {
	if fn, ok := m.preload.RawGetString(name).(*lua.LFunction); ok {
		return fn, nil
	}
	file, src, err := m.find(L, name)
	if err != nil {
		return nil, err
	}
	return m.compiler.compileUntil(taskOf(L).context(), file, src)
}

// require loads a module once. It looks in the script's folder, in the folders of Options.Path and in the standard
// library. The module a.b is the file a/b.lua or a/b/init.lua.
func (m *modules) require(L *lua.LState) int {
	name, ok := L.Get(1).(lua.LString)
	if !ok {
		raiseUsage(L, "require: got %s, want a module's name", typeName(L.Get(1)))
	}
	v, err := m.module(L, string(name))
	if err != nil {
		raise(L, err)
	}
	L.Push(v)
	return 1
}

func isModuleName(name string) bool {
	for _, part := range strings.Split(name, ".") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return false
		}
	}
	return true
}

// find reads the first file that exists for a module.
func (m *modules) find(L *lua.LState, name string) (file string, src []byte, err error) {
	relative := strings.ReplaceAll(name, ".", "/")
	var looked []string
	for _, folder := range m.folders {
		if folder == "" {
			continue
		}
		root, err := os.OpenRoot(folder) // a symbolic link can't lead out of the folder
		if err != nil {
			looked = append(looked, folder)
			continue
		}
		defer root.Close()
		for _, candidate := range []string{relative + ".lua", relative + "/init.lua"} {
			file := filepath.Join(folder, filepath.FromSlash(candidate))
			src, err := readModule(root.FS(), candidate, file)
			if err == nil || !errors.Is(err, fs.ErrNotExist) {
				return file, src, err
			}
			looked = append(looked, file)
		}
	}
	if m.stdlib != nil {
		file := path.Join("stdlib", relative+".lua")
		src, err := readModule(m.stdlib, relative+".lua", file)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file, src, err
		}
		looked = append(looked, file)
	}
	return "", nil, usageError(L, "require: no module %s: looked for %s", name, strings.Join(looked, ", "))
}

func readModule(folder fs.FS, name, file string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", file, fs.ErrNotExist)
		}
		return nil, unreadable(file, err)
	}
	defer f.Close()
	return readLimited(file, f)
}

// openPackage sets the global package with loaded and preload. A script can't change where require looks.
func openPackage(L *lua.LState, compiler *compiler, opts Options) *modules {
	m := &modules{
		compiler: compiler, folders: append([]string{filepath.Dir(opts.Script)}, opts.Path...), stdlib: opts.Stdlib,
		loaded: L.CreateTable(0, 0), preload: L.CreateTable(0, 0), loading: map[string]*loading{},
		libraries: map[string]*Func{},
	}
	t := L.CreateTable(0, 0)
	t.RawSetString("loaded", m.loaded)
	t.RawSetString("preload", m.preload)
	t.RawSetString("config", lua.LString("/\n;\n?\n!\n-\n"))
	closed := L.NewFunction(func(L *lua.LState) int {
		if key, ok := L.Get(2).(lua.LString); ok && lualib.UnavailableReason("package."+string(key)) != "" {
			raiseNoField(L, "package", key, nil)
		}
		if L.GetTop() == 3 {
			L.RawSet(L.CheckTable(1), L.Get(2), L.Get(3))
		}
		return 0
	})
	mt := L.CreateTable(0, 0)
	mt.RawSetString("__index", closed)
	mt.RawSetString("__newindex", closed)
	mt.RawSetString("__metatable", lua.LString("package"))
	t.Metatable = mt
	L.G.Global.RawSetString("package", t)
	for _, name := range []string{"_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table"} {
		m.loaded.RawSetString(name, L.G.Global.RawGetString(name))
	}
	return m
}

func (m *modules) library(module string, call func(*lua.LFunction) (Values, error)) (*Func, error) {
	if fn := m.libraries[module]; fn != nil {
		return fn, nil
	}
	file := "stdlib/" + module + ".lua"
	source, err := readModule(m.stdlib, module+".lua", file)
	if err != nil {
		return nil, err
	}
	chunk, err := m.compiler.compile(file, source)
	if err != nil {
		return nil, err
	}
	values, err := call(chunk)
	if err != nil {
		return nil, err
	}
	body, ok := values.First().v.(*lua.LFunction)
	if !ok {
		return nil, fmt.Errorf("%s returns a %s, not a function", file, typeName(values.First().v))
	}
	m.libraries[module] = &Func{body}
	return m.libraries[module], nil
}
