package rewrite_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"dkvrun/runtime"
	"dkvrun/runtime/rewrite"
)

// repeated returns n copies of piece, in which %d is replaced with the number of the copy, from 0.
func repeated(n int, piece string) string {
	var out strings.Builder
	for i := range n {
		out.WriteString(strings.ReplaceAll(piece, "%d", fmt.Sprint(i)))
	}
	return out.String()
}

func TestCompile_RefusesTooLarge(t *testing.T) {
	for source, want := range map[string]string{
		repeated(30_000, "g%d=1\n"):                                   rewrite.TooManyLookups,
		"t={" + repeated(30_000, "k%d=1,") + "}":                      rewrite.TooManyLookups,
		"t={" + repeated(25_551, "1,") + "}":                          fmt.Sprintf(rewrite.TooManyItems, 25_550),
		"for i=1,3 do " + repeated(70_000, "x=1 ") + "end":            fmt.Sprintf(rewrite.TooLong, rewrite.MaxInstructions),
		"if x then " + repeated(70_000, "x=1 ") + "end":               fmt.Sprintf(rewrite.TooLong, rewrite.MaxInstructions),
		repeated(201, "local l%d "):                                   fmt.Sprintf(rewrite.TooManyLocals, rewrite.MaxLocals),
		"local x" + repeated(200, ", x") + " = 1":                     fmt.Sprintf(rewrite.TooManyLocals, rewrite.MaxLocals),
		"if a then" + repeated(20_000, " elseif a then x()") + " end": rewrite.TooManyBlocks,
		deepLocals(): rewrite.TooManyBlocks,
		repeated(100, "x=1"+repeated(2000, "+1")+" "):    rewrite.TooManyOperators,
		repeated(501, "::l%d::"):                         fmt.Sprintf(rewrite.TooManyLabels, rewrite.MaxLabels),
		repeated(501, "goto l ") + "::l::":               fmt.Sprintf(rewrite.TooManyLabels, rewrite.MaxLabels),
		"f(" + repeated(300, "%d,") + "0)":               rewrite.TooManyValues,
		"function f(" + repeated(300, "p%d,") + "p) end": rewrite.TooManyValues,
	} {
		h := runtime.New(runtime.Options{})
		_, err := h.RunSource(context.Background(), "test", []byte("\n"+source))
		if err == nil || !strings.HasSuffix(err.Error(), ": "+want) || !strings.HasPrefix(err.Error(), "test:") {
			t.Errorf("%.20s… gives %v, want %s", source, err, want)
		}
		h.Close()
	}
}

// deepLocals returns a source with many names in functions with many locals in each other.
func deepLocals() string {
	return repeated(100, "local function f() "+repeated(180, "local l%d;")) + repeated(30_000, "g=1 ") + repeated(100, " end")
}

// Assignments need registers beside those of the locals.
func TestCompile_AssignmentsBesideManyLocals(t *testing.T) {
	for source, want := range map[string]string{
		repeated(194, "local v%d=%d\n") + "a,b,c,d,e,f,g = v6,v5,v4,v3,v2,v1,v0 return a..b..c..d..g":     "[65430]",
		repeated(190, "local v%d=%d\n") + "local t = {} t.a,t.b,t.c,t.d,t.e = 1,2,3,v9,v8 return t.a,t.e": "[1 8]",
	} {
		h := runtime.New(runtime.Options{})
		got, err := h.RunSource(context.Background(), "test", []byte(source))
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%.20s… gives %v (%v), want %s", source, got, err, want)
		}
		h.Close()
	}
	h := runtime.New(runtime.Options{})
	defer h.Close()
	for source, want := range map[string]string{
		repeated(199, "local v%d\n") + "v0 = f(v1, v2, v3)":                                 "test:200: " + rewrite.TooManyValues,
		"\nfunction f()\n" + repeated(198, "local v%d\n") + "return f(v1, v2, v3, v4)\nend": "test:201: " + rewrite.TooManyValues,
	} {
		if _, err := h.RunSource(context.Background(), "test", []byte(source)); err == nil || err.Error() != want {
			t.Errorf("%.20s… gives %v, want %s", source, err, want)
		}
	}
}

func TestCompile_LargeSources(t *testing.T) {
	for source, want := range map[string]string{
		"local t={0," + repeated(25_548, "1,") + "2} return #t, t[1], t[25550]":                                  "[25550 0 2]",
		"n=0 for i=1,3 do n=n+1 " + repeated(60_000, "x=1 ") + "end return n":                                    "[3]",
		repeated(40, "function f%d() "+repeated(200, "a%d=1 ")+" end ") + "f39() return a0, a199":                "[1 1]",
		"local t = {} if t.a then n = 0" + repeated(3000, " elseif t.a then n = 0") + " else n = 3 end return n": "[3]",
		"do " + repeated(198, "local l%d=%d ") + " return l0, l197 end":                                          "[0 197]",
		"return 1" + repeated(2000, "+1"):                                                                        "[2001]",
		"n=0 " + repeated(250, "goto l%d do n=n+1 end ::l%d:: ") + "return n":                                    "[0]",
		repeated(180, "local l%d=%d ") + "return l0, l179":                                                       "[0 179]",
	} {
		h := runtime.New(runtime.Options{})
		got, err := h.RunSource(context.Background(), "test", []byte(source))
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%.20s… gives %v (%v), want %s", source, got, err, want)
		}
		h.Close()
	}
}
