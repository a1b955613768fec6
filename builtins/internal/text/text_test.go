package text

import "testing"

func TestGrouped_Numbers(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 134223: "134,223", 2340122: "2,340,122", -1234: "-1,234"} {
		if got := Grouped(x); got != want {
			t.Errorf("%v: %s", x, got)
		}
	}
}

func TestDidYouMean_OtherNumberIsNotMeant(t *testing.T) {
	names := []string{"OrdersStore", "orders-1", "orders-2"}
	for name, want := range map[string]string{
		"OrderStore": "did you mean OrdersStore?", "order-2": "did you mean orders-2?", "orders-4": "", "Sessions": "", "OrdersStore2": "",
	} {
		if got := DidYouMean(name, names); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
