// Command fasthttp is the baseline for fan-outs: it requests one path from every address on its standard input at once,
// with an unmodified fasthttp client, and counts the answers.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const parallel = 512

func main() {
	var addresses []string
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		addresses = append(addresses, in.Text())
	}
	client := &fasthttp.Client{
		MaxIdemponentCallAttempts: 1,
		DialTimeout: func(address string, timeout time.Duration) (net.Conn, error) {
			return (&net.Dialer{Timeout: timeout, KeepAlive: -1}).Dial("tcp", address)
		},
	}
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
				request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
				request.SetRequestURI("http://" + addresses[i] + os.Args[1])
				if err := client.DoTimeout(request, response, 30*time.Second); err == nil && response.StatusCode() == 200 {
					bodies[i] = append([]byte(nil), response.Body()...)
					good.Add(1)
				}
				fasthttp.ReleaseRequest(request)
				fasthttp.ReleaseResponse(response)
			}
		})
	}
	wg.Wait()
	fmt.Println(good.Load())
}
