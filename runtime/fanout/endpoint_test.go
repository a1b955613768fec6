package fanout

import (
	"cmp"
	"strings"
	"testing"
)

func TestParseEndpoints_Accepted(t *testing.T) {
	for _, test := range []struct {
		list []string
		want string
	}{
		{[]string{"10.0.0.11"}, "http://10.0.0.11:7801"},
		{[]string{"10.0.0.11:7802"}, "http://10.0.0.11:7802"},
		{[]string{"db-1.example.com"}, "http://db-1.example.com:7801"},
		{[]string{"DB1:1", "db1:65535"}, "http://DB1:1 http://db1:65535"},
		{[]string{"::1"}, "http://[::1]:7801"},
		{[]string{"[::1]"}, "http://[::1]:7801"},
		{[]string{"[::1]:7802"}, "http://[::1]:7802"},
		{[]string{"0:0:0:0:0:0:0:1"}, "http://[::1]:7801"},
		{[]string{"::ffff:10.0.0.11"}, "http://10.0.0.11:7801"},
		{[]string{"http://10.0.0.11:7801"}, "http://10.0.0.11:7801"},
		{[]string{"HTTPS://db1"}, "https://db1:7801"},
		{[]string{"https://[fe80::1]:443"}, "https://[fe80::1]:443"},
		{[]string{" a , b:7802,c ", "d"}, "http://a:7801 http://b:7802 http://c:7801 http://d:7801"},
		{[]string{"a", "a:7802"}, "http://a:7801 http://a:7802"},
		{[]string{"3com", "x.3com"}, "http://3com:7801 http://x.3com:7801"},
	} {
		got, err := ParseEndpoints(test.list, 7801)
		if err != nil {
			t.Errorf("%q: %v", test.list, err)
			continue
		}
		urls := make([]string, len(got))
		for i, e := range got {
			urls[i] = e.URL()
		}
		if s := strings.Join(urls, " "); s != test.want {
			t.Errorf("%q: got %s, want %s", test.list, s, test.want)
		}
	}
}

func TestParseEndpoints_Refused(t *testing.T) {
	for _, test := range []struct{ list, want string }{
		{"", "an element is empty"},
		{" ", "an element is empty"},
		{"a,,b", "has an empty element"},
		{"a,", "has an empty element"},
		{"0.0.0.0", "the unspecified address"},
		{"0.0.0.0:7801", "the unspecified address"},
		{"::", "the unspecified address"},
		{"::0", "the unspecified address"},
		{"[::]:7801", "the unspecified address"},
		{"0:0:0:0:0:0:0:0", "the unspecified address"},
		{"::ffff:0.0.0.0", "the unspecified address"},
		{"0", "not an IPv4 address"},
		{"0x0", "not an IPv4 address"},
		{"000.000.000.000", "not an IPv4 address"},
		{"10.0.0.256", "not an IPv4 address"},
		{"10.0.0", "not an IPv4 address"},
		{"a:0", "has port 0: ports go from 1 to 65535"},
		{"a:65536", "has port 65536"},
		{"a:99999999999999999999", "ports go from 1 to 65535"},
		{"a:-1", `has the port "-1"`},
		{"a:+1", `has the port "+1"`},
		{"a:http", `has the port "http"`},
		{"a:", "ends with a colon"},
		{":7801", "has no host"},
		{"http://", "has no host"},
		{"http://a/stores", `has "/stores" after its address`},
		{"a/", `has "/" after its address`},
		{"http://a?x=1", "without a path"},
		{"a#b", "without a path"},
		{"ftp://a", `has the scheme "ftp"`},
		{"[::1", "'[' without its ']'"},
		{"[::1]7801", "only :port may follow it"},
		{"[10.0.0.11]:7801", "only for IPv6 addresses"},
		{"[a]", "not an IPv6 address"},
		{"1:2:3", "not an IPv6 address"},
		{"fe80::1%eth0", "has the zone \"eth0\""},
		{"a b", "which no host name has"},
		{"a\x1b[31m", "which no host name has"},
		{"a..b", "not a host name"},
		{"-m", "not a host name"},
		{"10.0.0.11,10.0.0.11:7801", `"10.0.0.11" and "10.0.0.11:7801" are the same server`},
		{"Db1,http://dB1:7801", "are the same server"},
		{"http://a,https://a", "are the same server"},
		{"::1,[0::1]", "are the same server"},
	} {
		got, err := ParseEndpoints([]string{test.list}, 7801)
		if err == nil {
			t.Errorf("%q: got %v, want an error with %q", test.list, got, test.want)
		} else if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %q, want %q in it", test.list, err, test.want)
		}
	}
	if _, err := ParseEndpoints(nil, 7801); err == nil || !strings.Contains(err.Error(), "list is empty") {
		t.Errorf("no list: %v", err)
	}
	if _, err := ParseEndpoints([]string{"a"}, 70000); err == nil || !strings.Contains(err.Error(), "port 70000") {
		t.Errorf("bad default port: %v", err)
	}
}

func TestParseEndpoints_HidesPasswords(t *testing.T) {
	for _, text := range []string{"http://joe:secret@a:7801", "joe:secret@a", "ftp://joe:secret@a", "http://joe:sec@secret@a/x"} {
		_, err := ParseEndpoints([]string{text}, 7801)
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "***@a") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzFanout_ParseEndpoints(f *testing.F) {
	for _, s := range []string{"a:1,b", "[::1]:7801", "http://a", "::", "@", "[", "a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParseEndpoints([]string{s}, 7801)
		if err != nil {
			return
		}
		urls := make([]string, len(list))
		for i, e := range list {
			urls[i] = e.URL()
		}
		again, err := ParseEndpoints(urls, 1)
		if err != nil || len(again) != len(list) {
			t.Fatalf("%q became %q, which is refused: %v", s, urls, err)
		}
		for i := range list {
			list[i].Scheme = cmp.Or(list[i].Scheme, "http")
			if again[i] != list[i] {
				t.Fatalf("%q: %v became %v", s, list[i], again[i])
			}
		}
	})
}
