package builtins

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// session is the ordered list of managers that actions and queries go to.
type session struct {
	managers []member
	// identified says that the managers were asked who they are, which only changes of a topology need.
	identified bool
}

// member is one manager of a session. Info is nil when it was not reached, or not asked.
type member struct {
	fanout.Endpoint
	info *wire.Info
}

func (s *session) endpoints() []fanout.Endpoint {
	out := make([]fanout.Endpoint, len(s.managers))
	for i, m := range s.managers {
		out[i] = m.Endpoint
	}
	return out
}

func (s *session) same(endpoints []fanout.Endpoint) bool {
	if len(s.managers) != len(endpoints) {
		return false
	}
	for i, m := range s.managers {
		if m.Endpoint != endpoints[i] {
			return false
		}
	}
	return true
}

// defaultTimeout is how long a manager may take to answer where nobody said otherwise.
const defaultTimeout = 30 * time.Second

// sessionFor is the session that a call goes to: its own managers, the connected session, or the
// preset one, connected now. Its managers have said who they are, but those of the call.
func (r *Run) sessionFor(c *runtime.Call) (*session, error) {
	if c.Has("managers") {
		endpoints, err := r.parse(c)
		if err != nil {
			return nil, err
		}
		return &session{managers: members(endpoints)}, nil
	}
	s := r.session(c)
	switch {
	case s != nil && s.identified:
		return s, nil
	case s == nil && len(r.Preset) == 0:
		return nil, c.Errorf("no_managers", "no managers connected: call connect_managers{…} or pass managers = {…}")
	}
	r.adopting.Lock()
	defer r.adopting.Unlock()
	if r.adopted == nil || !r.adopted.identified {
		if err := r.adopt(c, r.probe(c, r.Preset, nil), true); err != nil {
			return nil, err
		}
	}
	r.use(c, r.adopted)
	return r.adopted, nil
}

func members(endpoints []fanout.Endpoint) []member {
	out := make([]member, len(endpoints))
	for i, e := range endpoints {
		out[i].Endpoint = e
	}
	return out
}

// adopt makes the preset managers the session, by what they answered to a first question, whichever it
// was. It does so quietly: rows are shown only when somebody did not answer. The caller holds adopting:
// of several tasks, one asks for all.
func (r *Run) adopt(c *runtime.Call, all []probed, identified bool) error {
	if silent(all) > 0 {
		endpoints := make([]fanout.Endpoint, len(all))
		for i, p := range all {
			endpoints[i] = p.Endpoint
		}
		shown := r.showing(c, endpoints)
		for _, p := range all {
			r.show(shown, p.row)
		}
		r.Reporter.End(shown)
	}
	source := r.Source
	if r.adopted != nil {
		source = "" // it was said then
	}
	s, err := r.connect(c, all, r.AllowDown, source)
	if err != nil {
		return err
	}
	s.identified = identified
	r.adopted = s
	return nil
}

// connect makes a probed list the session, unless somebody is silent and that is not allowed.
func (r *Run) connect(c *runtime.Call, all []probed, allowDown bool, source string) (*session, error) {
	s, err := chosen(c, all, allowDown)
	if err != nil {
		return nil, err
	}
	r.use(c, s)
	if source != "" {
		r.Reporter.Notice(fmt.Sprintf("connected to %s, from %s", listed(answering(all)), source))
	}
	return s, nil
}

// chosen is the session of a probed list.
func chosen(c *runtime.Call, all []probed, allowDown bool) (*session, error) {
	if c.Context().Err() != nil {
		var unheard []fanout.Endpoint
		for _, p := range all {
			if p.row.Code == fanout.Cancelled || p.row.Code == fanout.Skipped {
				unheard = append(unheard, p.Endpoint)
			}
		}
		return nil, noAnswer(c, unheard)
	}
	if n := silent(all); n > 0 && (!allowDown || n == len(all)) {
		return nil, notConnected(c, all, n)
	}
	if err := distinct(c, all); err != nil {
		return nil, err
	}
	s := &session{managers: make([]member, len(all)), identified: true}
	for i, p := range all {
		s.managers[i] = p.member
	}
	return s, nil
}

// distinct refuses a list that has one manager twice, by two names.
func distinct(c *runtime.Call, all []probed) error {
	seen := make(map[string]fanout.Endpoint, len(all))
	for _, p := range all {
		if p.info == nil {
			continue
		}
		if first, twice := seen[p.info.Identity]; twice {
			err := c.Errorf("same_manager", "not connected: %s and %s are one and the same manager: name it once", first, p.Endpoint)
			err.Hint = "where they are two, the data folder of one is a copy of the other's: start it on an empty one"
			return err
		}
		seen[p.info.Identity] = p.Endpoint
	}
	return nil
}

