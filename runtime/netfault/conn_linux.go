package netfault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A line is a socket between the switchboard and one process. Each message is a packet: an order, and
// the answer to it.

// order says who is cut off from now on.
type order struct {
	Number int          `json:"number"`
	Cut    []netip.Addr `json:"cut"`
}

// answer says that the order with the number is carried out, or what went wrong.
type answer struct {
	Number int    `json:"number"`
	Error  string `json:"error,omitempty"`
}

// maxMessage is more than the order of the largest cluster has.
const maxMessage = 8 << 10

// pair makes two ends of a line, or of a door.
func pair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "line"), os.NewFile(uintptr(fds[1]), "line"), nil
}

// connection makes an end into a connection, and closes the file.
func connection(end *os.File) (*net.UnixConn, error) {
	defer end.Close()
	conn, err := net.FileConn(end)
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("no unix socket")
	}
	return unixConn, nil
}

// call opens a line to the switchboard behind the door.
func call(door *os.File) (*net.UnixConn, error) {
	ours, theirs, err := pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	line, err := connection(ours)
	if err != nil {
		return nil, err
	}
	if err := unix.Sendmsg(int(door.Fd()), []byte{0}, unix.UnixRights(int(theirs.Fd())), nil, unix.MSG_NOSIGNAL); err != nil {
		line.Close()
		return nil, err
	}
	return line, nil
}

// accept takes the next line that a process opens, and says which process that is. The line is nil for
// one that can't be taken: the caller sees its other end closed.
func accept(door *net.UnixConn) (line *net.UnixConn, pid int, err error) {
	var text [1]byte
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := door.ReadMsgUnix(text[:], rights)
	if err != nil {
		return nil, 0, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return nil, 0, nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, 0, nil
	}
	caller, err := unix.GetsockoptUcred(fds[0], unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		unix.Close(fds[0])
		return nil, 0, nil
	}
	line, err = connection(os.NewFile(uintptr(fds[0]), "line"))
	if err != nil {
		return nil, 0, nil
	}
	return line, int(caller.Pid), nil
}

func send(line *net.UnixConn, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = line.Write(text)
	return err
}

func receive(line *net.UnixConn, message any) error {
	var text [maxMessage]byte
	n, err := line.Read(text[:])
	if err != nil {
		return err
	}
	return json.Unmarshal(text[:n], message)
}

// gone tells whether an error of a line says that the other end's process has ended.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
