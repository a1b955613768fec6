package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/security/securitytest"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// answer reads what a manager answers to bytes that are sent over a plain connection.
func answer(t *testing.T, at, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, text) // it may be answered before it is sent
	got, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("%.40q: after %q: %v", text, got, err)
	}
	return string(got)
}

// A client that does not speak TLS is told so, whatever it sends.
func TestSecure_PlainClientsAreToldSo(t *testing.T) {
	b := newHarness(t)
	s := secure(t, b, securitytest.New(t, "prod"), "127.48.4.1:0")
	body := strings.Repeat("x", 32<<10)
	for _, text := range []string{
		"GET " + wire.HealthPath() + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST " + wire.StoresPath() + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 32768\r\n\r\n" + body,
		"POST " + wire.StoresPath() + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n",
		"\x00",
	} {
		head, got, _ := strings.Cut(answer(t, s.at, text), "\r\n\r\n")
		var refused wire.Result
		if err := json.Unmarshal([]byte(got), &refused); err != nil || !strings.HasPrefix(head, "HTTP/1.1 400 ") ||
			refused.Code != wire.CodeTLSRequired || !strings.Contains(refused.Error(), "of cluster prod") ||
			refused.Manager != b.catalog.Identity() || !strings.Contains(head, wire.ManagerHeader+": "+b.catalog.Identity()) {
			t.Errorf("%.40q: got %q %q: %v", text, head, got, err)
		}
	}
}

// endless sends what looks like records of a handshake.
type endless struct{ net.Conn }

func (endless) Read(b []byte) (int, error) {
	b[0] = tlsHandshake
	return len(b), nil
}

// A client can't send more than a handshake and a request before its first request is read, and any amount afterwards.
func TestSecure_LongHandshakes(t *testing.T) {
	h := &handshake{slot: &slot{Conn: endless{}}}
	read := func() error {
		_, err := io.CopyN(io.Discard, h, maxHandshake)
		return err
	}
	if err := read(); err != nil {
		t.Errorf("the first %d bytes: %v", maxHandshake, err)
	}
	if err := read(); err == nil {
		t.Error("more was taken")
	}
	h.done.Store(true)
	if err := read(); err != nil {
		t.Errorf("after the first request: %v", err)
	}
}

// A connection on which nothing is said after the hello ends, as one without a hello.
func TestSecure_SlowHandshakes(t *testing.T) {
	b := newHarness(t)
	b.api.limits.headerTime = 50 * time.Millisecond
	s := secure(t, b, securitytest.New(t, "prod"), "127.48.4.3:0")
	for _, text := range []string{"", "\x16", "\x16\x03\x01\x40\x00"} {
		answer(t, s.at, text)
	}
}

// A revocation and a grant count for the next request of a connection that is open.
func TestSecure_RolesOfOpenConnections(t *testing.T) {
	cluster := securitytest.New(t, "prod")
	ann := cluster.User("ann", identity.Viewer)
	short := cluster.User("short", identity.Viewer)
	s := secure(t, newHarness(t), cluster, "127.48.4.4:0")
	learn := func() {
		t.Helper()
		if err := cluster.Tell(s.api.Member); err != nil {
			t.Fatal(err)
		}
	}
	c, other := client(t, ann), client(t, short)
	says := func(c *http.Client, method, path, want string) {
		t.Helper()
		if status, text := s.call(c, "", method, path, nil); !strings.HasPrefix(fmt.Sprintf("%d %s", status, text), want) {
			t.Errorf("%s %s: got %d %s, want %s", method, path, status, text, want)
		}
	}
	start := wire.InstancePath("OrdersStore", "orders-1") + "/start"
	says(c, "GET", wire.StoresPath(), "200 []")
	says(other, "GET", wire.StoresPath(), "200 []")
	says(c, "POST", start, `403 {"operation":"StartInstance:orders-1","success":false,"statusCode":403,"code":"not_allowed",`+
		`"message":"viewer ann may not start an instance: that takes operator"`)
	cluster.Grant(ann, identity.Operator)
	learn()
	says(c, "POST", start, `404 `)
	cluster.Revoke(ann)
	learn()
	says(c, "GET", wire.StoresPath(), `401 {"operation":"GetStores","success":false,"statusCode":401,"code":"not_authenticated",`+
		`"message":"the request needs a valid certificate of cluster prod, or a bearer token: the certificate of user ann of cluster prod is revoked`)
	says(c, "GET", wire.HealthPath(), "200 ")
	says(other, "GET", wire.StoresPath(), "200 []")
}

// A request with a certificate and a token, or with two tokens, does not choose who it comes from.
func TestSecure_OneCaller(t *testing.T) {
	cluster := securitytest.New(t, "prod")
	ann, token := cluster.User("ann", identity.Viewer), cluster.Token("ci", identity.Admin)
	s := secure(t, newHarness(t), cluster, "127.48.4.5:0")
	status, text := s.call(client(t, ann), token, "GET", wire.StoresPath(), nil)
	if status != 401 || !strings.Contains(string(text), "more than one") {
		t.Errorf("got %d %s", status, text)
	}
	if status, text := s.call(client(t, nil), token, "GET", wire.StoresPath(), nil); status != 200 {
		t.Errorf("the token alone: %d %s", status, text)
	}
}
