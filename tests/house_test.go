package tests

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/go/packages"
)

// The limits for the source tree.
const (
	maxReach   = 8   // files that contain methods of a type or use its unexported fields
	maxFiles   = 40  // files of a package, without tests
	maxColumns = 120 // of a line of code or of a comment; a tab counts as one
)

// declarations are the packages that consist of literals, with one file for each declared builtin. Their number of
// files is not limited.
var declarations []string

// ahead are libraries that were built before the packages that will use them. Their exported names may be unused. A
// package whose exported names are all used is taken off the list.
var ahead = []string{
	"runtime/identity", "cmd/dkvmanager/internal/pki", "runtime/access", "cmd/dkvmanager/internal/security",
}

// forTests lists packages that only tests import. Of methods it isn't seen that tests call them.
var forTests = []string{"cmd/dkvmanager/internal/security/securitytest"}

// imports limits the imports of the packages within a folder further than the order does.
var imports = []struct {
	folder  string
	why     string
	allowed func(imported string) bool
}{
	{"dkvrun/runtime/wire", "the protocol uses the standard library only", func(i string) bool {
		return !strings.Contains(strings.Split(i, "/")[0], ".") && !within(i, "dkvrun")
	}},
	{"dkvrun/runtime/fanout", "the fan-out knows no Lua and no net/http", func(i string) bool {
		return i != "net/http" && !within(i, "github.com/yuin/gopher-lua") && (!within(i, "dkvrun") || within(i, "dkvrun/runtime/wire"))
	}},
	{"dkvrun/runtime/suite", "suites run hosts, whatever these can call", func(i string) bool {
		return !within(i, "github.com/yuin/gopher-lua") && !within(i, "dkvrun/builtins") && !within(i, "dkvrun/cmd")
	}},
	{"dkvrun/builtins", "builtins never touch the Lua state", func(i string) bool {
		return !within(i, "github.com/yuin/gopher-lua") && !within(i, "dkvrun/cmd")
	}},
	{"dkvrun/cmd/dkvrun", "the runner never links the daemon, and leaves Lua to runtime", func(i string) bool {
		return !within(i, "dkvrun/cmd/dkvmanager") && !within(i, "github.com/yuin/gopher-lua") && !within(i, "go.etcd.io")
	}},
	{"dkvrun/cmd/dkvmanager", "the daemon shares with the runner the protocol, identities, the access log, network faults of throw-away servers, how files are written durably, and how ports are checked", func(i string) bool {
		return !within(i, "dkvrun") || within(i, "dkvrun/cmd/dkvmanager") || within(i, "dkvrun/runtime/wire") || within(i, "dkvrun/runtime/netfault") ||
			within(i, "dkvrun/runtime/durable") || within(i, "dkvrun/runtime/identity") || within(i, "dkvrun/runtime/access") || within(i, "dkvrun/runtime/freeport")
	}},
	{"dkvrun/runtime/identity", "identities are checked with the standard library's cryptography", func(i string) bool {
		return !strings.Contains(strings.Split(i, "/")[0], ".") && i != "net/http" &&
			(!within(i, "dkvrun") || within(i, "dkvrun/runtime/wire") || within(i, "dkvrun/runtime/durable") ||
				within(i, "dkvrun/runtime/identity"))
	}},
	{"dkvrun/runtime/access", "the access log knows neither who keeps it nor how it is sent", func(i string) bool {
		return !strings.Contains(strings.Split(i, "/")[0], ".") && i != "net" && i != "net/http" &&
			(!within(i, "dkvrun") || within(i, "dkvrun/runtime/durable") || within(i, "dkvrun/runtime/identity"))
	}},
	{"dkvrun/runtime/durable", "the manager, the suites and kept clusters write files the same way; it needs only the system", func(i string) bool {
		return !strings.Contains(strings.Split(i, "/")[0], ".") && !within(i, "dkvrun")
	}},
	{"dkvrun/runtime/netfault", "network faults concern sockets, whatever passes through them", func(i string) bool {
		return !within(i, "dkvrun") && i != "net/http"
	}},
	{"dkvrun/runtime/commit", "the driver is logic over a transport and a clock", func(i string) bool {
		return i != "net" && i != "net/http" && (!within(i, "dkvrun") || within(i, "dkvrun/runtime/wire"))
	}},
	{"dkvrun/cmd/dkvmanager/internal/twophase", "two-phase commit is a state machine over the catalog: it serves nothing and runs nothing", func(i string) bool {
		return notAdmin(i) && !within(i, "dkvrun/cmd/dkvmanager/internal/supervisor") && !within(i, "dkvrun/cmd/dkvmanager/internal/engine")
	}},
	{"dkvrun/cmd/dkvmanager/internal/catalog", "the catalog does not know who asks", notAdmin},
	{"dkvrun/cmd/dkvmanager/internal/supervisor", "the supervisor does not know who asks", notAdmin},
	{"dkvrun/cmd/dkvmanager/internal/engine", "the engine does not know who asks", notAdmin},
}

