package testcmd

import (
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/suite"
)

func TestSlowest_Order(t *testing.T) {
	var s slowTests
	for i, took := range []time.Duration{600, 499, 900, 700, 600, 800, 550} {
		s.note(suite.Result{
			File: "a_test.lua", Line: i + 1, Name: "takes long",
			Attempts: []suite.Attempt{{Status: suite.Passed, Duration: took * time.Millisecond}},
		})
	}
	var out strings.Builder
	s.show(&out)
	want := `
slowest:
     900ms  a_test.lua:3: takes long
     800ms  a_test.lua:6: takes long
     700ms  a_test.lua:4: takes long
     600ms  a_test.lua:1: takes long
     600ms  a_test.lua:5: takes long
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}
