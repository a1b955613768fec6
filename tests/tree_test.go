package tests

import (
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

// tree loads all packages of the module with their types, once. Types of other modules come from export data.
var tree = sync.OnceValues(func() ([]*packages.Package, error) {
	return packages.Load(&packages.Config{Mode: packages.LoadSyntax | packages.NeedFiles, Dir: ".."}, "dkvrun/...")
})

// loadTree returns the packages of the module, without their tests.
func loadTree(t *testing.T) []*packages.Package {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		for _, e := range p.Errors {
			t.Fatal(e)
		}
	}
	if len(all) < 12 {
		t.Fatalf("found only %d packages", len(all))
	}
	return all
}
