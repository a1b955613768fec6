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

// The controller and each process exchange packets over a connected pair of sockets: an update, and its
// acknowledgement.

// update names the servers that are isolated from now on.
type update struct {
	Number   int          `json:"number"`
	Isolated []netip.Addr `json:"cut"`
}

// ack reports that the update with the number is applied, or why it could not be.
type ack struct {
	Number int    `json:"number"`
	Error  string `json:"error,omitempty"`
}

// maxMessage is in bytes; an update of the largest cluster is shorter.
const maxMessage = 8 << 10

// socketPair returns two connected sockets that keep the bounds of packets.
func socketPair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "netfault"), os.NewFile(uintptr(fds[1]), "netfault"), nil
}

// toConn returns a socket as a connection, and closes the file.
func toConn(socket *os.File) (*net.UnixConn, error) {
	defer socket.Close()
	conn, err := net.FileConn(socket)
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("not a unix socket")
	}
	return unixConn, nil
}

// dial connects to a controller: it makes a pair of sockets and sends one of them through the inherited socket.
func dial(controller *os.File) (*net.UnixConn, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	conn, err := toConn(ours)
	if err != nil {
		return nil, err
	}
	rights := unix.UnixRights(int(theirs.Fd()))
	if err := unix.Sendmsg(int(controller.Fd()), []byte{0}, rights, nil, unix.MSG_NOSIGNAL); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// accept returns the next connection that a process makes with dial, and the id of that process. The connection is nil
// if the message has no usable socket; its sender then reads the end of its connection.
func accept(socket *net.UnixConn) (conn *net.UnixConn, pid int, err error) {
	var text [1]byte
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := socket.ReadMsgUnix(text[:], rights)
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
	peer, err := unix.GetsockoptUcred(fds[0], unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		unix.Close(fds[0])
		return nil, 0, nil
	}
	conn, err = toConn(os.NewFile(uintptr(fds[0]), "netfault"))
	if err != nil {
		return nil, 0, nil
	}
	return conn, int(peer.Pid), nil
}

func send(conn *net.UnixConn, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = conn.Write(text)
	return err
}

func receive(conn *net.UnixConn, message any) error {
	var text [maxMessage]byte
	n, err := conn.Read(text[:])
	if err != nil {
		return err
	}
	return json.Unmarshal(text[:n], message)
}

// disconnected reports whether an error of a connection means that the process at its other end has ended.
func disconnected(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNRESET)
}
