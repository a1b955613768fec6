package rewrite_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"dkvrun/runtime"
)

func TestCompile_TableConstructors(t *testing.T) {
	items := make([]string, 50)
	for i := range items {
		items[i] = fmt.Sprint(i + 1)
	}
	fifty := strings.Join(items, ", ")
	for source, want := range map[string]string{
		`{"a", k = f()}`:                           "1 a x",
		`{"a", k = ...}`:                           "1 a one",
		`{"a", k = f(), "b"}`:                      "2 a x",
		`{f(), k = 1}`:                             "1 x 1",
		`{k = 1, f()}`:                             "2 x 1",
		`{k = 1, ...}`:                             "2 one 1",
		`({n = {"a", k = f()}}).n`:                 "1 a x",
		`(function() return {"a", k = f()} end)()`: "1 a x",
		`{` + fifty + `, k = f()}`:                 "50 1 x",
		`{` + fifty + `, k = "v", (f())}`:          "51 1 v",
		`{0, ` + fifty + `, k = "v", f()}`:         "53 0 v",
		`{` + fifty + `, k = "v", j = "w"}`:        "50 1 v",
	} {
		h := runtime.New(runtime.Options{})
		chunk := `local function f() return "x", "y" end
local function build(...) local t = ` + source + ` return #t .. " " .. tostring(t[1]) .. " " .. tostring(t.k) end
return build("one", "two")`
		got, err := h.RunSource(context.Background(), "test", []byte(chunk))
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s gives %v (%v), want %s", source, got, err, want)
		}
		h.Close()
	}
}

func TestCompile_RefusesListThatEndsInCall(t *testing.T) {
	h := runtime.New(runtime.Options{})
	defer h.Close()
	_, err := h.RunSource(context.Background(), "test", []byte("local t\nt = {"+strings.Repeat("1, ", 50)+"f()}"))
	if err == nil || !strings.HasPrefix(err.Error(), "test:2: a list of 50, 100") {
		t.Errorf("got %v", err)
	}
}