func notAdmin(i string) bool { return !within(i, "dkvrun/cmd/dkvmanager/internal/admin") }

// only lists, for certain packages, the folders that may import them. A folder without "/..." is one package.
var only = []struct {
	imported string
	folders  []string
}{
	{"github.com/yuin/gopher-lua", []string{"dkvrun/runtime", "dkvrun/runtime/lualib", "dkvrun/runtime/rewrite", "dkvrun/tests/bench/..."}},
	{"github.com/spf13/pflag", []string{"dkvrun/cmd/dkvrun/..."}},
	{"github.com/fatih/color", []string{"dkvrun/cmd/dkvrun/..."}},
	{"github.com/valyala/fasthttp", []string{"dkvrun/runtime/fanout", "dkvrun/tests/bench/..."}},
	{"go.etcd.io", []string{"dkvrun/cmd/dkvmanager/internal/engine/etcd/..."}},
}

// within reports whether a package is in a folder or below it.
func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func TestHouse_Imports(t *testing.T) {
	t.Parallel()
	for _, p := range loadTree(t) {
		for imported := range p.Imports {
			for _, r := range imports {
				if within(p.PkgPath, r.folder) && !r.allowed(imported) {
					t.Errorf("%s imports %s: %s", p.PkgPath, imported, r.why)
				}
			}
			for _, o := range only {
				inside := func(folder string) bool {
					tree, found := strings.CutSuffix(folder, "/...")
					return p.PkgPath == folder || found && within(p.PkgPath, tree)
				}
				if within(imported, o.imported) && !slices.ContainsFunc(o.folders, inside) {
					t.Errorf("%s imports %s: only %s may", p.PkgPath, imported, strings.Join(o.folders, " and "))
				}
			}
		}
	}
}

func TestHouse_PackageComments(t *testing.T) {
	t.Parallel()
	for _, p := range loadTree(t) {
		if len(p.Syntax) > 0 && packageComment(p) == "" {
			t.Errorf("%s has no package comment", p.PkgPath)
		}
	}
}

func packageComment(p *packages.Package) string {
	for _, f := range p.Syntax {
		if f.Doc != nil {
			return f.Doc.Text()
		}
	}
	return ""
}

// layoutDocument is the page whose section "Packages" lists the packages in order.
const layoutDocument = "../docs/development.md"

// layoutStart and layoutEnd enclose the generated part, which is made from the list and the packages' comments.
const (
	layoutStart = "<!-- made by go test ./tests -run House_Layout -update -->\n"
	layoutEnd   = "<!-- end -->\n"
)

func TestHouse_Layout(t *testing.T) {
	page, err := os.ReadFile(layoutDocument)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), layoutStart)
	_, after, ends := strings.Cut(rest, layoutEnd)
	if !begins || !ends {
		t.Fatalf("%s has no section between %q and %q", layoutDocument, layoutStart, layoutEnd)
	}
	want := before + layoutStart + layoutSection(loadTree(t)) + layoutEnd + after
	if *update {
		if err := os.WriteFile(layoutDocument, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s is not what the list and the comments of the packages say: go test ./tests -run House_Layout -update", layoutDocument)
	}
}

