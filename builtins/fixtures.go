package builtins

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"

	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// Fixtures is what tests can start and break. All of it ends with the test or block that made it.
type Fixtures struct {
	// Manager finds the dkvmanager program; TempDir is where its data goes.
	Manager func() (string, error)
	TempDir string
	// Executable is the runner's own program; Folder is the suite's.
	Executable, Folder string
	// AtEnd has a function called at the end of the running test or block; it returns an error where
	// none runs. Abort ends the running test.
	AtEnd func(func(context.Context) error) error
	Abort func(error)

	mu     sync.Mutex
	awaits []*Awaited
}

// Awaited is something that is to happen once a manager has answered a certain request.
type Awaited struct {
	Manager fanout.Endpoint
	Moment  string
	Do      func() error
	Err     error
}

// Moments are the requests that have names, by how their paths end.
var Moments = []string{"prepare", "commit", "abort", "start", "stop"}

// moment is the name of a request, "" for one that has none.
func moment(r fanout.Request) string {
	switch {
	case r.Method != http.MethodPost:
		return ""
	case r.Path == wire.OperationsPath():
		if isDryRun(r) {
			return ""
		}
		return "prepare"
	}
	return r.Path[strings.LastIndexByte(r.Path, '/')+1:]
}

// isDryRun tells whether a prepare only asks what speaks against a change. That of a large store is
// compressed.
func isDryRun(r fanout.Request) bool {
	body := r.Body
	if r.Compressed {
		inflate, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return false
		}
		if body, err = io.ReadAll(inflate); err != nil {
			return false
		}
	}
	return bytes.Contains(body, []byte(`"dryRun":true`))
}

// Await has do called, once, when the manager has answered the next request of that name.
func (f *Fixtures) Await(a *Awaited) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaits = append(f.awaits, a)
}

// Forget tells whether a was still waiting, and lets it wait no longer.
func (f *Fixtures) Forget(a *Awaited) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, other := range f.awaits {
		if other == a {
			f.awaits = append(f.awaits[:i:i], f.awaits[i+1:]...)
			return true
		}
	}
	return false
}

// Answered is for fanout.Config: it does what waits for an answer before anybody else gets it.
func (f *Fixtures) Answered(r fanout.Request, answer fanout.Answer) {
	if answer.Err != nil {
		return
	}
	f.mu.Lock()
	name := ""
	if len(f.awaits) > 0 {
		name = moment(r)
	}
	var now []*Awaited
	for _, a := range f.awaits {
		if a.Moment == name && a.Manager == r.Endpoint {
			now = append(now, a)
		}
	}
	f.mu.Unlock()
	for _, a := range now {
		if f.Forget(a) {
			a.Err = a.Do()
		}
	}
}
