package tests

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"dkvrun/tests/programs"
)

func TestMain(m *testing.M) {
	status := m.Run()
	if built.folder != "" {
		os.RemoveAll(built.folder)
	}
	os.Exit(status)
}

// built holds the programs under test. They are put into a folder when a test needs the first one.
var built struct {
	once   sync.Once
	folder string
	err    error
}

// program returns the path of a program under test.
func program(name string) string {
	built.once.Do(func() {
		if built.folder, built.err = os.MkdirTemp("", "dkvrun-tests-"); built.err == nil {
			built.err = programs.Put(built.folder, "dkvrun", "dkvmanager", "dkvmanager-failpoints", "fakemanager", "etcdctl")
		}
	})
	if built.err != nil {
		panic(built.err)
	}
	return filepath.Join(built.folder, name)
}
