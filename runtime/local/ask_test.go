package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// clientVariable makes the test binary send one request from the address of the server that it names. It has no packet
// filter and uses the server's own address, so it reaches that server also while it is cut off.
const clientVariable = "LOCAL_TEST_CLIENT"

// requestFrom sends its standard input, if there is any, to a URL, and prints the response. It uses gRPC for the paths
// of the engine's gRPC service.
func requestFrom(own, url string) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(own)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	client := http.Client{Timeout: 2 * time.Second, Transport: transport}
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err == nil && len(body) > 0 {
		request, err = http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	}
	if err != nil {
		fail(err)
	}
	grpc := strings.HasPrefix(request.URL.Path, "/etcdserverpb.")
	if grpc {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("TE", "trailers")
	}
	response, err := client.Do(request)
	if err != nil {
		fail(err)
	}
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		fail(err)
	}
	if response.StatusCode != http.StatusOK || grpc && response.Trailer.Get("Grpc-Status") != "0" {
		fail(response.Status, response.Trailer)
	}
	os.Exit(0)
}

func fail(reason ...any) {
	fmt.Println(reason...)
	os.Exit(1)
}

// putFrom writes a key through an instance, with a request from the server of that instance.
func putFrom(n wire.Node, key, value string) (string, error) {
	message := fmt.Appendf(nil, "\n%c%s\x12%c%s", len(key), key, len(value), value)
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	return askFrom(n.Host, fmt.Sprintf("http://%s:%d/etcdserverpb.KV/Put", n.Host, n.ClientPort), string(frame))
}

// askFrom sends a request from the address of a server, and returns the response or the error.
func askFrom(own, url, body string) (string, error) {
	cmd := exec.Command(os.Args[0], url)
	cmd.Env = append(os.Environ(), clientVariable+"="+own)
	cmd.Stdin = strings.NewReader(body)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
