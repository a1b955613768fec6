package run

import "testing"

// result is a result that can be checked.
type result struct{ checked bool }

func (r *result) Checked() bool { return r.checked }

func (r *result) Unchecked() *UncheckedFailure {
	if r.checked {
		return nil
	}
	return &UncheckedFailure{What: "it failed"}
}

func TestChecklist_DropsChecked(t *testing.T) {
	var c Checklist
	for range 10000 {
		c.Add(&result{checked: true})
	}
	if n := len(c.list); n > 100 {
		t.Errorf("it holds %d results of which none needs a check", n)
	}
}

func TestChecklist_FirstInOrder(t *testing.T) {
	var c, other Checklist
	first, second := &result{}, &result{}
	c.Add(first)
	other.Add(second)
	c.Join(&other)
	if c.First() == nil || !other.Empty() {
		t.Fatal("a failure is lost")
	}
	first.checked = true
	if c.First() == nil {
		t.Error("the joined failure is lost")
	}
	second.checked = true
	if c.First() != nil || !c.Empty() {
		t.Error("a checked failure is kept")
	}
}
