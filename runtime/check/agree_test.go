package check_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"dkvrun/runtime"
	"dkvrun/runtime/check"
)

// TestSource_AgreesWithARun compares the findings for random calls of builtins with the errors that a run raises. They
// are the same if all arguments are literals. If a value is hidden from the check, each finding is still an error of
// the run, but some errors are not found.
func TestSource_AgreesWithARun(t *testing.T) {
	config := config
	config.Builtins = builtinsWithoutEffect()
	refused, silent := 0, 0
	for seed := range uint64(2000) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), builtins: config.Builtins}
		g.hides = seed%2 == 1
		src := "local function id(...) return ... end\nid()\n" + g.call()
		raised := runs(t, config, src)
		var found []string
		for _, f := range check.Source(config, "agree.lua", []byte(src)) {
			if f.Code == check.Misuse {
				found = append(found, f.Message)
			}
		}
		problem := ""
		switch {
		case len(found) > 0 && raised == "":
			problem = "a false positive"
		case len(found) == 0 && raised != "" && !g.hidden:
			problem = "not found"
		case raised != "" && !g.hidden && !strings.Contains("\n"+strings.Join(found, "\n")+"\n", "\n"+raised+"\n"):
			problem = "found with another message"
		}
		if problem != "" {
			t.Errorf("seed %d: %s\n%s\nfound  %s\nraised %s", seed, problem, src, strings.Join(found, "\n       "), raised)
		}
		if raised != "" {
			refused++
			if len(found) == 0 {
				silent++
			}
		}
	}
	t.Logf("%d calls are refused in a run; of %d of these, all with hidden values, the check says nothing", refused, silent)
	if refused < 1000 || silent > refused/2 {
		t.Errorf("the calls show too little: %d refused, %d of them not found", refused, silent)
	}
}

// builtinsWithoutEffect returns all builtins with an Impl that does nothing.
func builtinsWithoutEffect() []runtime.Builtin {
	all := append([]runtime.Builtin(nil), config.Builtins...)
	for i := range all {
		all[i].Impl = func(*runtime.Call) (any, error) { return nil, nil }
	}
	return all
}

// runs returns the message of the error that a run of src raises, or "".
func runs(t *testing.T, config check.Config, src string) string {
	t.Helper()
	h := runtime.New(runtime.Options{Builtins: config.Builtins})
	defer h.Close()
	_, err := h.RunSource(context.Background(), "agree.lua", []byte(src))
	var e *runtime.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("%v\n%s", err, src)
	}
	if e == nil {
		return ""
	}
	return e.Message
}

// generator makes random calls.
type generator struct {
	*rand.Rand
	builtins []runtime.Builtin
	hides    bool // whether it may hide values
	hidden   bool // whether it did
}

func (g *generator) one(of ...string) string { return of[g.IntN(len(of))] }

// list returns random items. If values may be hidden, it sometimes ends with a call that returns nothing.
func (g *generator) list(most int, item func() string) string {
	var items []string
	for range g.IntN(most + 1) {
		items = append(items, item())
	}
	if g.hides && g.IntN(5) == 0 {
		g.hidden = true
		items = append(items, "id()")
	}
	return strings.Join(items, ", ")
}

func (g *generator) call() string {
	b := g.builtins[g.IntN(len(g.builtins))]
	value := func() string { return g.value(b, 2) }
	switch g.IntN(4) {
	case 0:
		return b.Name + "(" + g.list(4, value) + ")"
	case 1:
		return b.Name + "(" + g.one("", `"OrdersStore", `, `"OrdersStore", "orders-1", `) + g.table(b, 1) + ")"
	case 2:
		return b.Name + g.one(`"OrdersStore"`, `"orders store"`, "[[]]")
	}
	return b.Name + g.table(b, 2)
}

func (g *generator) value(b runtime.Builtin, depth int) string {
	v := g.one("nil", "true", "false", "0", "1", "3.5", "-1", "70000", `"OrdersStore"`, `"orders-1"`, `"a b"`, `""`, `"json"`,
		`"10.0.0.11"`, "function() end", "TABLE", "TABLE")
	if v == "TABLE" {
		v = "{}"
		if depth > 0 {
			v = g.table(b, depth-1)
		}
	}
	if g.hides && v != "nil" && g.IntN(3) == 0 {
		g.hidden = true
		return g.one("id("+v+")", "(id("+v+"))", "id("+v+", "+v+")", "true and "+v)
	}
	return v
}

func (g *generator) table(b runtime.Builtin, depth int) string {
	return "{" + g.list(4, func() string {
		value := g.value(b, depth)
		if len(b.Params) == 0 || g.IntN(3) == 0 {
			return value
		}
		p := b.Params[g.IntN(len(b.Params))]
		switch g.IntN(10) {
		case 0:
			return p.Name + "s = " + value
		case 1:
			return fmt.Sprintf("[%s] = %s", g.one("1", "7", "true", `"name"`), value)
		case 2:
			if g.hides {
				g.hidden = true
				return fmt.Sprintf("[id(%q)] = %s", p.Name, value)
			}
		case 3:
			if p.Alias != "" {
				return p.Alias + " = " + value
			}
		}
		return p.Name + " = " + g.fitting(p, value)
	}) + "}"
}

// fitting returns a value that the parameter accepts, in most cases.
func (g *generator) fitting(p runtime.Param, other string) string {
	if g.IntN(3) == 0 {
		return other
	}
	switch p.Type {
	case runtime.String:
		return strconv.Quote(g.one(append([]string{"OrdersStore", "orders-1"}, p.Enum...)...))
	case runtime.Integer, runtime.Number:
		return g.one("1", "2", "7900")
	case runtime.Boolean:
		return g.one("true", "false")
	case runtime.Function:
		return "function() end"
	case runtime.Strings:
		return g.one(`"10.0.0.11"`, `{"10.0.0.11", "10.0.0.12"}`)
	}
	return other
}
