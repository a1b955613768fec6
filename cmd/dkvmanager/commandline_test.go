package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommandLine_Refusals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct {
		args     []string
		status   int
		out, err string
	}{
		{[]string{"--help"}, 0, "--data-dir DIR", ""},
		{[]string{"-h"}, 0, "Used by dkvrun --local", ""},
		{[]string{"help"}, 0, "Exit status", ""},
		{[]string{"version"}, 0, "dkvmanager 0.1.0 (commit ", ""},
		{[]string{"--version"}, 0, "dkvmanager 0.", ""},
		{nil, 2, "", "--data-dir DIR is missing"},
		{[]string{"--colour"}, 2, "", "-colour (see dkvmanager --help)"},
		{[]string{"start"}, 2, "", `"start" is not a command`},
		{[]string{"--data-dir", dir, "orders"}, 2, "", `"orders" is not a command`},
		{[]string{"--data-dir", dir, "--listen", "127.23.2.11"}, 2, "", "want HOST:PORT"},
		{[]string{"--data-dir", dir, "--listen", "0.0.0.0:7801"}, 2, "", "add --insecure where the network itself is trusted"},
		{[]string{"--data-dir", dir, "--listen", ":7801"}, 2, "", "can be reached from other machines"},
		{[]string{"--data-dir", dir, "--listen", "192.0.2.1:7801"}, 2, "", "there is no encryption"},
		{[]string{"--data-dir", dir, "--listen", "192.0.2.1:7801", "--insecure"}, 1, "", "--listen 192.0.2.1:7801 can't be used"},
		{[]string{"--data-dir", dir, "--advertise", "::"}, 2, "", "means every address"},
		{[]string{"--data-dir", dir, "--also-known-as", "db1,http://db2"}, 2, "", `--also-known-as: a name "http://db2" has ':'`},
		{[]string{"--data-dir", dir, "--also-known-as", ""}, 2, "", "--also-known-as: a name is empty"},
		{[]string{"--data-dir", dir, "--ephemeral"}, 2, "", "--ephemeral needs --lifeline"},
		{[]string{"--data-dir", dir, "--lifeline", "77"}, 2, "", "--lifeline 77: no such open file"},
		{[]string{"--data-dir", dir, "--lifeline", "0"}, 2, "", "--lifeline 0: is not a pipe"},
		{[]string{"--data-dir", dir, "--switchboard", "0"}, 2, "", "--switchboard needs --lifeline"},
		{[]string{"--data-dir", "/dev/null/x"}, 1, "", "/dev/null/x"},
		{[]string{"instance"}, 2, "", "want one folder"},
		{[]string{"instance", "--lifeline", "77", dir}, 2, "", "no such open file"},
		{[]string{"instance", "--switchboard", "0", dir}, 2, "", "--switchboard 0: is not a socket"},
		{[]string{"instance", dir + "-none"}, 1, "", "no such file or directory"},
	} {
		cmd := command(c.args...)
		var out, err bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &err
		_ = cmd.Run()
		if status := cmd.ProcessState.ExitCode(); status != c.status || !strings.Contains(out.String(), c.out) ||
			!strings.Contains(err.String(), c.err) {
			t.Errorf("dkvmanager %s: status %d, out %q, err %q; want %d, %q, %q", c.args, status, &out, &err, c.status, c.out, c.err)
		}
		if c.status == 2 && strings.Count(err.String(), "\n") != 1 {
			t.Errorf("dkvmanager %s: the error is not one line: %q", c.args, &err)
		}
	}
}

// A manager that other machines can reach says what is open to them.
func TestManager_WarnsOfOpenPorts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  []string
		warns bool
	}{
		{[]string{"--listen", "0.0.0.0:7899", "--advertise", "127.23.15.11", "--insecure"}, true},
		{[]string{"--listen", "127.23.15.12:7801", "--insecure"}, false},
	} {
		cmd := command(append(c.args, "--data-dir", filepath.Join(t.TempDir(), "data"))...)
		var log output
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the manager serves", func() bool { return strings.Contains(log.String(), "msg=serving") })
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
		if warned := strings.Contains(log.String(), `level=WARN msg="`+openPorts+`"`); warned != c.warns {
			t.Errorf("%s: warned: %v\n%s", c.args, warned, log.String())
		}
	}
}

func TestManager_NamesHolderOfItsPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.23.2.11:7801")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	said, err := command("--data-dir", t.TempDir(), "--listen", "127.23.2.11:7801").CombinedOutput()
	comm, readErr := os.ReadFile("/proc/self/comm")
	if readErr != nil {
		t.Fatal(readErr)
	}
	if want := "127.23.2.11:7801 is taken by " + strings.TrimSpace(string(comm)) + " (pid "; err == nil || !strings.Contains(string(said), want) {
		t.Errorf("got %v, %s, want %q", err, said, want)
	}
}

func TestManager_RefusesFolderInUse(t *testing.T) {
	d := startDaemon(t, "127.23.2.11", filepath.Join(t.TempDir(), "data"))
	said, err := command("--data-dir", d.dir, "--listen", "127.23.2.12:7801").CombinedOutput()
	if err == nil || !strings.Contains(string(said), d.dir+" is in use by another dkvmanager") {
		t.Errorf("got %v, %s", err, said)
	}
}
