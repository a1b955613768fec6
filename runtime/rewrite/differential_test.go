package rewrite

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

var update = flag.Bool("update", false, "write testdata/assignments.txt again, with lua5.1")

// randomCount is the number of programs with a stored result. Where lua5.1 is installed, the same number of new
// programs is compared too.
const randomCount = 1500

var (
	targetKinds = []string{
		"a", "b", "c", "p", "t", "u", "v", "g", "h", "t.k", "t[1]", "t[a]", "s.k", "s[u]", "r.k", "r[g]", "r[1]",
	}
	valueKinds = []string{
		"a", "b", "c", "p", "u", "v", "g", "h", "t", "t.k", "t[1]", "s.k", "s[1]", "r.k", "r[1]", "7", `"x"`, "nil", "false",
		"a and b", "a or c", "u and t.k", "g or b", "(a and b)", "nil and a", "false or u", "not b", "-a", "a + 1", "u + b", "a == b", `c .. "y"`,
		"one(a)", "one(u)", "two(b)", "(two(c))", "(one(a))", "...", "(...)", "{k = a}", "{b, k = u}", `#"xyz"`,
	}
)

// randomProgram returns a program that makes random assignments to locals, a parameter, captured locals, globals and
// fields, and returns all of them as text.
func randomProgram(r *rand.Rand) string {
	pick := func(from []string, n int) string {
		items := make([]string, n)
		for i := range items {
			items[i] = from[r.IntN(len(from))]
		}
		return strings.Join(items, ", ")
	}
	var assignments strings.Builder
	many := r.IntN(4) == 0 // so many locals that the block stores its values in a table
	if many {
		assignments.WriteString("do local " + strings.Repeat("_, ", 180) + "_ ")
	}
	for range 1 + r.IntN(3) {
		fmt.Fprintf(&assignments, "%s = %s ", pick(targetKinds, 1+r.IntN(4)), pick(valueKinds, 1+r.IntN(4)))
	}
	if many {
		assignments.WriteString("end")
	}
	return `local u, v, s = 10, 11, {k = 12, 13}
g, h, r = 20, 21, {k = 22, 23}
local function one(x) return x end
local function two(x) return x, 31 end
local function show(n, x, ...)
  if n == 0 then return "" end
  local text = type(x) == "table" and "{" .. show(3, x.k, x[1], x[2]) .. "}" or tostring(x)
  return text .. " " .. show(n - 1, ...)
end
local function f(p, ...)
  local a, b, c, t = 1, 2, 3, {k = 4, 5}
  local w = 6
  ` + assignments.String() + `
  return show(12, p, a, b, c, t, w, u, v, s, g, h, r)
end
local ok, text = pcall(f, 8, 9)
return ok and text or "error"
`
}

func randomPrograms(seed uint64) []string {
	r := rand.New(rand.NewPCG(seed, 1))
	programs := make([]string, randomCount)
	for i := range programs {
		programs[i] = randomProgram(r)
	}
	return programs
}

// runCompiled compiles a program, runs it, and returns its result or its error as text.
func runCompiled(compile func(*lua.LState) (*lua.FunctionProto, error)) (result string) {
	L := lua.NewState()
	defer L.Close()
	defer func() { // wrong code can make the virtual machine panic
		if p := recover(); p != nil {
			result = fmt.Sprint(p)
		}
	}()
	proto, err := compile(L)
	if err != nil {
		return err.Error()
	}
	L.Push(L.NewFunctionFromProto(proto))
	if err := L.PCall(0, 1, nil); err != nil {
		return err.Error()
	}
	return L.ToStringMeta(L.Get(-1)).String()
}

// runRewritten compiles a program with this package and runs it.
func runRewritten(source string) string {
	return runCompiled(func(L *lua.LState) (*lua.FunctionProto, error) {
		chunk, err := parse.Parse(strings.NewReader(source), "test")
		if err != nil {
			return nil, err
		}
		return Compile(chunk, "test", len(source), L.NewFunction(func(L *lua.LState) int {
			var text strings.Builder
			for i := 1; i <= L.GetTop(); i++ {
				text.WriteString(L.CheckString(i))
			}
			L.Push(lua.LString(text.String()))
			return 1
		}))
	})
}

// runRaw compiles a program with gopher-lua alone and runs it.
func runRaw(source string) string {
	return runCompiled(func(*lua.LState) (*lua.FunctionProto, error) {
		chunk, err := parse.Parse(strings.NewReader(source), "test")
		if err != nil {
			return nil, err
		}
		return lua.Compile(chunk, "test")
	})
}

// runReference runs programs with Lua 5.1 and returns their results, or nil if lua5.1 isn't installed.
func runReference(t *testing.T, programs []string) []string {
	t.Helper()
	path, err := exec.LookPath("lua5.1")
	if err != nil {
		return nil
	}
	var script bytes.Buffer
	for _, p := range programs {
		fmt.Fprintf(&script, "print((assert(loadstring[==[%s]==]))())\n", p)
	}
	cmd := exec.Command(path, "-")
	cmd.Stdin = &script
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

const storedResults = "testdata/assignments.txt"

func TestCompile_RandomAssignments(t *testing.T) {
	programs := randomPrograms(1)
	reference := runReference(t, programs)
	if *update {
		if reference == nil {
			t.Fatal("lua5.1 is not installed")
		}
		if err := os.WriteFile(storedResults, []byte(strings.Join(reference, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(storedResults)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(stored), "\n"), "\n")
	if reference != nil && strings.Join(reference, "\n") != strings.Join(want, "\n") {
		t.Error("lua5.1 gives other results than the stored ones: the programs have changed; run the test with -update")
	}
	compareAll(t, programs, want)
}

func TestCompile_RandomAssignmentsAgainstLua51(t *testing.T) {
	programs := randomPrograms(rand.Uint64())
	reference := runReference(t, programs)
	if reference == nil {
		t.Log("lua5.1 is not installed: only the stored results are compared")
		return
	}
	compareAll(t, programs, reference)
}

// compareAll compares the results of programs with those of Lua 5.1. It also checks that gopher-lua alone gets some of
// the first 300 wrong.
func compareAll(t *testing.T, programs, want []string) {
	t.Helper()
	if len(want) != len(programs) {
		t.Fatalf("%d programs, %d results", len(programs), len(want))
	}
	wrong := 0
	for i, p := range programs {
		if got := runRewritten(p); got != want[i] {
			t.Errorf("%s\n got %s\nwant %s", p, got, want[i])
			if wrong++; wrong > 3 {
				t.FailNow()
			}
		}
	}
	raw := 0
	for i, p := range programs[:300] {
		if runRaw(p) != want[i] {
			raw++
		}
	}
	if raw == 0 {
		t.Error("gopher-lua compiles all of 300 programs correctly now: remove the repair of assignments (issue #440)")
	}
}
