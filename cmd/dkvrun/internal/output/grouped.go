package output

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dkvrun/builtins/report"
)

const (
	// groupOver is the largest number of managers whose rows are printed one by one.
	groupOver = 20
	// namedRows is the largest group that is printed row by row, and the number of names listed for a larger one.
	namedRows = 3
	// maxGroups bounds the groups that are printed for an action.
	maxGroups = 12
)

// group holds the rows of an action that differ only in their manager, instance and duration.
type group struct {
	rows []report.Row
}

// groups returns the groups of rows: successes before failures, then larger groups before smaller ones.
func groups(rows []report.Row) []group {
	var out []group
	at := map[[4]string]int{}
	for _, r := range rows {
		key := [4]string{r.Action, r.Result, r.Message, r.Hint}
		i, known := at[key]
		if !known {
			i = len(out)
			at[key] = i
			out = append(out, group{})
		}
		out[i].rows = append(out[i].rows, r)
	}
	slices.SortStableFunc(out, func(a, b group) int {
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

// grouped returns the rows to print: those of small groups unchanged, and one row with a count for a large group.
func grouped(rows []report.Row) []report.Row {
	var out []report.Row
	all := groups(rows)
	for i, g := range all {
		if i == maxGroups && len(all) > maxGroups+1 {
			return append(out, rest(all[i:]))
		}
		if len(g.rows) <= namedRows {
			out = append(out, g.rows...)
			continue
		}
		out = append(out, g.counted())
	}
	return out
}

// folded returns the rows of a connection with few managers: in the place of the first of several that failed for the
// same reason stands one row for all of them.
func folded(rows []report.Row) []report.Row {
	at := map[[2]string][]report.Row{}
	reason := func(r report.Row) [2]string { return [2]string{r.Message, r.Hint} }
	for _, r := range rows {
		if r.Result == report.Failed {
			at[reason(r)] = append(at[reason(r)], r)
		}
	}
	var out []report.Row
	for _, r := range rows {
		same := at[reason(r)]
		switch {
		case r.Result != report.Failed || len(same) < 2:
			out = append(out, r)
		case same[0].Index == r.Index:
			out = append(out, group{same}.counted())
		}
	}
	return out
}

// counted returns one row for the group. A success names the slowest manager, which determined the duration of the
// action; a failure names the first managers.
func (g group) counted() report.Row {
	row := g.rows[0]
	row.Manager, row.Instance = many(g.rows), ""
	if !row.Success {
		row.Message += ": " + firstNames(g.rows)
		return row
	}
	slowest := slices.MaxFunc(g.rows, func(a, b report.Row) int { return int(a.DurationMS - b.DurationMS) })
	if slowest.DurationMS > 0 {
		row.Message += fmt.Sprintf(" (slowest %s, %s)", nameOf(slowest), time.Duration(slowest.DurationMS)*time.Millisecond)
	}
	return row
}

// rest returns one row for the groups beyond maxGroups.
func rest(all []group) report.Row {
	var rows []report.Row
	for _, g := range all {
		rows = append(rows, g.rows...)
	}
	row := rows[0]
	row.Manager, row.Instance, row.Hint = many(rows), "", ""
	row.Message = fmt.Sprintf("with %d other messages; -v shows them", len(all))
	return row
}

// many returns the number of rows with the plural of their subject, for the column of managers.
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
