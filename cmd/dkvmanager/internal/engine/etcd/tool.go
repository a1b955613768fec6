package etcd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
)

// socketPathLimit is the longest address of a unix socket that etcdctl is given as a path.
const socketPathLimit = 100

// RunTool runs etcdctl, the engine's own tool, with args on the running data instance in folder, over its socket. It
// writes to the standard streams of the process, and ends the process where etcdctl fails.
func RunTool(folder string, args []string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	socket := filepath.Join(folder, etcdSocket)
	if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
		return errors.New("the instance has no socket, because an older dkvmanager started it: restart_instance makes one")
	}
	if len(socket) > socketPathLimit {
		dir, err := os.Open(folder)
		if err != nil {
			return err
		}
		defer dir.Close()
		socket = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), etcdSocket)
	}
	// etcdctl warns of a variable that a flag overrides.
	if err := os.Unsetenv("ETCDCTL_ENDPOINTS"); err != nil {
		return err
	}
	os.Args = append([]string{"etcdctl", "--endpoints=unix://" + socket}, args...) // etcdctl reads no other arguments
	ctlv3.MustStart()
	return nil
}