// layoutSection lists the packages, the lowest first, each with the first sentence of its comment.
func layoutSection(all []*packages.Package) string {
	comments := map[string]string{}
	for _, p := range all {
		sentence := strings.Join(strings.Fields(packageComment(p)), " ")
		sentence, _, _ = strings.Cut(sentence, ". ")
		sentence = regexp.MustCompile(`^(Package|Command) \w+ `).ReplaceAllString(sentence, "")
		comments[p.PkgPath] = strings.TrimSuffix(sentence, ".")
	}
	var out strings.Builder
	for _, path := range layout {
		comment := comments["dkvrun/"+path]
		if comment == "" { // a package of tests
			comment = "tests"
		}
		fmt.Fprintf(&out, "- `%s` %s\n", path, comment)
	}
	return out.String()
}

func TestHouse_Order(t *testing.T) { report(t, orderViolations(loadTree(t), "dkvrun", layout)) }

func TestHouse_Reach(t *testing.T) { report(t, reachViolations(loadTree(t), maxReach)) }

func TestHouse_Exports(t *testing.T) {
	all, early := exportViolations(loadTree(t), usedByTests(t, "dkvrun")), map[string]bool{}
	report(t, slices.DeleteFunc(all, func(violation string) bool {
		for _, path := range forTests {
			if strings.HasPrefix(violation, "dkvrun/"+path+".") {
				return true
			}
		}
		for _, path := range ahead {
			if strings.HasPrefix(violation, "dkvrun/"+path+".") {
				early[path] = true
				return true
			}
		}
		return false
	}))
	for _, path := range ahead {
		if !early[path] {
			t.Errorf("all exported names of %s are used: take it off the list of libraries that are ahead of their users", path)
		}
	}
}

func TestHouse_Files(t *testing.T) {
	t.Parallel()
	report(t, fileViolations(loadTree(t), "dkvrun", maxFiles))
}

func TestHouse_Columns(t *testing.T) {
	t.Parallel()
	for _, path := range goFiles(t) {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		report(t, columnViolations(path, text))
	}
}

func TestHouse_TestNames(t *testing.T) {
	t.Parallel()
	for _, path := range goFiles(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		report(t, nameViolations(path, text))
	}
}

// TestHouse_Addresses keeps apart the loopback addresses on which tests listen: packages are tested at the same time,
// and so are the files of tests.
func TestHouse_Addresses(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for _, path := range goFiles(t) {
		// The table of answers names addresses of the other tests.
		if !strings.HasSuffix(path, "_test.go") || path == "tests/answers_test.go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		files[path] = text
	}
	report(t, addressViolations(files))
}

func report(t *testing.T, violations []string) {
	t.Helper()
	for _, v := range violations {
		t.Error(v)
	}
}

// goFiles lists the Go files of the module, tests included.
func goFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "bin" || len(entry.Name()) > 2 && entry.Name()[0] == '.'):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			out = append(out, filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator))))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// orderViolations finds packages that are missing in the list, list entries without a package, and imports of packages
// that are not earlier in the list.
func orderViolations(all []*packages.Package, module string, order []string) []string {
	var out []string
	place := map[string]int{}
	for i, path := range order {
		place[module+"/"+path] = i + 1
	}
	seen := map[string]bool{}
	for _, p := range all {
		seen[p.PkgPath] = true
		if place[p.PkgPath] == 0 {
			out = append(out, p.PkgPath+" has no place in the order of packages")
			continue
		}
		for imported := range p.Imports {
			if within(imported, module) && place[imported] >= place[p.PkgPath] {
				out = append(out, fmt.Sprintf("%s imports %s, which does not come before it in the order of packages", p.PkgPath, imported))
			}
		}
	}
	for _, path := range order {
		if !seen[module+"/"+path] {
			out = append(out, fmt.Sprintf("the order of packages has %s, which is no package", path))
		}
	}
	sort.Strings(out)
	return out
}

