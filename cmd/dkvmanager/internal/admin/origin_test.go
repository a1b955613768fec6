package admin

import (
	"net/http"
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

func TestOrigin_WebPagesAreRefused(t *testing.T) {
	b := newHarness(t)
	for name, headers := range map[string]http.Header{
		"another origin":         {"Origin": {"http://evil.example"}},
		"no origin":              {"Origin": {"null"}},
		"a name made to point":   {"Origin": {"http://evil.example:7801"}, "Host": {"evil.example:7801"}},
		"the address itself":     {"Origin": {b.server.URL}},
		"a cross-site read":      {"Sec-Fetch-Site": {"cross-site"}},
		"an older browser reads": {"Host": {"evil.example:7801"}},
		"without a port":         {"Host": {"evil.example"}},
	} {
		for _, method := range []string{"GET", "POST"} {
			var body any
			if method == "POST" {
				body = orders(1, ownHost)
			}
			req := b.request(method, wire.StoresPath(), body)
			req.Header, req.Host = headers.Clone(), headers.Get("Host")
			status, text := b.send(req)
			if from := strings.Contains(string(text), "web pages") || strings.Contains(string(text), "is not a name of this manager"); status != http.StatusBadRequest ||
				!from {
				t.Errorf("%s, %s: got %d %s", name, method, status, text)
			}
		}
	}
}

// The names by which people and tools address a manager are accepted.
func TestOrigin_NamesOfAManager(t *testing.T) {
	b := newHarness(t)
	ask := func(host string) int {
		req := b.request("GET", wire.StoresPath(), nil)
		req.Host = host
		status, _ := b.send(req)
		return status
	}
	for _, host := range []string{"", "127.0.0.1", ownHost + ":7801", "[::1]:7801", "[::1]", "localhost:7801", "LOCALHOST"} {
		if status := ask(host); status != http.StatusOK {
			t.Errorf("%q: got %d", host, status)
		}
	}
	b.api.Host = "db1.example.com"
	if status := ask("DB1.example.com:7801"); status != http.StatusOK {
		t.Errorf("the advertised name: got %d", status)
	}
	if status := ask("db2.example.com:7801"); status != http.StatusBadRequest {
		t.Errorf("another name: got %d", status)
	}
	b.api.Listen = "10.0.0.11:7801"
	if status := ask("db2.example.com:7801"); status != http.StatusBadRequest {
		t.Errorf("another name beyond loopback: got %d", status)
	}
	b.api.AlsoKnownAs = []string{"db1", "db2.example.com"}
	for _, host := range []string{"db1:7801", "DB2.example.com:7801", "db1.example.com"} {
		if status := ask(host); status != http.StatusOK {
			t.Errorf("%s, a name that it is also known as: got %d", host, status)
		}
	}
}
