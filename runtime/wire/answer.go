package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"unicode/utf8"
)

// This file is the only place where answers of managers are decoded. Runners, managers and fake managers read every
// answer through it, so that none of them believes an answer that contradicts itself:
//
//   - a key that an object has twice, also in other upper and lower case, and a known key in other case;
//   - bytes that are not UTF-8, and anything after the value;
//   - a status, a code or a state that the protocol does not have;
//   - a success whose code, status code or HTTP status is that of a failure, and the reverse.
//
// Fields that this version does not know are skipped: newer managers may add some.

// ErrNoResult is the error of a body that is not a result of the admin API.
var ErrNoResult = errors.New("not a result of the admin API")

// errNotUTF8 is the error for a body that is not UTF-8.
var errNotUTF8 = errors.New("not UTF-8")

// checked is a type whose values can be outside of what the protocol allows.
type checked interface{ Check() error }

// DecodeAnswer decodes the body of an answer with status 200, other than a result, into to. After an error the value of
// to is undefined.
func DecodeAnswer(body []byte, to any) error {
	if s, ok := to.(*Store); ok {
		return decodeStore(body, s)
	}
	top, err := checkAnswer(body)
	if err != nil {
		return err
	}
	if top.has(fieldSuccess) || top.has(fieldStatusCode) {
		return fmt.Errorf("a result where %T was asked for", to)
	}
	if err := json.Unmarshal(body, to); err != nil {
		return err
	}
	if c, ok := to.(checked); ok {
		return c.Check()
	}
	return nil
}

func decodeStore(body []byte, to *Store) error {
	err := CheckElements(body)
	if err == nil && !utf8.Valid(body) {
		err = errNotUTF8
	}
	if err != nil {
		return err
	}
	whole := false
	if *to, whole, err = parseStore(body); err != nil {
		return err
	}
	if !whole {
		return errors.New("a store without a revision, or an instance without own or ready")
	}
	return to.Check()
}

// ReadResult decodes a result that came with the given HTTP status. The error is ErrNoResult if the body is none, else
// it says how the result contradicts itself or the status.
func ReadResult(status int, body []byte) (Result, error) {
	r, err := parseResult(body)
	switch {
	case errors.Is(err, errKey):
		return Result{}, err
	case err != nil || r.Code == "":
		return Result{}, ErrNoResult
	}
	return r, r.check(status)
}

// parseResult parses a result. A fan-out reads thousands of them, and encoding/json takes several times as long.
func parseResult(body []byte) (r Result, err error) {
	if err := CheckElements(body); err != nil {
		return r, err
	}
	if !utf8.Valid(body) {
		return r, errNotUTF8
	}
	s := scanner{in: body}
	err = s.object(func(name []byte) error {
		switch string(name) {
		case "operation":
			return s.string(&r.Action)
		case "success":
			return s.flag(&r.Success)
		case "statusCode":
			var n uint64
			err := s.count(&n)
			r.StatusCode = int(min(n, math.MaxInt32))
			return err
		case "code":
			return s.string(&r.Code)
		case "message":
			return s.string(&r.Message)
		case "hint":
			return s.string(&r.Hint)
		case "epoch":
			return s.count(&r.Epoch)
		case "store":
			return s.string(&r.Store)
		case "digest":
			return s.string(&r.Digest)
		case "operationId":
			return s.string(&r.OperationID)
		case "manager":
			return s.string(&r.Manager)
		}
		return s.value()
	})
	if err == nil {
		err = s.end()
	}
	return r, err
}

// check returns how a result contradicts itself or the HTTP status that it came with, or nil.
func (r *Result) check(status int) error {
	switch {
	case !isCode(r.Code):
		return fmt.Errorf("%.60q is not a code: want up to %d of a-z, 0-9 and _, from a letter", r.Code, maxCode)
	case r.StatusCode != status:
		return fmt.Errorf("HTTP status %d, but statusCode %d", status, r.StatusCode)
	case r.Success != (status == http.StatusOK):
		return fmt.Errorf("success is %t, but the status is %d", r.Success, status)
	case r.Success && !isSuccess(r.Code):
		return fmt.Errorf("success is true, but the code is %s", r.Code)
	case !r.Success && isSuccess(r.Code):
		return fmt.Errorf("success is false, but the code is %s", r.Code)
	case !r.Success && !slices.Contains(refusalStatuses, status):
		return fmt.Errorf("a refusal never has status %d", status)
	case slices.Contains(RefusalCodes, r.Code) && statusOf(r.Code) != status && !hadStatus(r.Code, status):
		return fmt.Errorf("%s never has status %d", r.Code, status)
	}
	return nil
}