// reachViolations finds types whose methods and uses of unexported fields are spread over more than most files.
func reachViolations(all []*packages.Package, most int) []string {
	var out []string
	for _, p := range all {
		owners := map[*types.Var]*types.TypeName{} // of unexported fields
		files := map[*types.TypeName]map[string]bool{}
		for _, name := range p.Types.Scope().Names() {
			if named, is := p.Types.Scope().Lookup(name).(*types.TypeName); is && !named.IsAlias() {
				files[named] = map[string]bool{}
				ownFields(named.Type().Underlying(), named, owners)
			}
		}
		for _, f := range p.Syntax {
			file := filepath.Base(p.Fset.Position(f.Pos()).Filename)
			for _, d := range f.Decls {
				if fn, is := d.(*ast.FuncDecl); is && fn.Recv != nil {
					if named := receiver(p, fn); named != nil && files[named] != nil {
						files[named][file] = true
					}
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if name, is := n.(*ast.Ident); is {
					if v, is := p.TypesInfo.Uses[name].(*types.Var); is && owners[v.Origin()] != nil {
						files[owners[v.Origin()]][file] = true
					}
				}
				return true
			})
		}
		for named, in := range files {
			if len(in) > most {
				out = append(out, fmt.Sprintf("%s.%s reaches over %d files, at most %d: %s", p.PkgPath, named.Name(), len(in), most, strings.Join(keys(in), " ")))
			}
		}
	}
	sort.Strings(out)
	return out
}

// ownFields records the unexported fields of a structure, including those of anonymous structures in it.
func ownFields(t types.Type, owner *types.TypeName, owners map[*types.Var]*types.TypeName) {
	switch t := t.(type) {
	case *types.Struct:
		for i := range t.NumFields() {
			f := t.Field(i)
			if !f.Exported() && f.Name() != "_" {
				owners[f] = owner
			}
			ownFields(f.Type(), owner, owners)
		}
	case *types.Pointer:
		ownFields(t.Elem(), owner, owners)
	case *types.Slice:
		ownFields(t.Elem(), owner, owners)
	case *types.Array:
		ownFields(t.Elem(), owner, owners)
	case *types.Map:
		ownFields(t.Elem(), owner, owners)
	case *types.Chan:
		ownFields(t.Elem(), owner, owners)
	}
}

// receiver returns the type of a method's receiver.
func receiver(p *packages.Package, fn *ast.FuncDecl) *types.TypeName {
	f, is := p.TypesInfo.Defs[fn.Name].(*types.Func)
	if !is {
		return nil
	}
	t := f.Type().(*types.Signature).Recv().Type()
	if pointer, is := t.(*types.Pointer); is {
		t = pointer.Elem()
	}
	if named, is := t.(*types.Named); is {
		return named.Origin().Obj()
	}
	return nil
}

func keys(m map[string]bool) []string {
	var out []string
	for key := range m {
		out = append(out, key)
	}
	sort.Strings(out)
	return out
}

// exportViolations finds exported functions, types, variables, constants and methods that no other package uses, in
// packages that can be imported. A method of an interface counts as used. So does a type in the signature of a used
// function, although other packages need not write its name. inTests holds the names that tests of other packages use,
// as usedByTests returns them.
func exportViolations(all []*packages.Package, inTests map[string]bool) []string {
	used := map[types.Object]bool{}
	asked := map[string]bool{} // methods of the interfaces that the module uses
	seen := map[*types.Package]bool{}
	for _, p := range all {
		for _, object := range p.TypesInfo.Uses {
			if object.Pkg() != nil && object.Pkg() != p.Types {
				used[origin(object)] = true
			}
		}
		for _, v := range p.TypesInfo.Types {
			if i, is := v.Type.Underlying().(*types.Interface); is && v.IsType() {
				for m := range i.Methods() {
					asked[m.Name()] = true
				}
			}
		}
		for _, imported := range p.Types.Imports() {
			interfaceMethods(imported, asked, seen)
		}
		for _, name := range p.Types.Scope().Names() {
			if inTests[p.PkgPath+"."+name] {
				used[p.Types.Scope().Lookup(name)] = true
			}
		}
	}
	useTypes(used)
	useMembers(all, used)
	var out []string
	unused := func(p *packages.Package, object types.Object, name string) {
		if object.Exported() && !used[object] {
			out = append(out, fmt.Sprintf("%s.%s is exported and no other package uses it", p.PkgPath, name))
		}
	}
	for _, p := range all {
		if p.Name == "main" {
			continue
		}
		for _, name := range p.Types.Scope().Names() {
			object := p.Types.Scope().Lookup(name)
			unused(p, object, name)
			named, is := object.Type().(*types.Named)
			if _, isType := object.(*types.TypeName); !is || !isType {
				continue
			}
			for m := range named.Methods() {
				if !asked[m.Name()] {
					unused(p, m, name+"."+m.Name())
				}
			}
		}
	}
	sort.Strings(out)
	return out
}

