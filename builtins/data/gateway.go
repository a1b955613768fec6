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

// call sends a request to the first endpoint that can be reached and serves, and reads its answer. A request that may
// have been carried out is not sent again.
func (s *store) call(c *runtime.Call, path string, in any, out answer) error {
	if planned := run.Of(c).PlannedData(s.name); planned != nil && fromPlanned(planned, in, out) {
		return nil
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, read := out.(*rangeAnswer)
	var at fanout.Endpoint
	var last fanout.Answer
	var lost *cluster.View
	for _, at = range s.endpoints {
		last, lost = s.send(c, fanout.Request{Endpoint: at, Method: http.MethodPost, Path: path, Body: body})
		taken := last.Err == nil && !notServing(last) || last.Err != nil && last.Err.Sent
		if taken || lost != nil || c.Context().Err() != nil {
			break
		}
	}
	switch err := c.Context().Err(); {
	case err != nil && !read && (last.Err == nil || last.Err.Sent):
		return &runtime.Error{Code: runtime.CodeCancelled, Message: c.Name + ": cut off",
			Hint: "the write may have been made", Cause: err, InDoubt: true}
	case err != nil:
		return err
	case last.Err != nil || last.Status != http.StatusOK:
		return s.failure(c, at, last, !read, lost)
	}
	if err := json.Unmarshal(last.Body, out); err != nil || !out.header().ofEngine() {
		err := c.Errorf(fanout.Protocol, "%s: the answer of %s is not of a store: is it a client port?", c.Name, at)
		err.InDoubt = !read
		return err
	}
	return nil
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
