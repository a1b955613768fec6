package builtins

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// strictly parses JSON, and refuses keys that an object has twice, ignoring case, and a second value.
func strictly(text string) (any, bool) {
	if !utf8.ValidString(text) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, ok := value(d)
	if _, err := d.Token(); err != io.EOF {
		ok = false
	}
	return v, ok
}

func value(d *json.Decoder) (any, bool) {
	token, err := d.Token()
	if err != nil {
		return nil, false
	}
	switch token {
	case json.Delim('{'):
		out := map[string]any{}
		for d.More() {
			key, err := d.Token()
			name, is := key.(string)
			if err != nil || !is {
				return nil, false
			}
			for other := range out {
				if strings.EqualFold(other, name) {
					return nil, false
				}
			}
			for _, known := range []string{"success", "statusCode", "code", "operation", "state", "id", "manager", "digest", "store", "epoch", "status", "name"} {
				if strings.EqualFold(known, name) && known != name {
					return nil, false
				}
			}
			v, ok := value(d)
			if !ok {
				return nil, false
			}
			out[name] = v
		}
		_, err := d.Token()
		return out, err == nil
	case json.Delim('['):
		out := []any{}
		for d.More() {
			v, ok := value(d)
			if !ok {
				return nil, false
			}
			out = append(out, v)
		}
		_, err := d.Token()
		return out, err == nil
	}
	return token, true
}

// mutation changes an answer. It is plain data, so that a fuzzer can generate mutations.
type mutation struct {
	op      uint8
	where   uint16 // which of the places that the answer has
	payload string
	status  uint16 // the HTTP status; 0 leaves it
}

const (
	replaceValue = iota
	deleteKey
	doubleKeyBefore
	doubleKeyAfter
	foldKey
	escapeKey
	insertBytes
	truncate
	replaceAll
	dropManager    // sends the answer without the header that only managers send
	replaceManager // sends it as another manager
	operations
)

// apply returns the changed answer, or the answer itself if the mutation can't be applied to it.
func (m mutation) apply(a answered) answered {
	if m.status != 0 {
		a.status = 200 + int(m.status)%400 // a final status
	}
	var root any
	d := json.NewDecoder(strings.NewReader(a.body))
	d.UseNumber()
	if d.Decode(&root) != nil {
		root = nil
	}
	switch m.op % operations {
	case dropManager:
		a.manager = ""
	case replaceManager:
		a.manager = "m-127.48.6.66"
	case insertBytes:
		i := int(m.where) % (len(a.body) + 1)
		a.body = a.body[:i] + m.payload + a.body[i:]
	case truncate:
		a.body = a.body[:int(m.where)%(len(a.body)+1)]
	case replaceAll:
		a.body = m.payload
	default:
		var places int
		count := func(map[string]any, string) { places++ }
		walk(root, count)
		if places == 0 {
			return a
		}
		n := int(m.where) % places
		mark := ""
		walk(root, func(object map[string]any, key string) {
			if n--; n != -1 {
				return
			}
			old := encode(object[key])
			delete(object, key)
			mark = fmt.Sprintf("%d", len(a.body)) + "-place"
			object[mark] = 0
			quoted := encode(key)
			switch m.op % operations {
			case replaceValue:
				mark = quoted + ":" + m.payload
			case deleteKey:
				mark = `"x-deleted":0`
			case doubleKeyBefore:
				mark = quoted + ":" + m.payload + "," + quoted + ":" + old
			case doubleKeyAfter:
				mark = quoted + ":" + old + "," + quoted + ":" + m.payload
			case foldKey:
				mark = encode(strings.ToUpper(key)) + ":" + old
			case escapeKey:
				mark = quoted + ":" + old + `,"` + fmt.Sprintf(`\u%04x`, key[0]) + key[1:] + `":` + m.payload
			}
		})
		a.body = strings.Replace(encode(root), fmt.Sprintf(`"%d-place":0`, len(a.body)), mark, 1)
	}
	return a
}

