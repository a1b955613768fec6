package syntax_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/yuin/gopher-lua/parse"

	"dkvrun/runtime/syntax"
)

// agree compares Parse with gopher-lua's parser: both accept a source, or neither does. The exceptions are what Lua 5.1
// refuses and gopher-lua accepts: see stricter.
func agree(t *testing.T, src []byte) {
	t.Helper()
	_, err := syntax.Parse(src)
	if validated := syntax.Validate(src); !reflect.DeepEqual(err, validated) {
		t.Errorf("%q\nParse gives %v\nValidate gives %v", src, err, validated)
	}
	_, theirs := parse.Parse(bytes.NewReader(syntax.ForGopherLua(withoutHeader(src))), "test")
	switch {
	case err == nil && theirs != nil:
		t.Errorf("%q\nParse accepts it, gopher-lua does not: %v", src, theirs)
	case err != nil && theirs == nil && !stricter(err):
		t.Errorf("%q\nParse does not accept it: %v\ngopher-lua does", src, err)
	}
}

// stricter reports whether an error is about something that gopher-lua accepts: sources beyond the limits of Parse,
// 3x and 1e, "\256", and a table constructor with an empty field.
func stricter(err error) bool {
	return strings.Contains(err.Error(), "nested deeper") || strings.Contains(err.Error(), "parts: split it") ||
		strings.HasPrefix(err.Error(), "malformed number") || strings.HasPrefix(err.Error(), "escape sequence") ||
		strings.HasPrefix(err.Error(), "unexpected ','") || strings.HasPrefix(err.Error(), "unexpected ';'")
}

// withoutHeader removes what Parse skips and the runtime removes: a byte order mark and a first line #!.
func withoutHeader(src []byte) []byte {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if !bytes.HasPrefix(src, []byte("#!")) {
		return src
	}
	_, rest, _ := bytes.Cut(src, []byte("\n"))
	return append([]byte("\n"), rest...)
}

// seeds are sources for corner cases of the grammar, most of them cases in which gopher-lua differs from Lua.
var seeds = []string{
	"", "return", "return;", "return;;", "break;", "f()\n(g)()", "a.b['c'].d = 3..2", "x = 0x1F + .5e3",
	"local function f(...) return ... end", "goto a ::a::", "x = [[a]] .. [=[b]=] --[[c]]",
	"for k, v in pairs{} do break end", "repeat local x until x;", "if a then elseif b then else end",
	"a = not -#b ^ 2", "f'x'{}:y[[z]]", "x = '\\065\\\n\\z'", "\ufeff#!x\n;;a=1", "(f())", "((f{}))", "(f)", "(f()) = 1",
	"(a).b = 1", "a, (b).c, d[1] = f()", "x = 3y = 4", "x = 3x", "x = 0xfg = 2", "x = 0xg", "x = 3...2", "x = 3. ..2",
	"x = 1e5.3", "x = .5.", "x = 0012", "x = 1e", "x = 1e)", "x = 0x", "--[=x", "--[==[ ]=] ]==]", "--[x\ny()", "x = [=1",
	"x = [==[ ]=]==]", "x = a[ [[b]] ]", "x = '\\\r\n'", "x = 'a\rb'", "x = \"\\\"\"", "x = '\\", "x = '\\'", "f --c\n(g)",
	"f() --[[\n]](g)()", "x = {a = 1; 2, [3] = 4,}", "x = {;}", "x = {1,,2}", "x = '\\256'", "x = 1e5e5", "x = {(a) = 1}", "x = {a == 1}", "x = {a.b = 1}",
	"function a.b:c.d() end", "function f(a, ...) end", "function f(..., a) end", "function f(a,) end", "x = function() end()",
	"for i = 1 do end", "for i = 1, 2, 3, 4 do end", "for i, j = 1, 2 do end", "x = 'a':b()", "x = ('a'):b()", "x = nil (f)()",
	"x = a..b", "x = a...b", "x = ~1", "x != 1", "x = a ~= b", "::a:: ::b::", ":: a ::", "goto end", "local a.b = 1", "local x <const> = 1",
	"x = -\n-1", "x = - -1", "x = 2^-3", "a = b\n\r\n\rc = d\re = f", "x\x00 = 1", "\xff", "x = '\xff'", "do end;", "while a do until b",
}

// shipped returns the runbooks and modules of the repository, and the test sources of the linter.
func shipped(t testing.TB) [][]byte {
	var all [][]byte
	for _, pattern := range []string{"../../s*/*.lua", "../suite/lua/*.lua", "../check/testdata/*.lua"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 5 {
			t.Fatalf("%s: found %d files: %v", pattern, len(files), err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, src)
		}
	}
	return all
}

func TestParse_AgreesOnShippedSources(t *testing.T) {
	for _, src := range shipped(t) {
		agree(t, src)
		lines := bytes.SplitAfter(src, []byte("\n"))
		for i := 0; i < len(lines); i += 5 {
			before := bytes.Join(lines[:i], nil)
			agree(t, before)
			agree(t, append(before, bytes.Join(lines[i+1:], nil)...)) // without a line
		}
	}
}

func TestParse_AgreesOnMutations(t *testing.T) {
	for _, src := range seeds {
		agree(t, []byte(src))
	}
	random := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 10_000 {
		src := mutated(random)
		if syntax.Validate(src) == nil {
			accepted++
		}
		agree(t, src)
	}
	if accepted < 1000 {
		t.Errorf("only %d of the sources are accepted", accepted)
	}
}

// pieces are the texts that mutations insert into sources.
var pieces = strings.Split("x|f|a.b|1|0x1|3.|.5|1e5|'s'|\"t\"|[[l]]|[=[|]]|nil|...|..|(|)|{|}|[|]|+|-|^|==|~=|=|,|;|:|::|.|\n|\r| |--|--[[|--c\n|"+
	"and|or|not|#|do|end|if|then|else|elseif|while|repeat|until|for|in|function|local|return|break|goto|f()|x = |\\|'|\"", "|")

// mutated returns one or two of the seeds with a few pieces inserted, removed or repeated.
func mutated(random *rand.Rand) []byte {
	src := seeds[random.IntN(len(seeds))]
	if random.IntN(2) == 0 {
		src += " " + seeds[random.IntN(len(seeds))]
	}
	for range random.IntN(4) {
		i := random.IntN(len(src) + 1)
		j := i + random.IntN(min(5, len(src)-i+1))
		switch random.IntN(3) {
		case 0:
			src = src[:i] + " " + pieces[random.IntN(len(pieces))] + " " + src[i:]
		case 1:
			src = src[:i] + pieces[random.IntN(len(pieces))] + src[j:]
		case 2:
			src = src[:j] + src[i:]
		}
	}
	return []byte(src)
}

func FuzzSyntax_Parse(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	for _, src := range shipped(f) {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) { agree(t, src) })
}
