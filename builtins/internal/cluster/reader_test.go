package cluster_test

import (
	"fmt"
	"testing"

	"dkvrun/builtins/internal/cluster"
)

func TestReader_MetricsOfTheRequest(t *testing.T) {
	read := cluster.MetricsReader("OrdersStore", 5)
	for _, test := range []struct {
		window int
		store  string
		taken  bool
	}{{5, "OrdersStore", true}, {60, "OrdersStore", false}, {5, "CartStore", false}} {
		body := fmt.Sprintf(`{"windowSec":%d,"metrics":[{"store":%q,"instance":"a","category":"Requests","metric":"Put","total":1}]}`,
			test.window, test.store)
		if m, err := read([]byte(body)); (err == nil) != test.taken || (m != nil) != test.taken {
			t.Errorf("%s: %v, error %v", body, m, err)
		}
	}
}
