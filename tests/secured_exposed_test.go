package tests

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	credentials "dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// A manager and its instances take plain connections as well. A bearer token that comes to one of their ports without
// TLS is taken at none of them any more, over TLS either.
func TestSecured_ExposedTokens(t *testing.T) {
	s := newSwitched(t, 90)
	host := s.hosts[0]
	s.start(host, s.line("dkvmanager init --tls=prefer", host, "")...)
	s.hosts = s.hosts[:1]
	s.must("home", "https://", "-e", `new_store{"S", instance_prefix = "s", instance_count = 1}:check();`+
		`start_store("S"):check(); wait_ready("S")`)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ask := func(scheme, port, token string) int {
		t.Helper()
		method, path, body := http.MethodGet, ":7801"+wire.StoresPath(), ""
		if port == "client port" {
			method, path, body = http.MethodPost, ":7861/v3/kv/range", `{"key": "aw=="}`
		}
		req, err := http.NewRequest(method, scheme+host+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for _, exposed := range []string{"client port", "manager"} {
		file := filepath.Join(s.dir, strings.ReplaceAll(exposed, " ", "-")+".token")
		args := []string{"credential", "--data-dir", s.folder(host), "--name", "ci", "--role", "admin", "--token", "--out", file}
		if said, err := s.command("home", "dkvmanager", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		b, err := credentials.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		reaches := func(want int) {
			t.Helper()
			for _, port := range []string{"manager", "client port"} {
				s.eventually(fmt.Sprintf("%s, exposed at the %s: %d", port, exposed, want), func() (bool, string) {
					status := ask("https://", port, b.Token)
					return status == want, fmt.Sprint(status)
				})
			}
		}
		reaches(http.StatusOK)
		if status := ask("http://", exposed, b.Token); status != http.StatusUnauthorized {
			t.Errorf("%s: a token without TLS gets %d", exposed, status)
		}
		reaches(http.StatusUnauthorized)
	}
}
