package tests

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// staleAfter shortens the time after which a server that hears no other one says so.
const staleAfter = "DKV_ACCESS_STALE_AFTER=4s"

// Server 1 of three, from which both others are cut off, says of itself and of its instance that they may lack
// revocations, until it hears one again.
func TestSecured_StaleAccess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	suite := filepath.Join(dir, "stale_test.lua")
	if err := os.WriteFile(suite, []byte(`
-- seen() returns since when server 1 and its instance hear no other manager, as each query says it; nil for never.
local function seen()
  local found = {}
  local function add(at) found[#found + 1] = at or "current" end
  local status = store_status{"S", timeout_sec = 1}
  for _, instance in ipairs(status.instances) do
    if instance.name == status.topology[1].name then add(instance.access_stale_since) end
  end
  for _, row in ipairs(list_certificates{timeout_sec = 1}) do
    if row.manager == managers()[1] then add(row.stale_since) end
  end
  return table.concat(found, " ")
end

it("says so", function()
  local cluster = local_cluster{servers = 3, secured = true, instances = 1, store = "S"}
  assert.are.equal("current current current", seen())
  cluster:cut(2)
  cluster:cut(3)
  assert.eventually(function() assert.matches("^(20%S+Z) %1 %1$", seen()) end)
  assert.matches("127%S+: has heard of no access log since 20", tostring(list_certificates{timeout_sec = 1}), 1)
  cluster:heal(2)
  assert.eventually(function() assert.are.equal("current current current", seen()) end)
end)
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program("dkvrun"), "test", suite)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "NO_COLOR=1", "DKVRUN_MANAGER="+program("dkvmanager-failpoints"), staleAfter)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
}

// A manager says in its log, in pki status and in GET /info that it hears no other one, and its log says when that
// ends.
func TestSecured_StaleAccessLog(t *testing.T) {
	t.Parallel()
	s := newSecuredRun(t)
	s.variables = []string{staleAfter}
	const first, second = "127.46.9.11", "127.46.9.12"
	serve := func(host string, line ...string) string {
		line = append(line, "--listen", host+":7801", "--data-dir", filepath.Join(s.dir, host))
		return s.startProgram("dkvmanager-failpoints", "", host, line...)
	}
	line := strings.Fields(serve(first, "init", "--cluster", "prod"))
	serve(second, line[1:]...)
	text, err := os.ReadFile(filepath.Join(s.dir, "home", ".config", "dkvrun", "prod.pem"))
	if err != nil {
		t.Fatal(err)
	}
	admin, err := tls.X509KeyPair(text, text)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{admin}}}}
	info := func() *time.Time {
		answer, err := client.Get("https://" + first + ":7801" + wire.InfoPath())
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var out wire.Info
		if err := json.NewDecoder(answer.Body).Decode(&out); err != nil || out.Security == nil {
			t.Fatalf("%v: %+v", err, out)
		}
		return out.Security.AccessStaleSince
	}
	logged := func(words string) int {
		text, err := os.ReadFile(filepath.Join(s.dir, first+".log"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), words)
	}
	const begins = `level=WARN msg="access is stale: no other manager `
	const ends = `level=INFO msg="access is current again: `
	if at := info(); at != nil || logged(begins) != 0 {
		t.Errorf("while it hears the other one: stale since %v", at)
	}
	s.kill[second]()
	s.waitLog(first, begins)
	if info() == nil {
		t.Error("GET /info doesn't say it")
	}
	status, err := s.command("home", "dkvmanager", "pki", "status", "--data-dir", filepath.Join(s.dir, first)).CombinedOutput()
	if err != nil || !strings.Contains(string(status), "stale since 20") {
		t.Errorf("pki status: %v, %s", err, status)
	}
	serve(second)
	s.waitLog(first, ends)
	if at := info(); at != nil || logged(begins) != 1 || logged(ends) != 1 {
		t.Errorf("stale since %v, logged %d and %d times", at, logged(begins), logged(ends))
	}
}
