// Command share sends one large body to every address on its standard input, as an action does, and prints the number
// of managers that read it. Its memory must not grow with that number. The request starts an instance that no manager
// has, so that the managers don't decompress the body, which would dominate the time.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"dkvrun/runtime/fakemanager"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "share:", err)
		os.Exit(1)
	}
}

func run() error {
	size, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	var addresses []string
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		addresses = append(addresses, in.Text())
	}
	endpoints, err := fanout.ParseEndpoints(addresses, wire.DefaultManagerPort)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	for i := 0; body.Len() < size; i++ {
		fmt.Fprintf(&body, `{"name":"orders-%d","host":"10.0.%d.%d","clustronPort":7811,"clientPort":7861},`, i, i/250, i%250)
	}
	packed, compressed := fanout.Compress(body.Bytes()[:size])
	requests := make([]fanout.Request, len(endpoints))
	for i, e := range endpoints {
		requests[i] = fanout.Request{Endpoint: e, Method: "POST", Path: wire.InstancePath(fakemanager.Seeded, "nobody") + "/start", Body: packed,
			Compressed: compressed}
	}
	client := fanout.New(fanout.Config{})
	defer client.Close()
	read := 0
	for _, a := range client.Do(context.Background(), requests, fanout.Options{}) {
		if a.Err != nil {
			return a.Err
		}
		if a.Status == http.StatusNotFound {
			read++
		}
	}
	fmt.Println(read)
	return nil
}
