package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocal_FindManager(t *testing.T) {
	place := func(folder string, mode os.FileMode) string {
		path := filepath.Join(folder, "dkvmanager")
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bin, first, second, other, links := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	named := place(other, 0o755)
	onPath := place(second, 0o755)
	place(first, 0o644) // not executable
	executable := filepath.Join(bin, "dkvrun")
	if err := os.WriteFile(executable, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(links, "dkvrun")
	if err := os.Symlink(executable, link); err != nil {
		t.Fatal(err)
	}
	path := "." + string(filepath.ListSeparator) + first + string(filepath.ListSeparator) + second
	find := func(variable, path, executable string) (string, error) {
		return FindManager(func(name string) string {
			return map[string]string{"DKVRUN_MANAGER": variable, "PATH": path}[name]
		}, executable)
	}

	if got, err := find("", path, executable); got != onPath || err != nil {
		t.Errorf("on the PATH: %s, %v", got, err)
	}
	if _, err := find("", first, executable); err == nil || err.Error() != "no dkvmanager found for a local cluster: not in "+
		bin+", "+first+"; put it beside dkvrun, or set DKVRUN_MANAGER to its path" {
		t.Errorf("nowhere: %v", err)
	}
	beside := place(bin, 0o755)
	for _, executable := range []string{executable, link} {
		if got, err := find("", path, executable); got != beside || err != nil {
			t.Errorf("beside %s: %s, %v", executable, got, err)
		}
	}
	if got, err := find(named, path, executable); got != named || err != nil {
		t.Errorf("named: %s, %v", got, err)
	}
	for _, wrong := range []string{"/nowhere/dkvmanager", other, filepath.Join(first, "dkvmanager")} {
		if _, err := find(wrong, path, executable); err == nil || !strings.HasPrefix(err.Error(), "DKVRUN_MANAGER="+wrong+" is not an executable program") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
