package crash

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// dkvrun and dkvmanager are the programs under test. The manager is built with its failpoints.
var dkvrun, dkvmanager string

// atOnce is how many cases run at a time, each on a cluster of its own. They mostly wait.
const atOnce = 8

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		bin, err := os.MkdirTemp("", "dkvrun-crash-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(bin)
		dkvrun, dkvmanager = filepath.Join(bin, "dkvrun"), filepath.Join(bin, "dkvmanager")
		for _, args := range [][]string{
			{"build", "-o", dkvrun, "dkvrun/cmd/dkvrun"},
			{"build", "-tags", "failpoints", "-o", dkvmanager, "dkvrun/cmd/dkvmanager"},
		} {
			build := exec.Command("go", args...)
			build.Stderr = os.Stderr
			if err := build.Run(); err != nil {
				fmt.Fprintln(os.Stderr, "building the programs under test:", err)
				return 1
			}
		}
		if err := flag.Set("test.parallel", fmt.Sprint(atOnce)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer closeLanes()
		return m.Run()
	}())
}
