package stores

import (
	"testing"

	"dkvrun/runtime/wire"
)

func TestStoreMetrics_InstanceOfTwoManagers(t *testing.T) {
	seen := metricSet{owner: map[string]int{}, names: map[[2]string]bool{}}
	of := func(instances ...string) (all []wire.Metric) {
		for _, instance := range instances {
			for _, name := range []string{"Put", "Get"} {
				all = append(all, wire.Metric{Instance: instance, Category: "Requests", Name: name})
			}
		}
		return all
	}
	if !seen.take(0, of("a", "b")) || seen.take(1, of("c", "b")) || !seen.take(2, of("c")) {
		t.Errorf("an instance counts for two managers, or metrics that were refused count: %v", seen.owner)
	}
}

func TestStoreMetrics_SumsAndPicture(t *testing.T) {
	rate := func(x float64) *float64 { return &x }
	all := []wire.Metric{
		{Instance: "a", Category: "Requests", Name: "Put", Rate: rate(10), Total: 100},
		{Instance: "b", Category: "Requests", Name: "Put", Rate: rate(5), Total: 50},
		{Instance: "a", Category: "Storage", Name: "ItemsCount", Total: 70},
		{Instance: "b", Category: "Storage", Name: "ItemsCount", Total: 71},
	}
	sums := summed(all)
	if len(sums) != 2 || *sums[0].Rate != 15 || sums[0].Total != 150 || sums[1].Total != 71 || *all[0].Rate != 10 {
		t.Errorf("%+v", sums)
	}
	all[0].Rate, all[0].Total = rate(2341.4), 134223
	wide := "Category  Metric      a                  b\n" +
		"Requests  Put         2,341/s (134,223)  5/s (50)\n" +
		"Storage   ItemsCount  - (70)             - (71)"
	if got := metricsFrame("S", all, 0); got != wide {
		t.Errorf("got\n%s", got)
	}
	narrow := "Instance  Requests/Put       Storage/ItemsCount\n" +
		"a         2,341/s (134,223)  - (70)\n" +
		"b         5/s (50)           - (71)"
	if got := metricsFrame("S", all, 47); got != narrow {
		t.Errorf("got\n%s", got)
	}
}
