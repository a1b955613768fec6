package pattern

import (
	"context"
	"strings"
	"testing"
)

func TestPattern_CostlyPatternsEnd(t *testing.T) {
	for _, c := range []struct{ text, pattern string }{
		{strings.Repeat("x", 30000) + "y", ".-.-b"},
		{strings.Repeat("x", 300), ".-.-.-.-b"},
		{strings.Repeat("a", 100), strings.Repeat("a*", 30) + "b"},
		{strings.Repeat("(", 30000), "%b()"},
		{strings.Repeat("a", 500_000), strings.Repeat("(a", 1) + "-)b"},
		{strings.Repeat("a", 500_000), strings.Repeat("a?", 250_000)},
	} {
		for _, stop := range []struct {
			ctx  context.Context
			want error
		}{{context.Background(), errCost}, {cancelled(), errCancelled}} {
			m := Matcher{src: c.text, pat: c.pattern, stop: stop.ctx, steps: maxMatchSteps - 3_000_000}
			func() {
				defer func() {
					if p := recover(); p != (problem{stop.want}) && p != (problem{errCost}) {
						t.Errorf("%.20q: ended with %v, want %v", c.pattern, p, stop.want)
					}
				}()
				m.find(0)
			}()
		}
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func FuzzMatcher_Find(f *testing.F) {
	f.Add("hello", "^(h)(.-)%1?[^a-c%d]+%f[%w]()$")
	f.Add("f(a(b))", "%b()")
	f.Fuzz(func(t *testing.T, text, pattern string) {
		m := Matcher{src: text, pat: pattern, stop: context.Background(), steps: maxMatchSteps - 100_000}
		defer func() {
			if p := recover(); p != nil {
				if _, ok := p.(problem); !ok {
					panic(p)
				}
			}
		}()
		if from, to := m.find(0); from >= 0 && (to < from || to > len(text)) {
			t.Errorf("%q in %q: %d to %d", pattern, text, from, to)
		}
	})
}
