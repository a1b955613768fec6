package testcmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dkvrun/runtime/suite"
)

// slow is from when on a test is named among the slowest, and mostSlow how many of them are.
const (
	slow     = 500 * time.Millisecond
	mostSlow = 5
)

// slowTests are the slowest tests of a run, the slowest first. They hold no more of a result than is
// shown: what tests print can be much.
type slowTests []slowTest

type slowTest struct {
	title string
	took  time.Duration
}

func (s *slowTests) note(r suite.Result) {
	if r.Duration() < slow {
		return
	}
	*s = append(*s, slowTest{title(r), r.Duration()})
	slices.SortStableFunc(*s, func(a, b slowTest) int { return int(b.took - a.took) })
	*s = (*s)[:min(len(*s), mostSlow)]
}

func (s slowTests) show(out *strings.Builder) {
	for i, t := range s {
		if i == 0 {
			out.WriteString("\nslowest:\n")
		}
		fmt.Fprintf(out, "  %8s  %s\n", short(t.took), t.title)
	}
}
