package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// infos asks all managers of a cluster for their description, and returns the code of each answer, or the class of its
// error.
func infos(t *testing.T, c *Cluster, security fanout.Security) []string {
	t.Helper()
	servers, err := fanout.ParseEndpoints(c.Endpoints(), wire.DefaultManagerPort)
	if err != nil {
		t.Fatal(err)
	}
	client := fanout.New(fanout.Config{Security: security})
	defer client.Close()
	var requests []fanout.Request
	for _, e := range servers {
		requests = append(requests, fanout.Request{Endpoint: e, Method: "GET", Path: wire.InfoPath(), Timeout: 5 * time.Second})
	}
	var out []string
	for _, a := range client.Do(context.Background(), requests, fanout.Options{}) {
		var refusal wire.Result
		switch {
		case a.Err != nil:
			out = append(out, a.Err.Class)
		case a.Status == 200:
			out = append(out, wire.CodeOK)
		case json.Unmarshal(a.Body, &refusal) == nil:
			out = append(out, refusal.Code)
		}
	}
	return out
}

// all reports whether a list has n items, and each is text.
func all(list []string, n int, text string) bool {
	for _, item := range list {
		if item != text {
			return false
		}
	}
	return len(list) == n
}

func TestSecured_Cluster(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	c := start(t, Options{Servers: 3, Secured: true, TempDir: temp})
	if got, want := c.Describe(), "throw-away cluster: 3 secured managers on "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q", got)
	}
	path := c.Credential().File
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the credential has the mode %v, %v", info.Mode(), err)
	}
	b, err := identity.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := b.Identity(); err != nil || id.Kind != identity.User || id.Cluster != securedName {
		t.Errorf("the credential is of %v, %v", id, err)
	}
	if got := infos(t, c, c.security()); !all(got, 3, wire.CodeOK) {
		t.Errorf("with the credential: %v", got)
	}
	if got := infos(t, c, nil); all(got, 3, wire.CodeOK) || len(got) != 3 {
		t.Errorf("without a credential: %v", got)
	}
	// A token is in no log. That none is on a command line is seen by what Start gives to its managers.
	for i := range c.Endpoints() {
		log, err := os.ReadFile(filepath.Join(c.data(i), "manager.log"))
		if err != nil || !strings.Contains(string(log), "msg=serving") || strings.Contains(string(log), "dkv1-") {
			t.Errorf("%v, the log of server %d: %s", err, i+1, log)
		}
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", c.managers[i].process.Pid))
		if err != nil || !strings.Contains(string(line), c.data(i)) || strings.Contains(string(line), "dkv1-") {
			t.Errorf("%v, the command line of server %d: %q", err, i+1, line)
		}
	}
	if err := c.Kill(0); err != nil {
		t.Fatal(err)
	}
	if got := infos(t, c, c.security()); got[0] == wire.CodeOK || !all(got[1:], 2, wire.CodeOK) {
		t.Errorf("without the first server: %v", got)
	}
	if err := c.Restart(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	if got := infos(t, c, c.security()); !all(got, 3, wire.CodeOK) {
		t.Errorf("after its restart: %v", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, time.Second, temp, c.Endpoints())
}

func TestSecured_RunnerKilled(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd, endpoints := startRunner(t, temp, securedRunner)
	if n := len(processes(t, temp)); n != 2 {
		t.Errorf("%d processes, want 2 managers", n)
	}
	kill(t, cmd.Process.Pid)
	gone(t, 10*time.Second, temp, endpoints)
}

// A secured cluster is kept with its keys. One whose making was interrupted is made anew.
func TestSecured_Keep(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "lab")
	o := Options{Servers: 2, Secured: true, Keep: folder}
	c := start(t, o)
	first, err := os.ReadFile(c.Credential().File)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = start(t, o)
	if got := infos(t, c, c.security()); !all(got, 2, wire.CodeOK) {
		t.Errorf("the kept cluster: %v", got)
	}
	if again, err := os.ReadFile(c.Credential().File); err != nil || string(again) != string(first) {
		t.Errorf("the kept cluster has another credential, %v", err)
	}
	if err := c.record(making); err != nil { // as if the first run had been killed
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(folder, "server-2")); err != nil {
		t.Fatal(err)
	}
	c = start(t, o)
	if got := infos(t, c, c.security()); !all(got, 2, wire.CodeOK) {
		t.Errorf("the cluster that was made anew: %v", got)
	}
	if again, err := os.ReadFile(c.Credential().File); err != nil || string(again) == string(first) {
		t.Errorf("the cluster that was made anew has the old credential, %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(context.Background(), Options{Servers: 2, Manager: built, Keep: folder}); err == nil ||
		!strings.Contains(err.Error(), "keeps a secured cluster: add --secured") {
		t.Errorf("without security: %v", err)
	}
	plain := filepath.Join(t.TempDir(), "lab")
	if err := start(t, Options{Servers: 1, Keep: plain}).Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Start(context.Background(), Options{Servers: 1, Secured: true, Manager: built, Keep: plain})
	if err == nil ||
		!strings.Contains(err.Error(), "keeps a cluster that is not secured: leave --secured out") {
		t.Errorf("with security: %v", err)
	}
}

// A manager that can't make the cluster, or that can't join it, is told with the end of its log.
func TestSecured_StartFails(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"at once":         "echo the disk is full >&2; exit 3",
		"prints no end":   "printf 'dkvmanager join'; echo the disk is full >&2; exit 3",
		"without a token": `case "$1" in init) echo; exec cat <&3;; esac; exit 3`,
	} {
		temp := t.TempDir()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_, err := Start(ctx, Options{Servers: 2, Secured: true, TempDir: temp, Manager: script(t, text)})
		cancel()
		if err == nil {
			t.Errorf("%s: started", name)
		} else if strings.Contains(text, "full") && !strings.Contains(err.Error(), "the disk is full") {
			t.Errorf("%s: %v", name, err)
		}
		if list, _ := os.ReadDir(temp); len(list) != 0 {
			t.Errorf("%s: left behind: %v", name, list)
		}
	}
}
