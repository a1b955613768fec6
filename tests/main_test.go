package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bin is the folder with the programs under test, built once from this tree.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "dkvrun-tests-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-o", bin+string(filepath.Separator),
			"dkvrun/cmd/dkvrun", "dkvrun/cmd/dkvmanager", "dkvrun/tests/fakemanager", "go.etcd.io/etcd/etcdctl/v3")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building the programs under test:", err)
			return 1
		}
		return m.Run()
	}())
}
