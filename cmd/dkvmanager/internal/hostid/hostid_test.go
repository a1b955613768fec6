package hostid

import (
	"net"
	"os"
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

func TestHost_New(t *testing.T) {
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		listen, advertise string
		want              Host
		listens           string
		loopback          bool
	}{
		{"127.63.0.11:7801", "", Host{"127.63.0.11", "127.63.0.11", 7801}, "127.63.0.11:7801", true},
		{"127.63.0.11:7801", "db1.example", Host{"db1.example", "127.63.0.11", 7801}, "127.63.0.11:7801", true},
		{"[::1]:7801", "", Host{"::1", "::1", 7801}, "[::1]:7801", true},
		{"10.0.0.11:7801", "", Host{"10.0.0.11", "10.0.0.11", 7801}, "10.0.0.11:7801", false},
		{"localhost:7801", "", Host{"localhost", "127.0.0.1", 7801}, "127.0.0.1:7801", true},
		{":7801", "", Host{hostname, "", 7801}, ":7801", false},
		{"0.0.0.0:7801", "", Host{hostname, "", 7801}, ":7801", false},
		{"[::]:7801", "10.0.0.11", Host{"10.0.0.11", "", 7801}, ":7801", false},
	}
	for _, c := range cases {
		s, err := New(c.listen, c.advertise)
		if err != nil {
			t.Errorf("New(%q, %q): %v", c.listen, c.advertise, err)
			continue
		}
		if *s != c.want || s.Listen() != c.listens || s.Loopback() != c.loopback {
			t.Errorf("New(%q, %q) = %+v, listens on %s, loopback %v; want %+v, %s, %v",
				c.listen, c.advertise, *s, s.Listen(), s.Loopback(), c.want, c.listens, c.loopback)
		}
	}
}

func TestHost_NewRefuses(t *testing.T) {
	for _, c := range []struct{ listen, advertise, want string }{
		{"127.63.0.11", "", "want HOST:PORT"},
		{"", "", "want HOST:PORT"},
		{"::1:7801", "", "want HOST:PORT"},
		{"127.63.0.11:http", "", "is not a port"},
		{"127.63.0.11:0", "", "is not a port"},
		{"127.63.0.11:65536", "", "is not a port"},
		{"a b:7801", "", "which no host name has"},
		{"127.63.0.11:7801", "0.0.0.0", "means every address"},
		{"127.63.0.11:7801", "a/b", "which no host name has"},
	} {
		s, err := New(c.listen, c.advertise)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%q, %q) = %v, %v; want an error with %q", c.listen, c.advertise, s, err, c.want)
		}
	}
}

func TestHost_Owns(t *testing.T) {
	one := &Host{Name: "db1.example", Bind: "127.63.0.11", Port: 7801}
	six := &Host{Name: "::1", Bind: "::1", Port: 7801}
	all := &Host{Name: "db1", Port: 7802}
	cases := []struct {
		self          *Host
		host, manager string
		want          bool
	}{
		{one, "127.63.0.11", "", true},
		{one, "DB1.example", "", true},
		{one, "127.63.0.12", "", false},
		{one, "127.63.0.11", "127.63.0.11:7801", true},
		{one, "127.63.0.11", "another.name:7801", true},
		{one, "127.63.0.11", "127.63.0.11:7802", false},
		{one, "127.63.0.11", "malformed", false},
		{six, "0:0:0:0:0:0:0:1", "[::1]:7801", true},
		{six, "::2", "", false},
		{all, "127.0.0.1", "", true},
		{all, "192.0.2.1", "", false},
		{all, "db2", "", false},
		{all, "127.0.0.1", "127.0.0.1:7801", false},
	}
	for _, c := range cases {
		n := wire.Node{Host: c.host, Manager: c.manager}
		if got := c.self.Owns(n); got != c.want {
			t.Errorf("%+v owns %s (manager %q): %v, want %v", *c.self, c.host, c.manager, got, c.want)
		}
	}
}

func TestHost_ListeningOnAllOwnsEveryInterface(t *testing.T) {
	all := &Host{Name: "db1", Port: 7801}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip, _, err := net.ParseCIDR(a.String())
		if err != nil {
			t.Fatal(err)
		}
		if !all.Owns(wire.Node{Host: ip.String()}) {
			t.Errorf("does not own %s", ip)
		}
	}
}
