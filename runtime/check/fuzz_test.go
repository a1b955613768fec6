package check_test

import (
	"os"
	"path/filepath"
	"testing"

	"dkvrun/runtime/check"
)

// FuzzCheck_Source tests that any source can be checked and that each finding has a place in it.
func FuzzCheck_Source(f *testing.F) {
	for _, pattern := range []string{"testdata/*.lua", "../../scripts/*.lua", "../../stdlib/*.lua"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: found %d sources: %v", pattern, len(files), err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Add([]byte("local a = {} a = a.b a.c = a for _, a in ipairs(a) do a = a() end"))
	f.Add([]byte("local r = start_store{} r = r:retry() r.ok = r() return r.check(r)"))
	suite := config
	suite.Suite = true
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, found := range append(check.Source(config, "fuzz.lua", src), check.Source(suite, "fuzz_test.lua", src)...) {
			if found.Line < 1 || found.Column < 1 || found.EndLine < found.Line || found.Message == "" {
				t.Errorf("%q\n%+v", src, found)
			}
		}
	})
}
