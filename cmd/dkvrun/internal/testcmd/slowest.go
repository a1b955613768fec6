package testcmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dkvrun/runtime/suite"
)

// slow is the least duration of a test that is listed among the slowest, and mostSlow the length of that list.
const (
	slow     = 500 * time.Millisecond
	mostSlow = 5
)

// slowTests holds the slowest tests of a run, the slowest first. It keeps only the shown fields of a result, since the
// output of a test can be large.
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
