package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dkvrun/runtime/wire"
)

// createFor creates a store and states a reason.
func (c *securedCluster) createFor(ip, store, reason string) {
	c.t.Helper()
	port := 7811 + 2*int(store[0]) // the stores of this test begin with different letters
	body := fmt.Sprintf(`{"name":%q,"nodes":[{"name":"x","host":%q,"clustronPort":%d,"clientPort":%d,"role":"data"}]}`,
		store, ip, port, port+1)
	req, err := http.NewRequest(http.MethodPost, "https://"+ip+":7801"+wire.StoresPath(), strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	header, err := wire.EncodeReason(reason)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set(wire.ReasonHeader, header)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client(c.credential()).Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var text bytes.Buffer
		_, _ = text.ReadFrom(resp.Body)
		c.t.Fatalf("create %s: %d %s", store, resp.StatusCode, &text)
	}
}

// remembered waits until the other manager remembers the last line of a log.
func (c *securedCluster) remembered(n int, line string) {
	c.t.Helper()
	eventually(c.t, "the other manager remembers line "+line, func() bool {
		out, _, _ := c.command("audit", "verify", "--data-dir", c.dir(n))
		return strings.Contains(out, "remembers line "+line+", which agrees")
	})
}

// The audit log says who did what and why, and its chain and the other managers tell when it was changed: a word, its
// end, and all of it, also when both managers were restarted meanwhile.
func TestAudit_VerifyAndShow(t *testing.T) {
	t.Parallel()
	const first, second = "127.23.41.11", "127.23.41.12"
	c := newSecured(t)
	d := c.start(first, 1, "init", "--cluster", "prod", "--audit-log", "journald")
	other := c.joined(second, 2)
	c.must("credential", "--data-dir", c.dir(1), "--name", "ci", "--role", "viewer")
	c.createFor(first, "OrdersStore", "ticket 12: größer")
	c.createFor(first, "CartStore", "ticket 13")
	c.remembered(1, "4")
	verify := func(status int, want ...string) {
		t.Helper()
		out, errors, got := c.command("audit", "verify", "--data-dir", c.dir(1))
		for _, part := range want {
			if got != status || !strings.Contains(out+errors, part) {
				t.Errorf("audit verify: %d, %s%s want %d, %s", got, out, errors, status, part)
			}
		}
	}
	verify(exitOK, "4 lines in 1 file, from 1 to 4", "remembers line 4, which agrees", "\nok\n")
	show := func(args ...string) []string {
		t.Helper()
		return strings.Split(strings.TrimSpace(c.must(append([]string{"audit", "show", "--data-dir", c.dir(1)}, args...)...)), "\n")
	}
	all := show()
	if len(all) != 4 || !strings.Contains(all[0], `"action":"Join","subject":"dkv://manager.prod/`) ||
		!strings.Contains(all[1], `"from":"command","action":"credential"`) || !strings.Contains(all[1], `"subject":"ci"`) ||
		!strings.Contains(all[2], `"reason":"ticket 12: größer"`) || !strings.Contains(all[3], `"action":"CreateStore","store":"CartStore"`) {
		t.Errorf("audit show: %s", strings.Join(all, "\n"))
	}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"--last", "1"}, all[3:]},
		{[]string{"--action", "createstore", "--store", "OrdersStore"}, all[2:3]},
		{[]string{"--since", "1h", "--action", "Join"}, all[:1]},
		{[]string{"--since", "2100-01-01T00:00:00Z"}, []string{""}},
		{[]string{"--who", "nobody"}, []string{""}},
	} {
		if got := show(test.args...); !slices.Equal(got, test.want) {
			t.Errorf("audit show %s: %q, want %q", test.args, got, test.want)
		}
	}
	if _, said, status := c.command("audit", "show", "--data-dir", c.dir(1), "--action", "CreatStore"); status != exitOK ||
		!strings.HasSuffix(said, "has no line that fits\n") {
		t.Errorf("audit show of an action that is misspelt: %d, %q", status, said)
	}

	// Its end is removed while nobody runs that could notice.
	d.end(syscall.SIGTERM)
	other.end(syscall.SIGTERM)
	path := filepath.Join(c.dir(1), "audit.log")
	rewrite := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	changed := strings.Replace(all[1], `"subject":"ci"`, `"subject":"xy"`, 1)
	rewrite(all[0], changed, all[2], all[3])
	verify(exitError, "line 3 does not follow line 2: one of them was changed", "is not as it was written: 1 problem")
	rewrite(all[:3]...)
	verify(exitOK, "does not say what it remembers")
	other = c.start(second, 2)
	verify(exitError, "remembers line 4, and the log ends with line 3")
	d = c.start(first, 1)
	eventually(t, "the other manager notices", func() bool {
		return strings.Contains(other.log.String(), "was written anew, or lines of it were removed")
	})
	c.createFor(first, "UserStore", "covers it up")
	c.createFor(first, "LogStore", "goes on")
	verify(exitError, "remembers another line 4, with the hash")
	other.end(syscall.SIGTERM)
	c.start(second, 2)
	verify(exitError, "remembers another line 4, with the hash")
	d.end(syscall.SIGTERM)
}

func TestAudit_CommandLine(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	for _, r := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"audit"}, 2, "want audit show or audit verify"},
		{[]string{"audit", "verify"}, 2, "--data-dir DIR is missing"},
		{[]string{"audit", "verify", "--data-dir", c.root, "--who", "x"}, 2, "it takes --data-dir alone"},
		{[]string{"audit", "show", "--data-dir", c.root, "--since", "yesterday"}, 2, "--since: got \"yesterday\", want a time such as"},
		{[]string{"audit", "show", "--data-dir", c.root, "--last", "-1"}, 2, "--last -1: want a number of lines"},
		{[]string{"audit", "show", "--data-dir", c.root}, 1, "a manager keeps an audit log from its first start as a secured one"},
		{[]string{"--data-dir", c.dir(1), "--audit-log", "journal"}, 2, `--audit-log: "journal" is no destination: want file, journald or syslog`},
	} {
		_, errors, status := c.command(r.args...)
		if status != r.status || !strings.Contains(errors, r.want) || strings.Count(errors, "\n") != 1 {
			t.Errorf("dkvmanager %s: %d, %s want %d, %s", strings.Join(r.args, " "), status, errors, r.status, r.want)
		}
	}
}
