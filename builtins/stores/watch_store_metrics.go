package stores

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var WatchStoreMetrics = runtime.Builtin{
	Name: "watch_store_metrics", Group: "Queries", Positional: 1,
	Doc: "Shows the metrics of a store and refreshes them until `count` is reached or you press Ctrl-C: one column per instance or, if the terminal is too narrow, one line per instance.",
	Params: params.Join([]runtime.Param{
		params.Name, windowParam,
		{Name: "refresh_sec", Type: runtime.Number, Min: runtime.Bound(0.1), Max: runtime.Bound(3600), Default: 1.0, Doc: "seconds between two refreshes"},
		{Name: "count", Type: runtime.Integer, Min: runtime.Bound(1), Doc: "the number of refreshes; by default until Ctrl-C"},
	}, params.Query()),
	Returns: "nothing",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
watch_store_metrics{"OrdersStore", count = 1}`,
	Impl: watchStoreMetrics,
}

func watchStoreMetrics(c *runtime.Call) (any, error) {
	r := run.Of(c)
	var last *run.QueryResult
	for looks := 1; ; looks++ {
		all, silent, asked, err := measure(r, c)
		if err != nil {
			return nil, err
		}
		if len(silent) < asked {
			r.Reporter.Redraw(metricsFrame(c.String("name"), all, r.Reporter.Width()))
		}
		if last != nil {
			last.SetChecked() // the next query replaces it
		}
		if last, err = r.Answered(c, silent, asked, false); err != nil {
			return nil, err
		}
		if c.Has("count") && looks == c.Int("count") {
			return runtime.Values{}, nil
		}
		if err := run.Pause(c.Context(), time.Duration(c.Float("refresh_sec")*float64(time.Second))); err != nil {
			return nil, err
		}
	}
}

// metricsFrame draws metrics with one column per instance or, if that is wider than width, with one line per
// instance. A width of 0 means no limit.
func metricsFrame(store string, all []wire.Metric, width int) string {
	var instances []string
	var names [][2]string
	cells := map[[2]string]map[string]string{}
	for _, m := range all {
		name := [2]string{m.Category, m.Name}
		if cells[name] == nil {
			cells[name] = map[string]string{}
			names = append(names, name)
		}
		if !slices.Contains(instances, m.Instance) {
			instances = append(instances, m.Instance)
		}
		cells[name][m.Instance] = metricCell(m)
	}
	if len(instances) == 0 {
		return store + ": no instance is running"
	}
	head := []string{"Category", "Metric"}
	rows := [][]string{append(head, instances...)}
	for _, name := range names {
		row := []string{name[0], name[1]}
		for _, instance := range instances {
			row = append(row, orDash(cells[name][instance]))
		}
		rows = append(rows, row)
	}
	frame := text.Columns(rows)
	if width == 0 || lineWidth(frame) <= width {
		return frame
	}
	head = []string{"Instance"}
	for _, name := range names {
		head = append(head, name[0]+"/"+name[1])
	}
	rows = [][]string{head}
	for _, instance := range instances {
		row := []string{instance}
		for _, name := range names {
			row = append(row, orDash(cells[name][instance]))
		}
		rows = append(rows, row)
	}
	return text.Columns(rows)
}

// metricCell returns a rate and a total: 2,341/s (134,223), or - (134,223) without a rate.
func metricCell(m wire.Metric) string {
	if m.Rate == nil {
		return "- (" + text.Grouped(m.Total) + ")"
	}
	return fmt.Sprintf("%s/s (%s)", text.Grouped(*m.Rate), text.Grouped(m.Total))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func lineWidth(s string) int {
	widest, here := 0, 0
	for len(s) > 0 {
		c, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		if here++; c == '\n' {
			here = 0
		}
		widest = max(widest, here)
	}
	return widest
}
