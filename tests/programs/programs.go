// Package programs gives tests the programs under test. make builds them once for all packages; a test that runs
// by itself builds its own.
package programs

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// variable names the folder with the programs that make has built: each package's under its own name, that of
// the manager with failpoints as dkvmanager-failpoints.
const variable = "DKVRUN_TEST_PROGRAMS"

// packages are the packages of the programs that tests start.
var packages = map[string][]string{
	"dkvrun":                {"dkvrun/cmd/dkvrun"},
	"dkvmanager":            {"dkvrun/cmd/dkvmanager"},
	"dkvmanager-failpoints": {"-tags", "failpoints", "dkvrun/cmd/dkvmanager"},
	"fakemanager":           {"dkvrun/tests/fakemanager"},
	"etcdctl":               {"go.etcd.io/etcd/etcdctl/v3"},
}

// Put puts programs into a folder. Each run of a test has files of its own, so that their paths tell its processes
// from those of other tests.
func Put(folder string, names ...string) error {
	built := os.Getenv(variable)
	for _, name := range names {
		path := filepath.Join(folder, name)
		if built != "" {
			if err := link(filepath.Join(built, name), path); err != nil {
				return err
			}
			continue
		}
		build := exec.Command("go", append([]string{"build", "-o", path}, packages[name]...)...)
		if said, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", name, err, said)
		}
	}
	return nil
}

// link gives a program a second name, or copies it to another file system.
func link(from, to string) error {
	// go test notes the look at the file: a result in its cache is good for this program only.
	if _, err := os.Stat(from); err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
