// Command nethttp does what the bare fasthttp program does, with the standard library's client.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const parallel = 512

func main() {
	var addresses []string
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		addresses = append(addresses, in.Text())
	}
	client := &http.Client{Timeout: 30 * time.Second}
	bodies := make([][]byte, len(addresses))
	var next, good atomic.Int64
	var wg sync.WaitGroup
	for range min(parallel, len(addresses)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(addresses) {
					return
				}
				response, err := client.Get("http://" + addresses[i] + os.Args[1])
				if err != nil {
					continue
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err == nil && response.StatusCode == http.StatusOK {
					bodies[i] = body
					good.Add(1)
				}
			}
		})
	}
	wg.Wait()
	fmt.Println(good.Load())
}
