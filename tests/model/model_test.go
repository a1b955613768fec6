package model

import "testing"

func TestModel_ProtocolHolds(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := explore(system{scenario: s})
			t.Logf("%d states, %d transitions", r.states, r.transitions)
			if r.broken != "" {
				t.Fatalf("%s, after\n%q", r.broken, r.trace)
			}
			if r.seen != s.reaches {
				t.Errorf("reached %+v, want %+v", r.seen, s.reaches)
			}
		})
	}
}
