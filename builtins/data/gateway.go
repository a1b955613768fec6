package data

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
)

// The engine's HTTP/JSON gateway uses the JSON form of protobuf: bytes are base64, as []byte is in Go's JSON, and
// 64-bit numbers are strings.

// number is a 64-bit number, in JSON a string or a number.
type number int64

func (n *number) UnmarshalJSON(text []byte) error {
	i, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	*n = number(i)
	return err
}

func (n number) MarshalJSON() ([]byte, error) {
	return []byte(`"` + strconv.FormatInt(int64(n), 10) + `"`), nil
}

// header is in every answer of the engine. Its numbers are never 0, and 0 is what other servers' answers leave.
type header struct {
	ClusterID json.Number `json:"cluster_id"`
	Revision  number      `json:"revision"`
}

// ofEngine reports whether an answer with this header is the engine's.
func (h header) ofEngine() bool { return h.ClusterID != "" && h.ClusterID != "0" && h.Revision > 0 }

type kv struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

type rangeRequest struct {
	Key      []byte `json:"key"`
	End      []byte `json:"range_end,omitempty"`
	Limit    int    `json:"limit,omitempty"`
	Revision number `json:"revision,omitempty"`
	KeysOnly bool   `json:"keys_only,omitempty"`
}

type rangeAnswer struct {
	Header header `json:"header"`
	KVs    []kv   `json:"kvs"`
	More   bool   `json:"more"`
}

type putAnswer struct {
	Header header `json:"header"`
}

type deleteAnswer struct {
	Header  header `json:"header"`
	Deleted number `json:"deleted"`
}

// answer is the body of an answer of the engine.
type answer interface{ header() header }

func (a *rangeAnswer) header() header  { return a.Header }
func (a *putAnswer) header() header    { return a.Header }
func (a *deleteAnswer) header() header { return a.Header }

// rangePath reads keys.
const rangePath = "/v3/kv/range"

// checkRequest is a cheap read, which only asks for the answer's header.
var checkRequest = []byte(`{"key": "AA==", "keys_only": true, "serializable": true}`)

// attempt is a request to one endpoint, and what came of it.
type attempt struct {
	at     fanout.Endpoint
	write  bool
	answer fanout.Answer
	lost   *cluster.View // the view in which the store had no majority, so that the answer was not waited for
	other  string        // why the endpoint is one of another store; "" if it is not
	bad    bool          // the answer is none of the engine
}

// succeeded reports whether the store has answered the request.
func (a *attempt) succeeded() bool {
	return a.answer.Err == nil && a.answer.Status == http.StatusOK && a.other == "" && !a.bad
}

// taken reports whether the request may have been carried out. Another store that answers a read has changed nothing.
func (a *attempt) taken() bool {
	switch {
	case a.answer.Err != nil:
		return a.answer.Err.Sent
	case a.other != "":
		return a.write && a.answer.Status == http.StatusOK
	}
	return !notServing(a.answer)
}

// call sends a request to the first endpoint that can be reached, serves, and belongs to the store, and reads its
// answer. A request that may have been carried out is not sent again.
func (s *store) call(c *runtime.Call, path string, in any, out answer) error {
	if planned := run.Of(c).PlannedData(s.name); planned != nil && fromPlanned(planned, in, out) {
		return nil
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, read := out.(*rangeAnswer)
	var a attempt
	for _, at := range s.endpoints {
		checked := read || s.id.isChecked(at)
		if !checked {
			a = s.try(c, at, rangePath, checkRequest, &rangeAnswer{})
			checked = a.succeeded()
		}
		if checked {
			a = s.try(c, at, path, body, out)
		}
		if a.taken() || a.lost != nil || c.Context().Err() != nil {
			break
		}
	}
	switch err := c.Context().Err(); {
	case err != nil && a.write && a.taken():
		return &runtime.Error{Code: runtime.CodeCancelled, Message: c.Name + ": cut off",
			Hint: "the write may have been made", Cause: err, InDoubt: true}
	case err != nil:
		return err
	case a.other != "":
		return s.otherStore(c, a.at, a.other, a.taken())
	case a.bad:
		err := c.Errorf(fanout.Protocol, "%s: the answer of %s is not of a store: is it a client port?", c.Name, a.at)
		err.InDoubt = a.write
		return err
	case !a.succeeded():
		return s.failure(c, a.at, a.answer, a.write, a.lost)
	}
	return nil
}

// try sends a request to an endpoint, and reads its answer into out.
func (s *store) try(c *runtime.Call, at fanout.Endpoint, path string, body []byte, out answer) attempt {
	_, read := out.(*rangeAnswer)
	a := attempt{at: at, write: !read}
	request := fanout.Request{Endpoint: at, Method: http.MethodPost, Path: path, Query: s.id.query(), Body: body}
	a.answer, a.lost = s.send(c, request)
	switch {
	case a.answer.Err != nil:
	case a.answer.Status == http.StatusOK:
		a.bad = json.Unmarshal(a.answer.Body, out) != nil || !out.header().ofEngine()
		if !a.bad {
			a.other = s.id.check(at, out.header())
		}
	default:
		if a.other = otherStoreRefusal(a.answer); a.other != "" {
			s.id.refuted(at)
		}
	}
	return a
}

// slowAnswer is the time after which the managers are asked whether a request can be answered at all. Without a
// majority the engine answers only after its own timeout, 7 s and more.
const slowAnswer = time.Second

// send sends one request. While the answer is slow it asks the managers for the store's status, and gives up when the
// store has no majority: it then returns that view.
func (s *store) send(c *runtime.Call, request fanout.Request) (fanout.Answer, *cluster.View) {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	answered := make(chan fanout.Answer, 1)
	go func() {
		answered <- s.client.Do(ctx, []fanout.Request{request}, fanout.Options{Timeout: params.Seconds(s.timeout)})[0]
	}()
	slow := time.NewTimer(slowAnswer)
	defer slow.Stop()
	for {
		select {
		case answer := <-answered:
			return answer, nil
		case <-slow.C:
		}
		if v := s.view(c); v != nil && hasNoMajority(v) {
			cancel()
			answer := <-answered
			if answer.Err == nil {
				return answer, nil
			}
			return answer, v
		}
		slow.Reset(slowAnswer)
	}
}

// fromPlanned answers a request from the planned data of a dry run. It returns false for a read that only the store
// can answer.
func fromPlanned(planned *run.PlannedData, in any, out answer) bool {
	switch out := out.(type) {
	case *putAnswer:
		pair := in.(kv)
		planned.Put(pair.Key, pair.Value)
	case *deleteAnswer:
		if planned.Delete(in.(rangeRequest).Key) {
			out.Deleted = 1
		}
	case *rangeAnswer:
		request := in.(rangeRequest)
		if request.End == nil {
			value, known := planned.Get(request.Key)
			if value != nil {
				out.KVs = []kv{{request.Key, value}}
			}
			return known
		}
		pairs, more, known := planned.Range(request.Key, request.End, request.Limit)
		for _, pair := range pairs {
			out.KVs = append(out.KVs, kv{pair.Key, pair.Value})
		}
		out.More = more
		return known
	}
	return true
}
