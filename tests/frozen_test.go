package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"dkvrun/builtins/docs"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var update = flag.Bool("update", false, "write the golden files of tests instead of comparing with them")

// frozenFile lists the names, types and numbers that users, scripts, other versions and files on disk depend on. Texts
// for people are not listed. A missing line means an incompatible change. A new line belongs to a new feature, and is
// added with -update.
const frozenFile = "testdata/frozen.txt"

// TestFrozen_Surface compares everything that is visible to users and other versions with the golden file.
func TestFrozen_Surface(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	for _, part := range []struct {
		title string
		lines func(*testing.T) []string
	}{
		{"builtins: parameters, with their position, type, bounds and default, and types of results", builtinLines},
		{"records and objects: fields and methods", recordLines},
		{"codes of results", codeLines},
		{"values of the admin protocol", valueLines},
		{"keys of JSON, a line for each structure that is written or read", shapeLines},
		{"admin API: routes, parameters and schemas, as a manager serves them", apiLines},
		{"failpoints, and the environment's names for them", failpointLines},
		{"flags and their defaults", flagLines},
		{"flags that the environment sets", environmentLines},
		{"environment variables by their whole name", variableLines},
		{"exit statuses", statusLines},
		{"files of a kept cluster, without the engine's", folderLines},
	} {
		fmt.Fprintf(&got, "# %s\n", part.title)
		for _, line := range part.lines(t) {
			fmt.Fprintf(&got, "%s\n", line)
		}
		got.WriteByte('\n')
	}
	if *update {
		if err := os.WriteFile(frozenFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(frozenFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff.Diff("frozen", want, "now", got.Bytes()); d != nil {
		t.Errorf("what others depend on has changed; go test ./tests -run TestFrozen -update, if that is meant\n%s", d)
	}
}

// typeNames are the names of parameter types in the golden file.
var typeNames = map[runtime.Type]string{
	runtime.Any: "any", runtime.Verbatim: "verbatim", runtime.String: "string", runtime.Integer: "integer", runtime.Number: "number",
	runtime.Boolean: "boolean", runtime.Function: "function", runtime.Strings: "strings", runtime.Table: "table",
}

func builtinLines(*testing.T) []string {
	all := docs.All().Builtins
	slices.SortStableFunc(all, func(a, b runtime.Builtin) int { return strings.Compare(a.Name, b.Name) })
	var out []string
	for _, b := range all {
		out = append(out, builtinLine(b.Name, b)...)
	}
	return out
}

// builtinLine returns a line for a builtin or method and one line for each of its parameters.
func builtinLine(name string, b runtime.Builtin) []string {
	out := []string{fmt.Sprintf("%s (%s), %d positional, returns %q", name, b.Group, b.Positional, b.ReturnType)}
	for _, p := range b.Params {
		line := fmt.Sprintf("%s %s %s", name, p.Name, typeNames[p.Type])
		if p.Alias != "" {
			line += " also " + p.Alias
		}
		if p.Required {
			line += " required"
		}
		if p.Default != nil {
			line += fmt.Sprintf(" default %#v", p.Default)
		}
		if p.Min != nil {
			line += fmt.Sprintf(" from %v", *p.Min)
		}
		if p.Max != nil {
			line += fmt.Sprintf(" to %v", *p.Max)
		}
		if len(p.Enum) > 0 {
			line += fmt.Sprintf(" one of %q", p.Enum)
		}
		if p.Rest {
			line += " rest"
		}
		out = append(out, line)
	}
	return out
}

func recordLines(*testing.T) []string {
	var out []string
	fields := func(of string, list []runtime.Field) {
		for _, f := range list {
			out = append(out, fmt.Sprintf("%s.%s %q", of, f.Name, f.Type))
		}
	}
	all := docs.All()
	for _, r := range all.Records {
		fields(r.Name, r.Fields)
	}
	for _, o := range all.Objects {
		fields(o.Name, o.Fields)
		if o.ItemType != "" {
			out = append(out, fmt.Sprintf("%s[i] %q", o.Name, o.ItemType))
		}
		for _, m := range o.Methods {
			out = append(out, builtinLine(o.Name+":"+m.Name, m)...)
		}
	}
	sort.Strings(out)
	return out
}

// wireConstants returns the exported string constants of the protocol whose name is wanted, sorted by value.
func wireConstants(t *testing.T, wanted func(name string) bool) []string {
	t.Helper()
	var out []string
	for _, p := range loadTree(t) {
		if p.PkgPath != "dkvrun/runtime/wire" {
			continue
		}
		for _, name := range p.Types.Scope().Names() {
			c, is := p.Types.Scope().Lookup(name).(*types.Const)
			if is && c.Exported() && c.Val().Kind() == constant.String && wanted(name) {
				out = append(out, constant.StringVal(c.Val()))
			}
		}
	}
	sort.Strings(out)
	return out
}

func isCode(name string) bool { return strings.HasPrefix(name, "Code") }

func codeLines(t *testing.T) []string { return wireConstants(t, isCode) }

func valueLines(t *testing.T) []string {
	return wireConstants(t, func(name string) bool { return !isCode(name) && name != "Version" })
}

// shapeLines lists the structures with JSON tags: their keys and types, without their Go names, and the program that
// they belong to.
func shapeLines(t *testing.T) []string {
	var out []string
	for _, p := range loadTree(t) {
		side := "runner"
		switch {
		case within(p.PkgPath, "dkvrun/tests"), within(p.PkgPath, "dkvrun/cmd/dkvmanager/internal/storetest"):
			continue // used only by tests
		case p.PkgPath == "dkvrun/runtime/wire":
			side = "wire"
		case within(p.PkgPath, "dkvrun/cmd/dkvmanager"):
			side = "manager"
		}
		for _, f := range p.Syntax {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, is := n.(*ast.StructType); is {
					if shape := shapeOf(p.TypesInfo.TypeOf(s).(*types.Struct)); shape != "" {
						out = append(out, side+": "+shape)
					}
				}
				return true
			})
		}
	}
	sort.Strings(out)
	return slices.Compact(out)
}

func shapeOf(s *types.Struct) string {
	var keys []string
	for i := range s.NumFields() {
		tag, is := reflect.StructTag(s.Tag(i)).Lookup("json")
		if is {
			keys = append(keys, tag+" "+kindOf(s.Field(i).Type()))
		}
	}
	return strings.Join(keys, "; ")
}

// kindOf returns the JSON form of a type.
func kindOf(t types.Type) string {
	if named, is := types.Unalias(t).(*types.Named); is && named.Obj().Pkg() != nil &&
		!within(named.Obj().Pkg().Path(), "dkvrun") {
		return named.Obj().Pkg().Name() + "." + named.Obj().Name()
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Name()
	case *types.Pointer:
		return kindOf(u.Elem())
	case *types.Slice:
		return "list of " + kindOf(u.Elem())
	case *types.Map:
		return "map of " + kindOf(u.Elem())
	case *types.Struct:
		return "object"
	}
	return "any"
}

// apiLines returns lines for the description of the API, which it reads from a running manager.
func apiLines(t *testing.T) []string {
	f := &fleet{dir: filepath.Join(t.TempDir(), "managers")}
	t.Cleanup(f.close)
	const host = "127.43.2.1"
	if err := f.start([]string{host}); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get("http://" + host + ":7801" + wire.Prefix + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var api map[string]any
	if err := json.Unmarshal(text, &api); err != nil {
		t.Fatal(err)
	}
	out := []string{"prefix " + wire.Prefix}
	var leaves func(path string, value any)
	leaves = func(path string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for key, item := range v {
				if !slices.Contains([]string{"description", "summary", "example", "examples", "info"}, key) || strings.HasSuffix(path, "/properties") {
					leaves(path+"/"+key, item)
				}
			}
		case []any:
			for i, item := range v {
				if text, is := item.(string); is { // the order of an enumeration doesn't matter
					out = append(out, fmt.Sprintf("%s has %s", strings.TrimPrefix(path, "/"), text))
				} else {
					leaves(path+"/"+strconv.Itoa(i), item)
				}
			}
		default:
			out = append(out, fmt.Sprintf("%s %v", strings.TrimPrefix(path, "/"), v))
		}
	}
	for path, item := range api["paths"].(map[string]any) {
		for verb := range item.(map[string]any) {
			if verb != "parameters" {
				out = append(out, strings.ToUpper(verb)+" "+path)
			}
		}
	}
	leaves("", api)
	sort.Strings(out)
	return out
}

// failpointLines lists the string arguments of calls of the failpoint package: names of the points or parts of them.
func failpointLines(t *testing.T) []string {
	return literals(t, func(file string, call *ast.CallExpr) bool {
		if strings.Contains(file, "/runtime/durable/") {
			selector, is := call.Fun.(*ast.SelectorExpr)
			return is && selector.Sel.Name == "at"
		}
		selector, is := call.Fun.(*ast.SelectorExpr)
		if !is {
			return false
		}
		name, is := selector.X.(*ast.Ident)
		return is && name.Name == "failpoint"
	}, func(text string) bool { return text != "" })
}

// literals lists the string literals in the wanted calls, in the code of the programs.
func literals(t *testing.T, wanted func(file string, call *ast.CallExpr) bool, fits func(string) bool) []string {
	t.Helper()
	var out []string
	for _, p := range loadTree(t) {
		if within(p.PkgPath, "dkvrun/tests") {
			continue
		}
		for _, f := range p.Syntax {
			file := p.Fset.Position(f.Pos()).Filename
			ast.Inspect(f, func(n ast.Node) bool {
				call, is := n.(*ast.CallExpr)
				if !is || !wanted(file, call) {
					return true
				}
				for _, argument := range call.Args {
					ast.Inspect(argument, func(n ast.Node) bool {
						if e, is := n.(ast.Expr); is {
							if v := p.TypesInfo.Types[e].Value; v != nil && v.Kind() == constant.String && fits(constant.StringVal(v)) {
								out = append(out, constant.StringVal(v))
								return false
							}
						}
						return true
					})
				}
				return true
			})
		}
	}
	sort.Strings(out)
	return slices.Compact(out)
}

// variableLines lists the environment variables whose full name is in the code of the programs.
func variableLines(t *testing.T) []string {
	return literals(t, func(_ string, call *ast.CallExpr) bool {
		switch f := call.Fun.(type) {
		case *ast.Ident:
			return strings.EqualFold(f.Name, "getenv")
		case *ast.SelectorExpr:
			return strings.EqualFold(f.Sel.Name, "getenv") || f.Sel.Name == "LookupEnv"
		}
		return false
	}, regexp.MustCompile(`^[A-Z][A-Z_]*[A-Z]$`).MatchString)
}

// Matches the flag lines of a help text: a short name, a long one, and the default in one of the following lines.
var (
	flagLine    = regexp.MustCompile(`^ +(?:-(\w), |)--([\w-]+)`)
	flagDefault = regexp.MustCompile(`\(default ([^);]*)[);]`)
)

// helpFlags lists the flags of one help text as "-s --long default x".
func helpFlags(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command(program(args[0]), args[1:]...).Output()
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	var flags []string
	for line := range strings.Lines(string(out)) {
		if m := flagLine.FindStringSubmatch(line); m != nil {
			flags = append(flags, strings.TrimSpace(strings.TrimSuffix("-"+m[1], "-")+" --"+m[2]))
		} else if !strings.HasPrefix(line, "     ") { // not a continuation of a flag's text
			continue
		}
		m := flagDefault.FindStringSubmatch(line)
		// The default of --jobs depends on the machine: it is the number of processors.
		if m != nil && len(flags) > 0 && !strings.HasSuffix(flags[len(flags)-1], "--jobs") {
			flags[len(flags)-1] += " default " + m[1]
		}
	}
	return flags
}

func flagLines(t *testing.T) []string {
	var out []string
	for _, args := range [][]string{{"dkvrun", "--help"}, {"dkvrun", "test", "--help"}, {"dkvrun", "check", "--help"}, {"dkvmanager", "--help"}} {
		for _, f := range helpFlags(t, args...) {
			out = append(out, strings.Join(args[:len(args)-1], " ")+" "+f)
		}
	}
	return out
}

// environmentLines sets DKVRUN_FLAG for each flag of a run to a value that no flag accepts. If the variable is read,
// the exit status shows it.
func environmentLines(t *testing.T) []string {
	var out []string
	for _, f := range helpFlags(t, "dkvrun", "--help") {
		name := regexp.MustCompile(`--[\w-]+`).FindString(f)
		variable := "DKVRUN_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(name, "--"), "-", "_"))
		cmd := exec.Command(program("dkvrun"), "-e", "return 1")
		cmd.Env = append(os.Environ(), variable+"=,")
		if status := statusOf(t, cmd); status != 0 {
			out = append(out, fmt.Sprintf("%s=, ends with %d", variable, status))
		}
	}
	return out
}

func statusOf(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func statusLines(t *testing.T) []string {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.lua": "print(1)\n", "syntax.lua": "x =\n", "raises.lua": "error('no')\n", "found.lua": "new_store{nam = 1}\n",
		"passes_test.lua": "it('passes', function() end)\n", "fails_test.lua": "it('fails', function() error('no') end)\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out []string
	for _, line := range []string{
		"dkvrun", "dkvrun --nope", "dkvrun missing.lua", "dkvrun good.lua", "dkvrun syntax.lua", "dkvrun raises.lua", "dkvrun found.lua",
		"dkvrun -e exit(7)", "dkvrun -e exit()", "dkvrun -e os.exit(3)", "dkvrun -e error({})", "dkvrun -e new_store{nam=1}",
		"dkvrun -e stores()", "dkvrun -m 127.0.0.1:1 -e stores()", "dkvrun -m 127.0.0.1:1 -e start_store('S')", "dkvrun -m ,, -e stores()",
		"dkvrun --timeout 0.2 -e sleep(30)", "dkvrun --timeout x -e sleep(30)", "dkvrun --max-memory 16 -e string.rep('x',99999999)",
		"dkvrun --strict --keep-going -e exit()", "dkvrun --local=0 -e exit()", "dkvrun help", "dkvrun help nope", "dkvrun version",
		"dkvrun check good.lua", "dkvrun check syntax.lua", "dkvrun check found.lua", "dkvrun check missing.lua", "dkvrun check",
		"dkvrun test passes_test.lua", "dkvrun test fails_test.lua", "dkvrun test missing_test.lua", "dkvrun test --nope",
		"dkvrun test --filter nope passes_test.lua", "dkvrun test --list fails_test.lua",
		"dkvmanager", "dkvmanager version", "dkvmanager help", "dkvmanager nope", "dkvmanager --nope", "dkvmanager --data-dir good.lua/x",
		"dkvmanager --data-dir d --listen 0.0.0.0:7801", "dkvmanager --data-dir d --listen 192.0.2.1:7801 --insecure",
	} {
		args := strings.Fields(line)
		cmd := exec.Command(program(args[0]), args[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "XDG_CACHE_HOME="+dir)
		out = append(out, fmt.Sprintf("%d %s", statusOf(t, cmd), line))
	}
	return out
}

// folderLines lists the files of a cluster after one store was created, started, extended, shrunk and removed, while
// another one remains.
func folderLines(t *testing.T) []string {
	dir := filepath.Join(t.TempDir(), "kept")
	cmd := exec.Command(program("dkvrun"), "-q", "-y", "--local=2", "--keep", dir, "-e", `
new_store{"Gone", "gone", parallel = true}:check()
remove_store("Gone"):check()
new_store{"Stays", "s", parallel = true}:check()
start_store{"Stays", parallel = true}:check()
wait_ready("Stays")
add_instance{"Stays", host = managers()[1]:match("[^:]+")}:check()
remove_instance{"Stays", "s-3", lose_data = true}:check()
`)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var out []string
	id := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		shown := id.ReplaceAllString(filepath.ToSlash(name), "ID")
		if entry.IsDir() {
			shown += "/"
		}
		out = append(out, shown)
		if strings.HasPrefix(entry.Name(), "data-") {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(out)
	return out
}
