package commit

import (
	"fmt"
	"strings"
	"time"
)

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// lower returns a verb with a small first letter, as it stands within a sentence: "created".
func lower(verb string) string {
	if verb == "" {
		return verb
	}
	return strings.ToLower(verb[:1]) + verb[1:]
}

// named returns the names of the managers with a result, at most three, followed by the verb for one or for several.
func (r *Driver) named(result Result, one, many string) string {
	var names []string
	for i, row := range r.rows {
		if row.Result == result {
			names = append(names, r.Names[i])
		}
	}
	switch {
	case len(names) == 1:
		return names[0] + " " + one
	case len(names) > 3:
		return fmt.Sprintf("%d of them %s", len(names), many)
	}
	return strings.Join(names, " and ") + " " + many
}
