package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// patience bounds every wait for a condition.
const patience = 30 * time.Second

// eventually waits until ok is true.
func eventually(t testing.TB, what string, within time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// manager is a dkvmanager with a data folder. Its process is restarted by the cases.
type manager struct {
	ip  string // where it listens, always on port 7801
	adv string // where others reach it: the address of its proxy
	dir string
	log *output
	cmd *exec.Cmd
	// done is closed when the process has ended.
	done chan struct{}
}

// output is a buffer that may be written and read concurrently.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts the manager, with a failpoint unless that is empty, and returns when it answers.
func (m *manager) start(t testing.TB, times []string, failpoint string) {
	t.Helper()
	m.cmd = exec.Command(dkvmanager, "--listen", m.ip+":7801", "--advertise", m.adv, "--data-dir", m.dir)
	m.cmd.Env = append(append(os.Environ(), times...), "DKV_FAILPOINT="+failpoint)
	m.cmd.Stderr = m.log
	m.done = make(chan struct{})
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, done := m.cmd, m.done
	go func() { _ = cmd.Wait(); close(done) }()
	eventually(t, "the manager on "+m.ip+" answers", patience, func() bool {
		resp, err := direct.Get("http://" + m.ip + ":7801" + wire.HealthPath())
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (m *manager) kill() {
	_ = m.cmd.Process.Kill()
	<-m.done
}

// direct is a client that bypasses the proxies. It keeps no connections, since managers are restarted.
var direct = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}

// get decodes an answer of the admin API into a value.
func (m *manager) get(path string, into any) error {
	resp, err := direct.Get("http://" + m.ip + ":7801" + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", path, resp.StatusCode, body)
	}
	return json.Unmarshal(body, into)
}

// onDisk is the part of the catalog's file that the cases check.
type onDisk struct {
	Stores map[string]struct {
		Change   string `json:"change"`
		Digest   string `json:"digest"`
		Revision uint64 `json:"revision"`
	} `json:"stores"`
	Names map[string]struct {
		Pending   json.RawMessage `json:"pending"`
		Repairing string          `json:"repairing"`
	} `json:"names"`
	DoubtfulNames bool `json:"doubtfulNames"`
}

func (m *manager) disk() (onDisk, error) {
	text, err := os.ReadFile(filepath.Join(m.dir, "catalog.json"))
	if err != nil {
		return onDisk{}, err
	}
	var file struct {
		Payload onDisk `json:"payload"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return onDisk{}, fmt.Errorf("%s: %w", m.dir, err)
	}
	return file.Payload, nil
}

// processes returns the pids of the processes that run in the folders of a store's instances, by instance, from the
// process table. An empty store stands for all stores; the instances are then STORE/INSTANCE.
func (m *manager) processes(store string) map[string][]string { return running(store, m)[m] }

// running looks through the process table once for several managers. It lists only managers that have processes.
func running(store string, managers ...*manager) map[*manager]map[string][]string {
	entries, _ := os.ReadDir("/proc") // after an error the entries that were read are enough
	found := map[*manager]map[string][]string{}
	for _, e := range entries {
		if e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		for _, m := range managers {
			prefix := filepath.Join(m.dir, "instances", store) + string(filepath.Separator)
			if name, ours := strings.CutPrefix(args[len(args)-1], prefix); ours {
				if found[m] == nil {
					found[m] = map[string][]string{}
				}
				found[m][name] = append(found[m][name], e.Name())
			}
		}
	}
	return found
}

// end kills the processes of instances.
func (m *manager) end(running map[string][]string) {
	for _, pids := range running {
		for _, pid := range pids {
			if number, err := strconv.Atoi(pid); err == nil {
				_ = syscall.Kill(number, syscall.SIGKILL)
			}
		}
	}
}
