package builtins

import (
	"fmt"
	"net/http"
	"time"

	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
)

// heard is what one manager answered to a question.
type heard struct {
	member
	answer fanout.Answer
	// row tells of a failure; Success is set when the answer can be used.
	row report.Row
}

// ask puts one question to every manager of the call at once, whatever parallel says.
func (r *Run) ask(c *runtime.Call, path string) ([]heard, error) {
	switch {
	case c.Has("managers"):
		endpoints, err := r.parse(c)
		if err != nil {
			return nil, err
		}
		return r.askOf(c, members(endpoints), path)
	case r.session(c) != nil:
		return r.askOf(c, r.session(c).managers, path)
	case len(r.Preset) > 0:
		return r.askFirst(c, path)
	}
	_, err := r.sessionFor(c)
	return nil, err
}

// askFirst puts a question to the preset managers and connects them by their answers: to ask them
// before whether they are there would take as long as the question.
func (r *Run) askFirst(c *runtime.Call, path string) ([]heard, error) {
	r.adopting.Lock()
	defer r.adopting.Unlock()
	if r.adopted != nil {
		r.use(c, r.adopted)
		return r.askOf(c, r.adopted.managers, path)
	}
	all, err := r.askOf(c, members(r.Preset), path)
	if err != nil {
		return nil, err
	}
	there := make([]probed, len(all))
	for i, h := range all {
		if h.answer.Err == nil && h.row.Code != fanout.Protocol && h.row.Code != fanout.HTTP {
			there[i] = probed{member: h.member, row: connectedRow(h.Endpoint, h.answer)}
		} else {
			there[i] = probed{member: h.member, row: h.row}
			there[i].row.Action = "Connect"
		}
	}
	return all, r.adopt(c, there, false)
}

func (r *Run) askOf(c *runtime.Call, managers []member, path string) ([]heard, error) {
	requests := make([]fanout.Request, len(managers))
	for i, m := range managers {
		requests[i] = fanout.Request{Endpoint: m.Endpoint, Method: http.MethodGet, Path: path, Idempotent: true}
	}
	answers := r.Client.Do(c.Context(), requests, fanout.Options{
		Timeout: queryTimeout(c), ConnectTimeout: connectTimeout(c), OnAnswer: r.counting(c, len(requests)),
	})
	r.Reporter.Progress("")
	if c.Context().Err() != nil {
		var unheard []fanout.Endpoint
		for i, answer := range answers {
			if answer.Err != nil && (answer.Err.Class == fanout.Cancelled || answer.Err.Class == fanout.Skipped) {
				unheard = append(unheard, managers[i].Endpoint)
			}
		}
		return nil, noAnswer(c, unheard)
	}
	out := make([]heard, len(answers))
	for i, answer := range answers {
		out[i] = heard{member: managers[i], answer: answer}
		if answer.Err == nil && answer.Status == http.StatusOK {
			out[i].row.Success = true
			continue
		}
		out[i].row = (&step{manager: managers[i].Endpoint}).read(answer)
		out[i].row.Success = false
	}
	r.through(path, out)
	return out, nil
}

// noAnswer is the error of a question that was cut off.
func noAnswer(c *runtime.Call, unheard []fanout.Endpoint) error {
	return cutOff(c, "no answer yet from "+listed(unheard))
}

const (
	// manyManagers take long enough to answer that a person wants to see how far they are.
	manyManagers  = 20
	countingEvery = 100 * time.Millisecond
)

// counting shows how many of many managers have answered; nil where they are few.
func (r *Run) counting(c *runtime.Call, all int) func(fanout.Answer) {
	if all <= manyManagers {
		return nil
	}
	heard, failed, told := 0, 0, time.Now()
	return func(answer fanout.Answer) {
		heard++
		if answer.Err != nil {
			failed++
		}
		if now := time.Now(); now.Sub(told) >= countingEvery {
			told = now
			r.Reporter.Progress(fmt.Sprintf("%s: %d of %d managers answered, %d failed", c.Name, heard-failed, all, failed))
		}
	}
}

// decode reads the body of a good answer; what can't be read counts as a failure.
func (h *heard) decode(to any) bool {
	if !h.row.Success {
		return false
	}
	if err := readAnswer(h.answer.Body, to); err != nil {
		h.row = h.misunderstood()
		return false
	}
	return true
}

// misunderstood is the row of an answer that came and that can't be read.
func (h *heard) misunderstood() report.Row { return misunderstood(h.Endpoint) }

func misunderstood(at fanout.Endpoint) report.Row {
	return report.Row{Manager: at.String(), Result: report.Failed, Code: fanout.Protocol, Message: "answered with something that is not of the admin API"}
}

// queryTimeout bounds each answer to a question. An action that waits long for its own answers still
// asks quickly, and no longer than it may take as a whole.
func queryTimeout(c *runtime.Call) time.Duration {
	timeout := min(defaultTimeout, seconds(c.Float("timeout_sec")))
	if end, has := deadline(c); has {
		timeout = max(time.Millisecond, min(timeout, time.Until(end)))
	}
	return timeout
}
