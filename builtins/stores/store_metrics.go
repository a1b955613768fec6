package stores

import (
	"fmt"
	"net/url"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var windowParam = runtime.Param{
	Name: "window_sec", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(60), Default: 5, Doc: "the period, in seconds, over which rates are averaged",
}

var StoreMetrics = runtime.Builtin{
	Name: "store_metrics", Group: "Queries", Positional: 1,
	Doc:        "Returns the metrics of a store, with rates and totals: requests, items, bytes, watches, leases, and which instance leads.",
	Params:     params.Join([]runtime.Param{params.Name, windowParam}, params.Query()),
	Returns:    "a list with one row per category, metric and instance: `{category, metric, instance, rate, total}`; `rows.store[\"Requests/Put\"]` is the sum over the store (for items and bytes the largest value of a data instance, because each of them holds all data)",
	ReturnType: "metrics of metric",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
for _, m in ipairs(store_metrics("OrdersStore")) do print(m.category, m.metric, m.instance, m.total) end`,
	Impl: storeMetrics,
}

var MetricType = &runtime.RecordType{Name: "metric", Doc: "One metric of one instance, or of the store.", Fields: []runtime.Field{
	{Name: "category", Doc: "`Requests`, `Storage`, `Watch`, `Lease` or `Cluster`"},
	{Name: "metric", Doc: "`Get`, `Put`, `Remove`, `ItemsCount`, `Bytes`, `Active`, `IsLeader`"},
	{Name: "instance", Doc: "the instance; nil for the store as a whole"},
	{Name: "rate", Doc: "per second, averaged over the window; nil if the metric has no rate"},
	{Name: "total", Doc: "the count since the instance started, or the current value"},
}}

var MetricsType = &runtime.RecordType{Name: "metrics", Doc: "The metrics of a store.", Fields: append([]runtime.Field{
	{Name: "store", Doc: "the metrics of the store as a whole, by `\"Category/Metric\"`; one that it lacks is an error"},
}, run.AnswerFields...), Methods: []runtime.Builtin{run.CheckMethod("the metrics", "metrics")}}

// measure queries all managers for the metrics of a store.
func measure(r *run.Run, c *runtime.Call) (all []wire.Metric, silent []report.Row, asked int, err error) {
	query := url.Values{"windowSec": {fmt.Sprint(c.Int("window_sec"))}, "store": {c.String("name")}}
	responses, err := r.Query(c, wire.MetricsPath()+"?"+query.Encode(), cluster.MetricsReader(c.String("name"), c.Int("window_sec")))
	if err != nil {
		return nil, nil, 0, err
	}
	unknown := 0
	seen := metricSet{owner: map[string]int{}, names: map[[2]string]bool{}}
	for i := range responses {
		h := &responses[i]
		m, read := h.Value.(*wire.Metrics)
		switch {
		case !h.Answered():
			silent = append(silent, h.Row)
		case !read:
			unknown++
		case seen.take(i, m.Metrics):
			all = append(all, m.Metrics...)
		default:
			silent = append(silent, h.Unreadable())
		}
	}
	if unknown > 0 && unknown+len(silent) == len(responses) {
		return nil, nil, 0, r.UnknownStore(c, c.String("name"), silent, len(responses))
	}
	return all, silent, len(responses), nil
}

// maxMetricsPerInstance limits the metrics of an instance; real instances have fewer.
const maxMetricsPerInstance = 64

// metricSet holds the metrics that the managers reported, within the limits of one store: a view of them has a cell for
// every instance and metric.
type metricSet struct {
	owner map[string]int // by instance: the number of the manager that reported it
	names map[[2]string]bool
}

// take adds the metrics of the manager with a number. It reports false if there are more than a store can have, or if
// another manager has reported one of the instances: a sum would count its metrics twice.
func (s *metricSet) take(manager int, metrics []wire.Metric) bool {
	for _, m := range metrics {
		if owner, reported := s.owner[m.Instance]; reported && owner != manager {
			return false
		}
	}
	for _, m := range metrics {
		s.owner[m.Instance] = manager
		s.names[[2]string{m.Category, m.Name}] = true
		if len(s.owner) > wire.MaxInstances || len(s.names) > maxMetricsPerInstance {
			delete(s.owner, m.Instance)
			delete(s.names, [2]string{m.Category, m.Name})
			return false
		}
	}
	return true
}

func storeMetrics(c *runtime.Call) (any, error) {
	r := run.Of(c)
	all, silent, asked, err := measure(r, c)
	if err != nil {
		return nil, err
	}
	var items []any
	for _, m := range all {
		items = append(items, metricRecord(m))
	}
	store := map[string]any{}
	for _, m := range summed(all) {
		store[m.Category+"/"+m.Name] = metricRecord(m)
	}
	list, err := r.Rows(c, items, silent, asked)
	if err != nil {
		return nil, err
	}
	list.Type, list.Values["store"] = MetricsType, runtime.Dict{Name: "store metrics", Values: store}
	return list, nil
}

func metricRecord(m wire.Metric) runtime.Record {
	values := map[string]any{"category": m.Category, "metric": m.Name, "instance": text.OrNil(m.Instance), "total": m.Total}
	if m.Rate != nil {
		values["rate"] = *m.Rate
	}
	return runtime.Record{Type: MetricType, Values: values}
}

// summed returns the metrics of the store as a whole: the sum over its instances or, for data that each data instance
// holds in full, the largest value.
func summed(all []wire.Metric) []wire.Metric {
	var out []wire.Metric
	at := map[[2]string]int{}
	for _, m := range all {
		key := [2]string{m.Category, m.Name}
		i, seen := at[key]
		if !seen {
			at[key] = len(out)
			m.Instance = ""
			if m.Rate != nil {
				rate := *m.Rate
				m.Rate = &rate
			}
			out = append(out, m)
			continue
		}
		sum := &out[i]
		if m.Category == "Storage" || m.Category == "Lease" {
			sum.Total = max(sum.Total, m.Total)
			continue
		}
		sum.Total += m.Total
		if sum.Rate != nil && m.Rate != nil {
			*sum.Rate += *m.Rate
		}
	}
	return out
}
