package output

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dkvrun/builtins/report"
)

const (
	// collapseOver is how many rows a person reads one by one.
	collapseOver = 20
	// namedRows are shown each for itself, or named where there are more of a kind.
	namedRows = 3
	// mostKinds bounds the lines of an action, however its managers differ.
	mostKinds = 12
)

// kind is the rows of an action that say the same.
type kind struct {
	rows []report.Row
}

// kinds puts rows that say the same together: what went well first, then the larger first.
func kinds(rows []report.Row) []kind {
	var out []kind
	at := map[[4]string]int{}
	for _, r := range rows {
		key := [4]string{r.Action, r.Result, r.Message, r.Hint}
		i, known := at[key]
		if !known {
			i = len(out)
			at[key] = i
			out = append(out, kind{})
		}
		out[i].rows = append(out[i].rows, r)
	}
	slices.SortStableFunc(out, func(a, b kind) int {
		if a.rows[0].Success != b.rows[0].Success {
			if a.rows[0].Success {
				return -1
			}
			return 1
		}
		return len(b.rows) - len(a.rows)
	})
	return out
}

// collapsed are the rows that stand for many: a few of a kind stay as they are, and more become one
// that counts them.
func collapsed(rows []report.Row) []report.Row {
	var out []report.Row
	all := kinds(rows)
	for i, k := range all {
		if i == mostKinds && len(all) > mostKinds+1 {
			return append(out, rest(all[i:]))
		}
		if len(k.rows) <= namedRows {
			out = append(out, k.rows...)
			continue
		}
		out = append(out, k.counted())
	}
	return out
}

// counted is one row for all of a kind. What went well names the slowest, for it held up the action;
// what did not, the first.
func (k kind) counted() report.Row {
	row := k.rows[0]
	row.Manager, row.Instance = many(k.rows), ""
	if !row.Success {
		row.Message += ": " + firstNames(k.rows)
		return row
	}
	slowest := slices.MaxFunc(k.rows, func(a, b report.Row) int { return int(a.DurationMS - b.DurationMS) })
	if slowest.DurationMS > 0 {
		row.Message += fmt.Sprintf(" (slowest %s, %s)", nameOf(slowest), time.Duration(slowest.DurationMS)*time.Millisecond)
	}
	return row
}

// rest is one row for the kinds that are too many.
func rest(all []kind) report.Row {
	var rows []report.Row
	for _, k := range all {
		rows = append(rows, k.rows...)
	}
	row := rows[0]
	row.Manager, row.Instance, row.Hint = many(rows), "", ""
	row.Message = fmt.Sprintf("in %d more ways, which -v shows", len(all))
	return row
}

func many(rows []report.Row) string {
	what := "managers"
	if rows[0].Instance != "" {
		what = "instances"
	}
	return fmt.Sprintf("%d %s", len(rows), what)
}

func firstNames(rows []report.Row) string {
	names := make([]string, 0, namedRows)
	for _, r := range rows[:min(namedRows, len(rows))] {
		names = append(names, nameOf(r))
	}
	text := strings.Join(names, ", ")
	if len(rows) > namedRows {
		text += fmt.Sprintf(" and %d more", len(rows)-namedRows)
	}
	return text
}

func nameOf(r report.Row) string {
	if r.Instance != "" {
		return r.Instance + " on " + r.Manager
	}
	return r.Manager
}