// isSuccess reports whether a code is one that managers send with a success. Codes of the runner, such as timeout, are
// for requests that failed.
func isSuccess(code string) bool { return code == CodeOK || code == CodeUnchanged }

// hadStatus reports whether older managers refuse with a code at this status: an instance that was stopped while it
// started was a conflict.
func hadStatus(code string, status int) bool {
	return code == CodeStartFailed && status == http.StatusConflict
}

// maxCode is the maximum length of a code.
const maxCode = 40

// isCode reports whether a text has the form of a code: ^[a-z][a-z0-9_]{0,39}$.
func isCode(text string) bool {
	for i, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '_') {
			return false
		}
	}
	return text != "" && len(text) <= maxCode
}

// checkAnswer checks the text of an answer, which it does not decode, and returns the known keys of the outermost
// object.
func checkAnswer(body []byte) (fieldSet, error) {
	if err := CheckElements(body); err != nil {
		return fieldSet{}, err
	}
	if !utf8.Valid(body) {
		return fieldSet{}, errNotUTF8
	}
	s := scanner{in: body}
	err := s.value()
	if err == nil {
		err = s.end()
	}
	return s.top, err
}

// Check refuses a status that no operation has.
func (o *OperationStatus) Check() error {
	switch {
	case o.ID == "" || o.Manager == "":
		return errors.New("an operation without id or manager")
	case !slices.Contains(operationStates, o.State):
		return fmt.Errorf("%.60q is not a state of an operation", o.State)
	}
	return nil
}

// Check refuses a state that no store has: one whose records contradict each other, or whose configuration is not the
// one of its digest.
func (s *StoreState) Check() error {
	if s.Manager == "" {
		return errors.New("a state without manager")
	}
	if p := s.Prepared; p != nil {
		if err := p.Check(); err != nil || p.State != OperationPrepared {
			return fmt.Errorf("pending: is %.60q: %w", p.State, err)
		}
	}
	for i := range s.Decisions {
		if d := &s.Decisions[i]; d.State != OperationCommitted && d.State != OperationAborted {
			return fmt.Errorf("decided[%d]: is %.60q", i, d.State)
		}
	}
	if len(s.Asks) > MaxInstances {
		return fmt.Errorf("asks: has %d steps", len(s.Asks))
	}
	for i := range s.Asks {
		if err := s.Asks[i].Check(); err != nil {
			return fmt.Errorf("asks[%d]: %w", i, err)
		}
	}
	if c := s.Configuration; c != nil && c.Digest != "" && c.Digest != Digest(s.Store, c.Nodes) {
		return errors.New("configuration: the digest is that of other nodes")
	}
	return nil
}

// Check refuses metrics without a window, which every answer has, negative ones, and those of an instance that are
// listed twice: their sum would count them twice.
func (m *Metrics) Check() error {
	if !(m.WindowSec > 0) {
		return errors.New("metrics without a window")
	}
	type key struct{ store, instance, category, name string }
	listed := map[key]bool{} // not made larger for metrics that are refused
	for i := range m.Metrics {
		metric := &m.Metrics[i]
		k := key{metric.Store, metric.Instance, metric.Category, metric.Name}
		switch {
		case metric.Total < 0 || metric.Rate != nil && *metric.Rate < 0:
			return fmt.Errorf("metrics[%d]: is negative", i)
		case listed[k]:
			return fmt.Errorf("metrics[%d]: is listed twice", i)
		}
		listed[k] = true
	}
	return nil
}

// Check refuses a description of a manager without an identity, and one that exceeds the bounds.
func (i *Info) Check() error {
	switch {
	case i.Identity == "":
		return errors.New("a manager without identity")
	case len(i.Build) > maxBuild:
		return fmt.Errorf("build: has %d bytes", len(i.Build))
	}
	return i.Condition.check()
}
