package rewrite

import (
	"errors"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func TestCompile_ReportsProblem(t *testing.T) {
	for message, want := range map[string]Refusal{
		"no visible label 'x' for <goto> at line 12":           {12, "no visible label 'x' for goto"},
		"<goto x> at line 3 jumps into the scope of local 'v'": {3, "goto x jumps into the scope of local 'v'"},
		"label 'x' already defined on line 2":                  {8, "label 'x' already defined on line 2"},
		"too many local variables":                             {9, tooManyValues},
		"register overflow(too many local variables)":          {9, tooManyValues},
	} {
		err := compileProblem(&lua.CompileError{Line: 9, Message: message}, nil)
		var got *Refusal
		if !errors.As(err, &got) || *got != want {
			t.Errorf("%q gives %+v, want %+v", message, err, want)
		}
	}
}
