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
)

// modules is the state of require.
type modules struct {
	loaded  map[string]lua.LValue
	loading []string // in the order they were asked for
}

// require loads a module once: from the script's folder, the folders of Options.Path or the
// standard library, where a.b is the file a/b.lua or a/b/init.lua.
func (h *Host) require(L *lua.LState) int {
	name, ok := L.Get(1).(lua.LString)
	if !ok {
		h.raise(L, h.errorHere(L, "require: got %s, want a module's name", h.typeName(L.Get(1))))
	}
	v, err := h.module(L, string(name))
	if err != nil {
		h.raise(L, err)
	}
	L.Push(v)
	return 1
}

func (h *Host) module(L *lua.LState, name string) (lua.LValue, error) {
	if v, ok := h.modules.loaded[name]; ok {
		return v, nil
	}
	if !isModuleName(name) {
		return nil, h.errorHere(L, "require: %q is not a module's name: letters, digits, _ and -, with dots for folders", name)
	}
	if i := slices.Index(h.modules.loading, name); i >= 0 {
		chain := append(slices.Clone(h.modules.loading[i:]), name)
		return nil, h.errorHere(L, "require: modules require each other: %s", strings.Join(chain, " → "))
	}
	file, src, err := h.findModule(L, name)
	if err != nil {
		return nil, err
	}
	fn, err := h.compile(file, src)
	if err != nil {
		return nil, err
	}
	h.modules.loading = append(h.modules.loading, name)
	depth := len(h.modules.loading)
	defer func() { h.modules.loading = h.modules.loading[:depth-1] }()
	L.Push(fn)
	L.Push(lua.LString(name))
	L.Call(1, 1)
	v := L.Get(-1)
	L.Pop(1)
	if v == lua.LNil {
		v = lua.LTrue
	}
	if h.modules.loaded == nil {
		h.modules.loaded = map[string]lua.LValue{}
	}
	h.modules.loaded[name] = v
	return v, nil
}

func isModuleName(name string) bool {
	for _, part := range strings.Split(name, ".") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return false
		}
	}
	return true
}

// findModule reads the first file that is there for a module.
func (h *Host) findModule(L *lua.LState, name string) (file string, src []byte, err error) {
	relative := strings.ReplaceAll(name, ".", "/")
	var looked []string
	for _, folder := range append([]string{filepath.Dir(h.opts.Script)}, h.opts.Path...) {
		if folder == "" {
			continue
		}
		root, err := os.OpenRoot(folder) // no link leads out of it
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
	if h.opts.Stdlib != nil {
		file := path.Join("stdlib", relative+".lua")
		src, err := readModule(h.opts.Stdlib, relative+".lua", file)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file, src, err
		}
		looked = append(looked, file)
	}
	return "", nil, h.errorHere(L, "require: no module %s: looked for %s", name, strings.Join(looked, ", "))
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
