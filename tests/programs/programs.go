// Package programs provides the programs under test. make builds them once for all packages; a test that is run without
// make builds them itself.
package programs

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// variable is the environment variable with the folder of the programs that make has built, each under the name of its
// package. The manager with failpoints is dkvmanager-failpoints.
const variable = "DKVRUN_TEST_PROGRAMS"

// packages maps the programs that tests start to their packages.
var packages = map[string][]string{
	"dkvrun":                {"dkvrun/cmd/dkvrun"},
	"dkvmanager":            {"dkvrun/cmd/dkvmanager"},
	"dkvmanager-failpoints": {"-tags", "failpoints", "dkvrun/cmd/dkvmanager"},
	"fakemanager":           {"dkvrun/tests/fakemanager"},
	"etcdctl":               {"go.etcd.io/etcd/etcdctl/v3"},
}

// Put puts programs into a folder. Each run of a test has separate files, so that their paths distinguish its processes
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
	// go test records that the file is read, so cached results are only valid for this version of the program.
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
