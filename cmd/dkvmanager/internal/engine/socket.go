package engine

import (
	"context"
	"fmt"
	"net"
	"os"
)

// DialSocket connects to a unix socket in an instance's folder: SocketFile, or one that the engine serves. It connects
// by way of the folder's descriptor: the address of a unix socket is limited to 108 bytes, a path is not.
func DialSocket(ctx context.Context, folder, socket string) (net.Conn, error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var dialer net.Dialer
	return dialer.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socket))
}
