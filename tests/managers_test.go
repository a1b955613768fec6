package tests

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fleet is a set of managers that a test has started, each with a separate data folder. They hold the lifeline of the
// test's process: when that process ends, they and their instances end too.
type fleet struct {
	dir     string
	mu      sync.Mutex
	running map[string]*manager
	alive   *os.File // the write end of the lifeline
	lifeR   *os.File
}

type manager struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// start runs a manager on port 7801 of each host and waits until all answer. With HOST=NAME the manager advertises
// NAME.
func (f *fleet) start(hosts []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running == nil {
		f.running = map[string]*manager{}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		f.lifeR, f.alive = r, w
	}
	for i, host := range hosts {
		host, name, _ := strings.Cut(host, "=")
		hosts[i] = host
		dir := filepath.Join(f.dir, host)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		log, err := os.OpenFile(filepath.Join(f.dir, host+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		cmd := exec.Command(program("dkvmanager"), "--listen", net.JoinHostPort(host, "7801"), "--data-dir", dir, "--lifeline", "3")
		if name != "" {
			cmd.Args = append(cmd.Args, "--advertise", name)
		}
		cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{f.lifeR}
		err = cmd.Start()
		log.Close()
		if err != nil {
			return err
		}
		m := &manager{cmd: cmd, done: make(chan struct{})}
		go func() { cmd.Wait(); close(m.done) }()
		f.running[host] = m
	}
	for _, host := range hosts {
		if err := f.answering(host); err != nil {
			return err
		}
	}
	return nil
}

// answering waits until the manager on host answers or has ended.
func (f *fleet) answering(host string) error {
	m := f.running[host]
	client := http.Client{Timeout: time.Second}
	return poll(20*time.Second, func() error {
		select {
		case <-m.done:
			log, _ := os.ReadFile(filepath.Join(f.dir, host+".log"))
			return final{fmt.Errorf("the manager on %s ended: %s", host, log)}
		default:
		}
		answer, err := client.Get("http://" + net.JoinHostPort(host, "7801") + "/admin/v1/health")
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("health of %s: %s", host, answer.Status)
		}
		return nil
	})
}

// kill kills managers, like a crash; their instances keep running.
func (f *fleet) kill(hosts []string) error { return f.end(hosts, syscall.SIGKILL) }

// stop ends managers with SIGTERM, like an operator.
func (f *fleet) stop(hosts []string) error { return f.end(hosts, syscall.SIGTERM) }

func (f *fleet) end(hosts []string, sig syscall.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, host := range hosts {
		m := f.running[host]
		if m == nil {
			return fmt.Errorf("no manager was started on %s", host)
		}
		delete(f.running, host)
		if err := m.cmd.Process.Signal(sig); err != nil {
			return err
		}
		select {
		case <-m.done:
		case <-time.After(15 * time.Second):
			return fmt.Errorf("the manager on %s did not end within 15 s of signal %v", host, sig)
		}
	}
	return nil
}

// close ends all managers and instances by closing the lifeline.
func (f *fleet) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.alive == nil {
		return
	}
	f.alive.Close()
	f.lifeR.Close()
	for _, m := range f.running {
		select {
		case <-m.done:
		case <-time.After(15 * time.Second):
			m.cmd.Process.Kill()
			<-m.done
		}
	}
}

// final is an error after which poll stops at once.
type final struct{ error }

// poll calls a function until it returns no error. It returns the last error when the time is over.
func poll(timeout time.Duration, look func() error) error {
	for deadline := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		err := look()
		if _, stop := err.(final); err == nil || stop || time.Now().After(deadline) {
			return err
		}
	}
}
