package tests

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// sample loads the packages in testdata/house, which break the rules.
func sample(t *testing.T) []*packages.Package {
	t.Helper()
	all, err := packages.Load(&packages.Config{Mode: packages.LoadSyntax | packages.NeedFiles, Dir: "testdata/house"}, "./...")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		for _, e := range p.Errors {
			t.Fatal(e)
		}
	}
	return all
}

func TestHouseRules_Order(t *testing.T) {
	t.Parallel()
	all := sample(t)
	compare(t, orderViolations(all, "house", []string{"low", "high"}))
	compare(t, orderViolations(all, "house", []string{"high", "low"}),
		"house/high imports house/low, which does not come before it in the order of packages")
	compare(t, orderViolations(all, "house", []string{"low", "middle"}),
		"house/high has no place in the order of packages", "the order of packages has middle, which is no package")
}

func TestHouseRules_Reach(t *testing.T) {
	t.Parallel()
	all := sample(t)
	compare(t, reachViolations(all, 3))
	compare(t, reachViolations(all, 2), "house/low.counter reaches over 3 files, at most 2: count.go low.go read.go")
}

func TestHouseRules_Exports(t *testing.T) {
	t.Parallel()
	all := sample(t)
	const twice = "house/low.Number.Twice is exported and no other package uses it"
	compare(t, exportViolations(all, nil), twice, "house/low.Unused is exported and no other package uses it")
	compare(t, exportViolations(all, map[string]bool{"house/low.Unused": true}), twice)
}

func TestHouseRules_Files(t *testing.T) {
	t.Parallel()
	all := sample(t)
	compare(t, fileViolations(all, "house", 3))
	compare(t, fileViolations(all, "house", 2), "house/low has 3 files, at most 2")
}

func TestHouseRules_Columns(t *testing.T) {
	t.Parallel()
	const head = "package p\n\n"
	long := strings.Repeat("x", maxColumns)
	compare(t, columnViolations("p.go", []byte(head+"var "+long[:maxColumns-8]+" int\n")))
	compare(t, columnViolations("p.go", []byte(head+"var "+long[:maxColumns-7]+" int\n")), "p.go:3 has 121 columns, at most 120")
	compare(t, columnViolations("p.go", []byte(head+"var x = `"+long+"\n"+long+"`\n")))
	compare(t, columnViolations("p.go", []byte(head+"//"+long+"\n")), "p.go:3 has 122 columns, at most 120")
}

func TestHouseRules_TestNames(t *testing.T) {
	t.Parallel()
	compare(t, nameViolations("p_test.go", []byte("func TestA_B(t *testing.T) {}\nfunc TestMain(m *testing.M) {}\nfunc Testing() {}\n")))
	compare(t, nameViolations("p_test.go", []byte("\nfunc TestAB(t *testing.T) {}\nfunc FuzzA_b(f *testing.F) {}\n")),
		"p_test.go:2: TestAB is not named TestSubject_Case", "p_test.go:3: FuzzA_b is not named FuzzSubject_Case")
}

func TestHouseRules_Addresses(t *testing.T) {
	t.Parallel()
	compare(t, addressViolations(map[string][]byte{
		"a/x_test.go": []byte(`"127.21.1.11" "127.0.0.1"`), "a/y_test.go": []byte(`"127.21.1.12"`),
		"b/x_test.go": []byte(`"127.21.2.11" "127.0.0.1"`), "tests/x_test.go": []byte(`"127.22.1.11:7801"`),
		"tests/y_test.go": []byte(`"127.22.2.11"`),
	}))
	compare(t, addressViolations(map[string][]byte{
		"a/x_test.go": []byte(`"127.21.1.11"`), "b/x_test.go": []byte(`"127.21.1.12"`),
		"tests/x_test.go": []byte(`"127.22.1.11:7801"`), "tests/y_test.go": []byte(`"127.22.1.12"`),
	}),
		"127.21.1 is used by a and by b: give each addresses of its own",
		"127.22.1 is used by tests/x_test.go and by tests/y_test.go: give each addresses of its own")
}

func compare(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
