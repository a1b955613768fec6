package local

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// store is the store "orders" on a cluster.
type store struct{ nodes []wire.Node }

// client keeps no connections, because the next cluster may use the same addresses.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// runStore creates the store with n instances on each server, starts it, and returns when it takes a write.
func runStore(t *testing.T, endpoints []string, n int) *store {
	t.Helper()
	var nodes []wire.Node
	for _, endpoint := range endpoints {
		host, _, err := net.SplitHostPort(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			nodes = append(nodes, wire.Node{
				Name: fmt.Sprintf("orders-%d", len(nodes)+1), Host: host, Manager: endpoint,
				ClustronPort: wire.DefaultClustronPort + i, ClientPort: wire.DefaultClientPort + i,
			})
		}
	}
	for _, endpoint := range endpoints {
		post(t, "http://"+endpoint+wire.StoresPath(), wire.CreateStore{Name: "orders", Nodes: nodes})
	}
	for _, n := range nodes {
		post(t, "http://"+n.Manager+wire.InstancePath("orders", n.Name)+"/start", nil)
	}
	s := &store{nodes}
	poll(t, 20*time.Second, "the store takes a write", func() bool { return s.put("ready", "yes") == nil })
	return s
}

func post(t *testing.T, url string, body any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		b = nil
	}
	resp, err := client.Post(url, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 {
		t.Fatalf("%s: %s", url, answer)
	}
}

func (s *store) put(key, value string) error {
	return s.kv("put", map[string]string{"key": encode(key), "value": encode(value)}, &struct{}{})
}

// get returns the empty string if the key does not exist or the store does not answer.
func (s *store) get(key string) string {
	var answer struct {
		KVs []struct {
			Value []byte `json:"value"`
		} `json:"kvs"`
	}
	if s.kv("range", map[string]string{"key": encode(key)}, &answer) != nil || len(answer.KVs) == 0 {
		return ""
	}
	return string(answer.KVs[0].Value)
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// kv sends a request to the first instance of the store, over the HTTP gateway of the engine.
func (s *store) kv(route string, request map[string]string, answer any) error {
	b, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	url := fmt.Sprintf("http://%s:%d/v3/kv/%s", s.nodes[0].Host, s.nodes[0].ClientPort, route)
	r, err := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(b))
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
