package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dkvrun/builtins"
	"dkvrun/builtins/testkit"
	"dkvrun/runtime"
	"dkvrun/runtime/check"
	"dkvrun/stdlib"
)

var config = check.Config{
	Builtins: slices.Concat(builtins.All(), testkit.Builtins()),
	Objects:  slices.Concat(builtins.Objects(), testkit.Objects()),
	Records:  slices.Concat(builtins.Records(), testkit.Records()),
	Stdlib:   stdlib.FS,
}

func source(t *testing.T, file string) []byte {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// TestSource_Testdata checks the sources in testdata. The comment of a line has its expected findings:
// "-- want COLUMN-END CODE: MESSAGE", separated by " | ".
func TestSource_Testdata(t *testing.T) {
	files, err := filepath.Glob("testdata/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d sources: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src := source(t, file)
			config := config
			config.Suite = strings.HasSuffix(file, "_test.lua")
			got := map[int][]string{}
			for _, f := range check.Source(config, file, src) {
				got[f.Line] = append(got[f.Line], fmt.Sprintf("%d-%d %s: %s", f.Column, f.EndColumn, f.Code, f.Message))
			}
			for i, line := range strings.Split(string(src), "\n") {
				_, want, _ := strings.Cut(line, "-- want ")
				if joined := strings.Join(got[i+1], " | "); joined != strings.TrimSpace(want) {
					t.Errorf("%s:%d\n got %s\nwant %s", file, i+1, joined, want)
				}
			}
		})
	}
}

// A source that is too large is reported as such, not as one that ends too early.
func TestSource_TooLarge(t *testing.T) {
	large := "t = {" + strings.Repeat(" ", runtime.MaxSource) + "}"
	found := check.Source(config, "large.lua", []byte(large)[:runtime.MaxSource+1])
	if len(found) != 1 || found[0].Line != 1 || found[0].Column != 1 || found[0].Message != runtime.TooLarge {
		t.Errorf("got %v", found)
	}
}

// TestDeclarations_TypesExist checks that every type that a declaration names is an object or a record.
func TestDeclarations_TypesExist(t *testing.T) {
	known := map[string]bool{"list": true, "string": true, "integer": true, "number": true, "boolean": true}
	for _, o := range config.Objects {
		known[o.Name] = true
	}
	for _, r := range config.Records {
		known[r.Name] = true
	}
	named := 0
	is := func(where, name string) {
		if name == "" {
			return
		}
		named++
		for _, part := range strings.Split(name, " of ") {
			if !known[part] {
				t.Errorf("%s: nothing of the type %q is declared", where, name)
			}
		}
	}
	fields := func(owner string, all []runtime.Field) {
		for _, f := range all {
			is(owner+"."+f.Name, f.Type)
		}
	}
	for _, b := range config.Builtins {
		is(b.Name, b.ReturnType)
		if strings.HasPrefix(b.Returns, "results") && b.ReturnType != "results" {
			t.Errorf("%s returns results, but its type is %q", b.Name, b.ReturnType)
		}
	}
	for _, o := range config.Objects {
		is(o.Name, o.ItemType)
		fields(o.Name, o.Fields)
		for _, m := range o.Methods {
			is(o.Name+":"+m.Name, m.ReturnType)
		}
	}
	for _, r := range config.Records {
		fields(r.Name, r.Fields)
	}
	if named < 20 {
		t.Errorf("only %d types are named", named)
	}
}

// TestSource_NoFalsePositives checks the shipped runbooks and modules, and every example of the builtins and the
// documentation.
func TestSource_NoFalsePositives(t *testing.T) {
	sources := 0
	quiet := func(file, src string) {
		sources++
		for _, f := range check.Source(config, file, []byte(src)) {
			t.Errorf("%s\n%s", f, src)
		}
	}
	for _, pattern := range []string{"../../scripts/*.lua", "../../stdlib/*.lua"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: found %d sources: %v", pattern, len(files), err)
		}
		for _, file := range files {
			quiet(file, string(source(t, file)))
		}
	}
	for _, b := range builtins.All() {
		quiet(b.Name, b.Example)
	}
	for _, o := range builtins.Objects() {
		for _, m := range o.Methods {
			quiet(o.Name+":"+m.Name, o.Name+" = nil\n"+m.Example)
		}
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("found %d pages: %v", len(pages), err)
	}
	for _, page := range pages {
		for i, block := range strings.Split(string(source(t, page)), "```lua\n")[1:] {
			example, _, _ := strings.Cut(block, "```")
			if filepath.Base(page) != "builtins.md" { // its examples are those above
				quiet(fmt.Sprintf("%s example %d", page, i+1), example)
			}
		}
	}
	t.Logf("%d sources", sources)
}
