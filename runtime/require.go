package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// require loads a module once: from the script's folder, the folders of Options.Path or the
// standard library, where a.b is the file a/b.lua or a/b/init.lua.
func (h *Host) require(L *lua.LState) int {
	name, ok := L.Get(1).(lua.LString)
	if !ok {
		raiseUsage(L, "require: got %s, want a module's name", typeName(L.Get(1)))
	}
	v, err := h.module(L, string(name))
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