// useGroup adds all constants of a declaration if one of them is used: together they are the values of an enumeration.
func useGroup(p *packages.Package, group *ast.GenDecl, used map[types.Object]bool) {
	var members []types.Object
	for _, spec := range group.Specs {
		for _, name := range spec.(*ast.ValueSpec).Names {
			members = append(members, p.TypesInfo.Defs[name])
		}
	}
	if slices.ContainsFunc(members, func(o types.Object) bool { return used[o] }) {
		for _, o := range members {
			used[o] = true
		}
	}
}

// useMembers adds the constants of used types and of used groups, and the types that implement a used interface of
// their own package: other packages may have to distinguish these values.
func useMembers(all []*packages.Package, used map[types.Object]bool) {
	for _, p := range all {
		for _, f := range p.Syntax {
			for _, d := range f.Decls {
				if group, is := d.(*ast.GenDecl); is && group.Tok == token.CONST {
					useGroup(p, group, used)
				}
			}
		}
		scope := p.Types.Scope()
		var interfaces []*types.Interface
		for _, name := range scope.Names() {
			object := scope.Lookup(name)
			if i, is := object.Type().Underlying().(*types.Interface); is && used[object] && i.NumMethods() > 0 {
				interfaces = append(interfaces, i)
			}
		}
		for _, name := range scope.Names() {
			switch o := scope.Lookup(name).(type) {
			case *types.Const:
				if named, is := o.Type().(*types.Named); is && used[named.Obj()] {
					used[o] = true
				}
			case *types.TypeName:
				if slices.ContainsFunc(interfaces, func(i *types.Interface) bool {
					return types.Implements(o.Type(), i) || types.Implements(types.NewPointer(o.Type()), i)
				}) {
					used[o] = true
				}
			}
		}
	}
}

// useTypes adds the named types that the types of used objects mention.
func useTypes(used map[types.Object]bool) {
	visited := map[types.Type]bool{}
	var visit func(t types.Type)
	visit = func(t types.Type) {
		if visited[t] {
			return
		}
		visited[t] = true
		switch t := t.(type) {
		case *types.Named:
			used[t.Origin().Obj()] = true
			for a := range t.TypeArgs().Types() {
				visit(a)
			}
		case *types.Alias:
			used[t.Obj()] = true
			visit(t.Rhs())
		case *types.Pointer:
			visit(t.Elem())
		case *types.Slice:
			visit(t.Elem())
		case *types.Array:
			visit(t.Elem())
		case *types.Chan:
			visit(t.Elem())
		case *types.Map:
			visit(t.Key())
			visit(t.Elem())
		case *types.Signature:
			visit(t.Params())
			visit(t.Results())
		case *types.Tuple:
			for v := range t.Variables() {
				visit(v.Type())
			}
		}
	}
	objects := slices.Collect(maps.Keys(used)) // without the types that are added below
	for _, object := range objects {
		switch o := object.(type) {
		case *types.Func, *types.Var, *types.Const:
			visit(o.Type())
		case *types.TypeName:
			if !o.IsAlias() {
				continue
			}
			visit(types.Unalias(o.Type()))
		}
	}
}

// usedByTests returns the exported names, as "path.Name", that the tests of other packages use.
func usedByTests(t *testing.T, module string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, path := range goFiles(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		own := module + "/" + strings.TrimSuffix(path[:strings.LastIndex(path, "/")+1], "/")
		imported := map[string]string{}
		for _, i := range f.Imports {
			from := strings.Trim(i.Path.Value, `"`)
			name := from[strings.LastIndex(from, "/")+1:]
			if i.Name != nil {
				name = i.Name.Name
			}
			if within(from, module) && from != own {
				imported[name] = from
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, is := n.(*ast.SelectorExpr); is {
				if x, is := s.X.(*ast.Ident); is && imported[x.Name] != "" {
					out[imported[x.Name]+"."+s.Sel.Name] = true
				}
			}
			return true
		})
	}
	return out
}

