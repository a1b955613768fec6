package crash

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"dkvrun/tests/programs"
)

// dkvrun and dkvmanager are the programs under test. The manager is built with its failpoints.
var dkvrun, dkvmanager string

// atOnce is the number of cases that run at a time, each on a separate cluster. They mostly wait.
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
		if err := programs.Put(bin, "dkvrun", "dkvmanager-failpoints"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		dkvrun, dkvmanager = filepath.Join(bin, "dkvrun"), filepath.Join(bin, "dkvmanager-failpoints")
		if err := flag.Set("test.parallel", fmt.Sprint(atOnce)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer closeClusters()
		return m.Run()
	}())
}
