package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// compare prints the figures of an earlier run beside those of this run. A difference is significant if neither median
// is within the range of the other run; ~ marks the other differences.
func (r *report) compare(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var old document
	if err := json.Unmarshal(b, &old); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	before := map[string]figure{}
	for _, f := range old.Figures {
		before[f.Name] = f
	}
	fmt.Fprintf(r.w, "\n%-*s %10s %10s\n", nameWidth, "compared with "+path, "then", "now")
	for _, now := range r.figures {
		then, known := before[now.Name]
		if !known {
			continue
		}
		change := "~"
		if then.Median != 0 && !then.within(now.Median) && !now.within(then.Median) {
			change = fmt.Sprintf("%+.1f %%", (now.Median/then.Median-1)*100)
		}
		fmt.Fprintf(r.w, "%-*s %10.2f %10.2f %-4s %s\n", nameWidth, now.Name, then.Median, now.Median, now.Unit, change)
	}
	return nil
}

func (f figure) within(x float64) bool { return f.Min <= x && x <= f.Max }
