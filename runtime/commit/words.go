package commit

import (
	"fmt"
	"strings"
	"time"
)

// How long the coordinator is left alone between two questions.
const (
	firstWait = 200 * time.Millisecond
	lastWait  = 2 * time.Second
)

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// lower makes the first word of a row fit into a sentence: "created".
func lower(verb string) string {
	if verb == "" {
		return verb
	}
	return strings.ToLower(verb[:1]) + verb[1:]
}

// named is who has a row like that, with the verb that fits one or several.
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
