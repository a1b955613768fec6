package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"dkvrun/cmd/dkvmanager/internal/engine/process"
)

// handle refers to one running instance process, a child or an adopted one, by its pidfd: a signal sent through it
// never reaches another process that later got the same pid.
type handle struct {
	pid  int
	file *os.File
	// done is closed when the process has ended. exit then describes how, as far as it is known.
	done chan struct{}
	exit string
	// killed says why this manager has killed it; empty if it has not.
	killed string
}

// spawn starts the instance process of a folder in its own session, so that it outlives the manager. Its output is
// appended to the folder's log.
func (o Options) spawn(folder string) (*handle, error) {
	log, err := process.OpenLog(folder)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := append(slices.Clone(o.ExtraArgs), "instance")
	var files []*os.File
	if o.Lifeline != nil {
		args = append(args, "--lifeline", "3")
		files = append(files, o.Lifeline)
	}
	if o.NetFaultSocket != nil {
		args = append(args, "--switchboard", "4")
		files = append(files, o.NetFaultSocket)
	}
	cmd := exec.Command(o.Executable, append(args, folder)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles, cmd.Env = files, o.Environment
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h, err := watch(cmd.Process.Pid, func() string {
		if err := cmd.Wait(); err != nil {
			return err.Error()
		}
		return "exit status 0"
	})
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return h, err
}

// adopt returns the process that holds the folder's lock, or nil if there is none.
func adopt(folder string) (*handle, error) {
	pid, err := process.Holder(folder)
	if err != nil || pid == 0 {
		return nil, err
	}
	h, err := watch(pid, func() string { return exitUnknown })
	if err != nil {
		return nil, err
	}
	// The pid may have been reused between reading the lock and opening the pidfd.
	if again, err := process.Holder(folder); err != nil || again != pid {
		h.release()
		return nil, err
	}
	return h, nil
}

// watch waits for the end of a process in the background and then calls reap.
func watch(pid int, reap func() string) (*handle, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("process %d can't be watched: %w", pid, err)
	}
	h := &handle{pid: pid, file: os.NewFile(uintptr(fd), "pidfd"), done: make(chan struct{})}
	conn, err := h.file.SyscallConn()
	if err != nil {
		h.file.Close()
		return nil, fmt.Errorf("process %d can't be watched: %w", pid, err)
	}
	go func() {
		defer close(h.done)
		// The pidfd becomes readable when the process has ended, also while it is a zombie. Go's poller waits for it,
		// so no thread is blocked.
		_ = conn.Read(func(fd uintptr) bool {
			for {
				n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
				if err != unix.EINTR {
					return n > 0 || err != nil
				}
			}
		})
		h.exit = reap()
		h.file.Close()
	}()
	return h, nil
}

// release stops watching a process that turned out not to be the instance's.
func (h *handle) release() { h.file.Close() }

// signal sends a signal. It has no effect when the process has ended.
func (h *handle) signal(sig syscall.Signal) {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
}

// ended reports whether the process has ended and been reaped.
func (h *handle) ended() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}