// walk calls f for each key of each object, in an order that is the same every time.
func walk(v any, f func(object map[string]any, key string)) {
	switch v := v.(type) {
	case map[string]any:
		var keys []string
		for key := range v {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		for _, key := range keys {
			child := v[key]
			f(v, key)
			walk(child, f)
		}
	case []any:
		for _, child := range v {
			walk(child, f)
		}
	}
}

// hold runs the script of a kind against a manager whose answers of that kind are changed, and returns a
// description of the fault that it found, or "".
// Where the script says SUCCESS, the judge must have found no contradiction in the answer.
func (h *honest) hold(t *testing.T, i int, m mutation) (wrong string, success bool) {
	k := kinds[i%len(kinds)]
	asked, believed, last := 0, 0, answered{}
	h.reset(func(kind string, a answered) answered {
		if kind != k.kind {
			return a
		}
		a = m.apply(a)
		asked++
		if h.says(kind, a) {
			believed++
		}
		last = a
		return a
	})
	if k.kind == "remove" {
		h.mu.Lock()
		h.add("T", 2)
		h.mu.Unlock()
	}
	shown := runAgainst(t, strings.ReplaceAll(k.script, "HOST", h.Host), &hostile{Endpoint: h.Endpoint})
	success = strings.Contains("\n"+shown, "\nSUCCESS\n")
	if !strings.Contains(k.script, `print("SUCCESS")`) {
		success = strings.Contains(shown, "|SUCCESS|")
	}
	switch {
	case strings.Contains(shown, "runtime error") || strings.Contains(shown, "goroutine "):
		wrong = "a crash"
	case strings.Contains(shown, "|SUCCESS|absent|"):
		// The manager was asked what it has before, and did not have the instance: on a busy machine the request of the
		// case before can arrive so late.
		return "", success
	case success && asked > 0 && believed == 0:
		wrong = "SUCCESS of an answer that does not say it"
	default:
		return "", success
	}
	return fmt.Sprintf("%s: %s: %+v\nanswered %d %s\n%s", wrong, k.script, m, last.status, last.body, shown), success
}

// payloads are texts that replace a value.
var payloads = []string{`null`, `true`, `false`, `0`, `409`, `-1`, `1e300`, `""`, `"start_failed"`, `"Ok"`, `"committed"`, `"aborted"`,
	`"unknown"`, `"x"`, `[]`, `{}`, `[null]`, `"\u001b[31m"`}

// TestContradictions_NeverSucceed feeds every kind of answer, changed in every place, to the builtins that depend on
// it.
func TestContradictions_NeverSucceed(t *testing.T) {
	t.Parallel()
	type work struct {
		kind int
		m    mutation
	}
	jobs := make(chan work)
	var all sync.WaitGroup
	var mu sync.Mutex
	cases, successes := 0, map[int]int{}
	for i := range 32 {
		h := newHonest(t, fmt.Sprintf("127.48.5.%d", 1+i))
		all.Go(func() {
			for w := range jobs {
				wrong, success := h.hold(t, w.kind, w.m)
				mu.Lock()
				cases++
				if success {
					successes[w.kind]++
				}
				mu.Unlock()
				if wrong != "" {
					t.Error(wrong)
				}
			}
		})
	}
	for kind := range kinds {
		jobs <- work{kind, mutation{op: insertBytes}} // inserts nothing: the answer stays valid
		for _, status := range []uint16{1, 4, 102, 204, 209, 300, 303} {
			jobs <- work{kind, mutation{op: insertBytes, status: status}}
		}
		for _, text := range []string{"", "{}", "[]", "null", "SSH-2.0", `{"success":true}`, `{"success":false,"statusCode":200,"code":"ok"}`,
			`{"operation":"x","success":true,"statusCode":200,"code":"ok","message":"m"}`} {
			jobs <- work{kind, mutation{op: replaceAll, payload: text}}
		}
		jobs <- work{kind, mutation{op: dropManager}}
		jobs <- work{kind, mutation{op: replaceManager}}
		for where := range uint16(16) {
			for _, op := range []uint8{deleteKey, foldKey} {
				jobs <- work{kind, mutation{op: op, where: where}}
			}
			jobs <- work{kind, mutation{op: truncate, where: where * 7}}
			jobs <- work{kind, mutation{op: insertBytes, where: where * 11, payload: "\xff"}}
			jobs <- work{kind, mutation{op: insertBytes, where: where * 11, payload: `,"success":false`}}
			for i, payload := range payloads {
				if i%2 == int(where)%2 {
					jobs <- work{kind, mutation{op: replaceValue, where: where, payload: payload}}
				}
				if i%5 == (int(where)+kind)%5 {
					for _, op := range []uint8{doubleKeyBefore, doubleKeyAfter, escapeKey} {
						jobs <- work{kind, mutation{op: op, where: where, payload: payload}}
					}
				}
			}
		}
	}
	close(jobs)
	all.Wait()
	t.Logf("%d answers", cases)
	for i, k := range kinds {
		if successes[i] == 0 {
			t.Errorf("%s never succeeds, so that nothing was tested", k.script)
		}
	}
}

// FuzzContradictions_NeverSucceed does the same with mutations that the fuzzer generates:
//
//	go test ./builtins -run '^$' -fuzz Contradictions -fuzztime 60s
//
// The first time Go builds all packages anew, with counters of coverage. That takes minutes on two cores, shows
// nothing, and doesn't count as fuzz time.
func FuzzContradictions_NeverSucceed(f *testing.F) {
	// The fuzzer's workers are processes that run at the same time.
	h := newHonest(f, fmt.Sprintf("127.48.%d.%d", 64+os.Getpid()%128, 1+os.Getpid()/128%250))
	for kind := range kinds {
		f.Add(uint8(kind), uint8(insertBytes), uint16(0), "", uint16(0))
		f.Add(uint8(kind), uint8(doubleKeyBefore), uint16(kind), `false`, uint16(0))
		f.Add(uint8(kind), uint8(replaceValue), uint16(3), `"start_failed"`, uint16(0))
		f.Add(uint8(kind), uint8(insertBytes), uint16(0), " ", uint16(209))
		f.Add(uint8(kind), uint8(replaceValue), uint16(1), `"`+strings.Repeat("0", 64)+`"`, uint16(0)) // a digest
		f.Add(uint8(kind), uint8(dropManager), uint16(0), "", uint16(0))
		f.Add(uint8(kind), uint8(replaceManager), uint16(0), "", uint16(0))
	}
	f.Fuzz(func(t *testing.T, kind, op uint8, where uint16, payload string, status uint16) {
		if wrong, _ := h.hold(t, int(kind), mutation{op, where, payload, status}); wrong != "" {
			t.Error(wrong)
		}
	})
}
