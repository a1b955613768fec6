package etcd

import (
	"net/http"
	"strings"
	"testing"
)

func TestWebPages_AreRejected(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	startAll(store)
	for _, in := range store {
		in.put("k", "v")
		ask := func(method string, headers map[string]string) *http.Response {
			t.Helper()
			req, err := http.NewRequest(method, "http://"+in.endpoint()+"/v3/kv/range", strings.NewReader(`{"key":"`+b64("k")+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range headers {
				req.Header.Set(name, value)
			}
			req.Host = headers["Host"]
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if allowed := resp.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
				t.Errorf("%s %v: allows %s", method, headers, allowed)
			}
			return resp
		}
		for _, headers := range []map[string]string{
			{"Origin": "http://evil.example", "Content-Type": "text/plain"},
			{"Origin": "null"},
			{"Origin": "http://evil.example:7861", "Host": "evil.example:7861"},
			{"Sec-Fetch-Site": "same-origin"},
			{"Host": "evil.example:7861"},
		} {
			if resp := ask("POST", headers); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %v: got %d", in.spec.Role, headers, resp.StatusCode)
			}
			ask("OPTIONS", headers)
		}
		for _, host := range []string{"", "localhost:7861", "127.0.0.1", "[::1]:7861"} {
			if resp := ask("POST", map[string]string{"Host": host}); resp.StatusCode != http.StatusOK {
				t.Errorf("%s as %q: got %d", in.spec.Role, host, resp.StatusCode)
			}
		}
	}
}