// origin returns the declared object of an object in an instance of a generic type or function.
func origin(object types.Object) types.Object {
	switch o := object.(type) {
	case *types.Func:
		return o.Origin()
	case *types.Var:
		return o.Origin()
	}
	return object
}

// interfaceMethods records the methods of the interfaces that a package of another module declares.
func interfaceMethods(p *types.Package, asked map[string]bool, seen map[*types.Package]bool) {
	if seen[p] {
		return
	}
	seen[p] = true
	for _, name := range p.Scope().Names() {
		if i, is := p.Scope().Lookup(name).Type().Underlying().(*types.Interface); is {
			for m := range i.Methods() {
				asked[m.Name()] = true
			}
		}
	}
	for _, imported := range p.Imports() {
		interfaceMethods(imported, asked, seen)
	}
}

// fileViolations finds packages with more than most files, including files for other systems and build tags.
func fileViolations(all []*packages.Package, module string, most int) []string {
	var out []string
	for _, p := range all {
		if n := len(p.GoFiles) + len(p.IgnoredFiles); n > most &&
			!slices.Contains(declarations, strings.TrimPrefix(p.PkgPath, module+"/")) {
			out = append(out, fmt.Sprintf("%s has %d files, at most %d", p.PkgPath, n, most))
		}
	}
	sort.Strings(out)
	return out
}

// columnViolations finds lines that are too long. String literals don't count.
func columnViolations(path string, text []byte) []string {
	files := token.NewFileSet()
	file := files.AddFile(path, -1, len(text))
	spared := map[int]int{} // columns of string literals, by line
	var s scanner.Scanner
	s.Init(file, text, nil, 0)
	for {
		pos, kind, literal := s.Scan()
		if kind == token.EOF {
			break
		}
		if kind == token.STRING {
			first := file.Line(pos)
			for i, part := range strings.Split(literal, "\n") {
				spared[first+i] += utf8.RuneCountInString(part)
			}
		}
	}
	var out []string
	for i, line := range bytes.Split(text, []byte("\n")) {
		if n := utf8.RuneCount(line) - spared[i+1]; n > maxColumns {
			out = append(out, fmt.Sprintf("%s:%d has %d columns, at most %d", path, i+1, n, maxColumns))
		}
	}
	return out
}

// testName matches TestSubject_Case.
var testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*_[A-Z0-9][A-Za-z0-9]*$`)

// nameViolations finds test functions that are not named TestSubject_Case.
func nameViolations(path string, text []byte) []string {
	var out []string
	for i, line := range bytes.Split(text, []byte("\n")) {
		m := regexp.MustCompile(`^func ((?:Test|Fuzz|Benchmark)\w*)\(\w+ \*testing\.[TFB]\)`).FindSubmatch(line)
		if m != nil && !testName.Match(m[1]) {
			out = append(out, fmt.Sprintf("%s:%d: %s is not named %sSubject_Case", path, i+1, m[1], regexp.MustCompile(`^[A-Z][a-z]+`).Find(m[1])))
		}
	}
	return out
}

// loopbackBlock matches the first three numbers of a loopback address other than 127.0.0.x.
var loopbackBlock = regexp.MustCompile(`\b127\.(?:[1-9][0-9]*\.[0-9]+|0\.[1-9][0-9]*)\b`)

// addressViolations returns the blocks of 256 loopback addresses that two packages, or two files of the package tests,
// use.
func addressViolations(files map[string][]byte) []string {
	users := map[string][]string{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		user := filepath.Dir(path)
		if user == "tests" {
			user = path
		}
		for _, block := range loopbackBlock.FindAllString(string(files[path]), -1) {
			if !slices.Contains(users[block], user) {
				users[block] = append(users[block], user)
			}
		}
	}
	var out []string
	for _, block := range slices.Sorted(maps.Keys(users)) {
		if len(users[block]) > 1 {
			out = append(out, fmt.Sprintf("%s is used by %s: give each addresses of its own", block, strings.Join(users[block], " and by ")))
		}
	}
	return out
}
