package wire

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// requests lists the bodies of all requests.
var requests = []any{
	CreateStore{}, ChangeInstances{}, Operation{}, AbortRequest{}, FenceRequest{}, DecideRequest{}, ChangeMember{},
}

func TestBounds_EveryFieldOfARequestHasOne(t *testing.T) {
	for _, body := range requests {
		checkBounds(t, reflect.TypeOf(body), reflect.TypeOf(body).Name())
	}
}

func checkBounds(t *testing.T, of reflect.Type, path string) {
	for i := range of.NumField() {
		f := of.Field(i)
		field := path + "." + f.Name
		bound := func(tag string, most int) {
			if n, err := strconv.Atoi(f.Tag.Get(tag)); err != nil || n < 1 || n > most {
				t.Errorf("%s: the tag %s is %q, want 1 to %d", field, tag, f.Tag.Get(tag), most)
			}
		}
		switch f.Type.Kind() {
		case reflect.String:
			bound("max", MaxText)
		case reflect.Slice:
			bound("max", maxManagers)
			switch element := f.Type.Elem(); element.Kind() {
			case reflect.String:
				bound("each", MaxText)
			case reflect.Struct:
				checkBounds(t, element, field)
			default:
				t.Errorf("%s: a list of %s has no bound", field, element)
			}
		case reflect.Bool, reflect.Int, reflect.Uint64:
		default:
			t.Errorf("%s: a %s has no bound", field, f.Type)
		}
	}
}

func TestBounds_URLs(t *testing.T) {
	for _, good := range []string{"http://10.0.0.11:7801", "https://db1.example:7801", "http://[::1]:7801", "http://[fe80::1%25eth0]:7801", "http://x",
		"http://" + strings.Repeat("a", 253) + ":65535"} {
		if err := CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "x", "ftp://x", "http://", "http://x/", "http://x:1/any/path?x=", "http://x:1?x=", "http://x:1?", "http://x:1#f", "http://u@x:1", "http://u:p@x:1",
		"http://x:0", "http://x:65536", "http://x:", "http://0.0.0.0:1/", "http:x", "//x:1", "HTTP://x:1", "http://a b:1", "http://x:1\r\nHost: y", "http://\x1b[2J:1",
		"http://" + strings.Repeat("a", 300) + ":1", "http://[::1:7801", "http://x_y/..", "http://x%2f:1",
	} {
		if CheckURL(bad) == nil {
			t.Errorf("%q is taken for the URL of a manager", bad)
		}
	}
}

func TestBounds_Identities(t *testing.T) {
	for identity, good := range map[string]bool{
		"0198f0a0-0000-7000-8000-000000000000": true, "m1": true, "fake-127.0.0.1:7801": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "a\n": false, "\x1b[2J": false, "é": false,
	} {
		if err := CheckIdentity(identity); (err == nil) != good {
			t.Errorf("%q: %v", identity, err)
		}
	}
}
