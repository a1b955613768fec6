package etcd

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func (in *instance) endpoint() string {
	return net.JoinHostPort(in.spec.Host, strconv.Itoa(clientPort))
}

// client speaks gRPC to this instance alone.
func (in *instance) client() *clientv3.Client {
	in.t.Helper()
	client, err := dial("", []string{in.endpoint()})
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = client.Close() })
	return client
}

// post calls a JSON route.
func (in *instance) post(path string, body any) (map[string]any, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://"+in.endpoint()+path, "application/json", bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	var out map[string]any
	return out, json.Unmarshal(text, &out)
}

// mustPost is post where it must work.
func (in *instance) mustPost(path string, body any) map[string]any {
	in.t.Helper()
	out, err := in.post(path, body)
	if err != nil {
		in.t.Fatalf("%s: %v", in.spec.Instance, err)
	}
	return out
}

func (in *instance) put(key, value string) {
	in.t.Helper()
	in.mustPost("/v3/kv/put", map[string]any{"key": b64(key), "value": b64(value)})
}

// get is empty for a key that isn't there.
func (in *instance) get(key string) string {
	in.t.Helper()
	out := in.mustPost("/v3/kv/range", map[string]any{"key": b64(key)})
	kvs, _ := out["kvs"].([]any)
	if len(kvs) == 0 {
		return ""
	}
	value, err := base64.StdEncoding.DecodeString(kvs[0].(map[string]any)["value"].(string))
	if err != nil {
		in.t.Fatal(err)
	}
	return string(value)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