// listed names a few managers and counts many.
func listed(endpoints []fanout.Endpoint) string {
	if len(endpoints) > 5 {
		return fmt.Sprintf("%d managers, %s to %s", len(endpoints), endpoints[0], endpoints[len(endpoints)-1])
	}
	names := make([]string, len(endpoints))
	for i, e := range endpoints {
		names[i] = e.String()
	}
	return strings.Join(names, ", ")
}

func (r *Run) parse(c *runtime.Call) ([]fanout.Endpoint, error) {
	port := r.ManagerPort
	if c.Has("port") {
		port = c.Int("port")
	}
	endpoints, err := fanout.ParseEndpoints(c.Strings("managers"), port)
	if err != nil {
		return nil, c.Misuse("managers", "%v", err)
	}
	return endpoints, nil
}

// probed is a manager's answer to the question who it is, or to the first that it was asked; the row's
// Success says whether it is there.
type probed struct {
	member
	row report.Row
}

func silent(all []probed) int { return len(all) - len(answering(all)) }

func answering(all []probed) []fanout.Endpoint {
	var there []fanout.Endpoint
	for _, p := range all {
		if p.row.Success {
			there = append(there, p.Endpoint)
		}
	}
	return there
}

// probe asks all managers at once who they are; on, where given, gets each answer as it arrives.
func (r *Run) probe(c *runtime.Call, endpoints []fanout.Endpoint, on func(probed)) []probed {
	requests := make([]fanout.Request, len(endpoints))
	for i, e := range endpoints {
		requests[i] = fanout.Request{Endpoint: e, Method: http.MethodGet, Path: wire.InfoPath(), Idempotent: true}
	}
	all := make([]probed, len(endpoints))
	r.Client.Do(c.Context(), requests, fanout.Options{Timeout: queryTimeout(c), ConnectTimeout: connectTimeout(c), OnAnswer: func(answer fanout.Answer) {
		all[answer.Index] = readInfo(endpoints[answer.Index], answer)
		if on != nil {
			on(all[answer.Index])
		}
	}})
	return all
}

func readInfo(at fanout.Endpoint, answer fanout.Answer) probed {
	s := &step{manager: at, action: "Connect"}
	var info wire.Info
	if answer.Err == nil && answer.Status == http.StatusOK && readAnswer(answer.Body, &info) == nil && info.Identity != "" {
		return probed{member: member{Endpoint: at, info: &info}, row: connectedRow(at, answer)}
	}
	row := s.read(answer)
	if row.Success {
		row = misunderstood(at)
		row.Action = s.action
	}
	return probed{member: member{Endpoint: at}, row: row}
}

func connectedRow(at fanout.Endpoint, answer fanout.Answer) report.Row {
	return report.Row{
		Manager: at.String(), Action: "Connect", Result: report.Success, Success: true, Changed: true, Code: wire.CodeOK, Message: "Connected",
		StatusCode: answer.Status, Attempts: answer.Attempts, DurationMS: answer.Duration.Milliseconds(),
	}
}

// showing begins an action of Connect rows.
func (r *Run) showing(c *runtime.Call, endpoints []fanout.Endpoint) *report.Action {
	shown := &report.Action{Builtin: c.Name, Operations: []string{"Connect"}}
	for _, e := range endpoints {
		shown.Managers = append(shown.Managers, e.String())
	}
	r.begun(shown)
	r.Reporter.Begin(shown)
	return shown
}

func (r *Run) show(shown *report.Action, row report.Row) {
	shown.Rows = append(shown.Rows, row)
	r.Reporter.Row(shown, row)
}

// notConnected is the error of a connection that n managers did not answer. It says of the first why:
// not everywhere are rows shown.
func notConnected(c *runtime.Call, all []probed, n int) error {
	var names []fanout.Endpoint
	var first report.Row
	for _, p := range all {
		if p.row.Success {
			continue
		}
		if len(names) == 0 {
			first = p.row
		}
		names = append(names, p.Endpoint)
	}
	why := first.Message
	if n > 1 {
		why = names[0].String() + ": " + why
	}
	err := c.Errorf(first.Code, "not connected: %d of %d managers did not answer: %s: %s", n, len(all), listed(names), why)
	if n < len(all) {
		err.Hint = "start them, leave them out, or go on without them: allow_down = true (--allow-down)"
	}
	return err
}
