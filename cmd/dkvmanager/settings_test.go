package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// configured runs a command with a configuration file and environment variables, and returns its output and status.
func configured(t *testing.T, file string, variables []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.toml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(args...)
	cmd.Env = append(append(cmd.Env, configVariable+"="+path), variables...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	_ = cmd.Run()
	return out.String(), strings.ReplaceAll(said.String(), path, "m.toml"), cmd.ProcessState.ExitCode()
}

func TestSettings_Strength(t *testing.T) {
	t.Parallel()
	const file = "\ufeff" + `data_dir = "/var/lib/file"
listen = "127.0.0.1:7001"
advertise = "file.example"
also_known_as = ["a", "b"]
`
	stdout, stderr, status := configured(t, file, []string{"DKVMANAGER_LISTEN=127.0.0.1:7002", "DKVMANAGER_DATA_DIR=/var/lib/env"},
		"check-config", "--data-dir", "/var/lib/flag")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d: %s", status, stderr)
	}
	var rows [][]string
	for line := range strings.Lines(stdout) {
		rows = append(rows, strings.Fields(line))
	}
	for _, want := range []string{
		"listen 127.0.0.1:7002 DKVMANAGER_LISTEN", "data_dir /var/lib/flag the command line",
		"also_known_as a,b ", "advertise file.example ", "insecure false the default", "audit_log file the default",
	} {
		if !slices.ContainsFunc(rows, func(row []string) bool { return strings.HasPrefix(strings.Join(row, " "), want) }) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
}

func TestSettings_Mistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file      string
		variables []string
		args      []string
		want      string
	}{
		"a typo in the file": {file: "data_dir = \"/d\"\nlisten_on = \"x\"\n",
			want: "dkvmanager: check-config: m.toml:2: unknown setting listen_on: there are listen, data_dir, "},
		"a table":      {file: "[manager]\ndata_dir = \"/d\"\n", want: "m.toml:1: unknown setting manager"},
		"another type": {file: "data_dir = \"/d\"\n\ninsecure = \"yes\"\n", want: "m.toml:3: "},
		"no TOML":      {file: "data_dir = /d\n", want: "m.toml:1: "},
		"a typo in a variable": {variables: []string{"DKVMANAGER_DATADIR=/d"},
			want: "unknown environment variable DKVMANAGER_DATADIR: there are DKVMANAGER_CONFIG, DKVMANAGER_LISTEN, "},
		"a value in a variable": {variables: []string{"DKVMANAGER_INSECURE=maybe"},
			want: `DKVMANAGER_INSECURE: insecure: "maybe" can't be used: `},
		"no such file": {args: []string{"--config", "/nowhere.toml"},
			want: "the configuration file: open /nowhere.toml: no such file or directory"},
		"an open address": {file: "data_dir = \"/d\"\nlisten = \"0.0.0.0:7801\"\nadvertise = \"m1\"\n",
			want: "--listen :7801 can be reached from other machines"},
		"nothing": {want: "--data-dir DIR is missing"},
	} {
		stdout, stderr, status := configured(t, c.file, c.variables, append([]string{"check-config"}, c.args...)...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: status %d, %q, want %q", name, status, stderr, c.want)
		}
	}
}

// TestSettings_OtherCommands gives a command that works on the data folder its folder by the file.
func TestSettings_OtherCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, stderr, status := configured(t, "data_dir = '"+dir+"'\n", nil, "pki", "status")
	if status != exitError || !strings.Contains(stderr, dir) {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// TestSettings_AllFlags compares the settings with the flags of a manager that serves.
func TestSettings_AllFlags(t *testing.T) {
	t.Parallel()
	set := newFlagSet("")
	_, _ = parseOptions(set, []string{"--data-dir", t.TempDir()})
	var flags []string
	set.VisitAll(func(f *flag.Flag) {
		if !slices.Contains([]string{"lifeline", "switchboard", "ephemeral", configFlag}, f.Name) {
			flags = append(flags, f.Name)
		}
	})
	names := settingNames()
	slices.Sort(names)
	if !slices.Equal(flags, names) {
		t.Errorf("the file has %v, the command line %v", names, flags)
	}
	for _, name := range names {
		if v := exampleValue(t, name); v == "" {
			t.Errorf("the example file does not have %s", name)
		}
	}
}

// exampleValue returns the value of a setting in the example file with all comments that hold settings switched on.
func exampleValue(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("dkvmanager.toml")
	if err != nil {
		t.Fatal(err)
	}
	var on []string
	for line := range strings.Lines(string(text)) {
		if bare := strings.TrimPrefix(line, "# "); regexp.MustCompile(`^[a-z_]+ = `).MatchString(bare) {
			line = bare
		}
		on = append(on, line)
	}
	path := filepath.Join(t.TempDir(), "example.toml")
	if err := os.WriteFile(path, []byte(strings.Join(on, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readSettings(path, true)
	if err != nil {
		t.Fatal(err)
	}
	value, _ := s.value(name)
	return value
}

// TestSettings_ThrowAway starts a manager of a runner, which takes its settings from nowhere else.
func TestSettings_ThrowAway(t *testing.T) {
	t.Parallel()
	set := newFlagSet("")
	set.Int("lifeline", -1, "")
	if err := set.Parse([]string{"--lifeline", "3", "--config", "/nowhere.toml"}); err != nil {
		t.Fatal(err)
	}
	if _, err := applySettings(set); err != nil {
		t.Error(err)
	}
}

// TestManager_TellsServiceManager starts a manager as a unit with a watchdog, and ends it.
func TestManager_TellsServiceManager(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	next := func() string {
		t.Helper()
		buffer := make([]byte, 4096)
		if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		n, err := socket.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
	const ip = "127.23.53.11"
	d := startAs(t, ip, filepath.Join(t.TempDir(), "data"), []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=300000"})
	if got := next(); got != "READY=1\nSTATUS=0 instances" {
		t.Errorf("first %q", got)
	}
	d.must("POST", wire.StoresPath(), orders(1, ip), "Created")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, "Started")
	for got := ""; got != "WATCHDOG=1\nSTATUS=1 instances"; got = next() {
		if got != "" && got != "WATCHDOG=1\nSTATUS=0 instances" {
			t.Fatalf("got %q", got)
		}
	}
	for _, pid := range d.holders() {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil || bytes.Contains(environ, []byte("NOTIFY_SOCKET")) || bytes.Contains(environ, []byte("WATCHDOG")) {
			t.Errorf("the instance's environment: %q, %v", environ, err)
		}
	}
	if status := d.end(syscall.SIGTERM); status != exitOK {
		t.Errorf("status %d", status)
	}
	for got := next(); got != "STOPPING=1"; got = next() {
		if !strings.HasPrefix(got, "WATCHDOG=1") {
			t.Fatalf("got %q", got)
		}
	}
}
