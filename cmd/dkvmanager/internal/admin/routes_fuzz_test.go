package admin

import (
	"maps"
	"net/url"
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

// FuzzAdmin_Match checks that the names of a matched path, escaped again, lead to the same route with the same names,
// and that no escape adds or removes a segment.
func FuzzAdmin_Match(f *testing.F) {
	for _, path := range []string{
		"/stores", "/stores/S", "/stores/%2e%2e", "/stores/..%2f..", "/stores//instances", "/stores/S/instances/a%2Fb/start", "/stores/%00/state",
		"/stores/S/", "/stores/%", "/stores/%zz", "/operations/x/commit", "/info", "//info", "/./info", "/stores/S/instances/%2e/log", "",
	} {
		f.Add("GET", wire.Prefix+path)
		f.Add("POST", wire.Prefix+path)
	}
	f.Add("GET", "/admin%2fv1/info")
	f.Fuzz(func(t *testing.T, method, path string) {
		r, names, methods := match(method, path)
		if r == nil {
			return
		}
		if len(methods) == 0 || r.method != method || strings.Count(path, "/") != strings.Count(wire.Prefix+r.path, "/") {
			t.Fatalf("%s %q is %s %s, with methods %v", method, path, r.method, r.path, methods)
		}
		again := wire.Prefix + r.path
		for field, name := range names {
			if name == "" {
				t.Fatalf("%q has no %s", path, field)
			}
			again = strings.Replace(again, "{"+field+"}", url.PathEscape(name), 1)
		}
		if other, same, _ := match(method, again); other != r || !maps.Equal(same, names) {
			t.Errorf("%q with %v is %q, which is %+v with %v", path, names, again, other, same)
		}
	})
}
