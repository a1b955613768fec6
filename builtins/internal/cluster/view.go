package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// StoreReport is the report of one manager about one store.
type StoreReport struct {
	Member
	Store *wire.Store // nil when the manager does not know it, or did not answer
	Row   report.Row  // Success if it answered, otherwise the reason why not
	// health is what the manager says of itself; empty if it is ready.
	health wire.Health
}

// View joins the reports of all managers about one store.
type View struct {
	Name    string
	Reports []StoreReport
	// Latest is the store with the highest revision, of several the coordinator's; nil if no manager knows it.
	Latest *wire.Store
	// Instances are those of the latest topology, each as its own manager reports it.
	Instances []Instance
	// Leaving are instances that are no longer in the topology and not gone yet: first those that their own managers
	// report, then other members of the running store, which have no Owner, and no client port.
	Leaving []Instance
	// MembersReported is set if any manager compares the members of the running store with the topology, which older
	// ones don't report; MembersChecked if one has done so with the latest topology.
	MembersReported, MembersChecked bool
	Silent                          int
}

// Instance is an instance as its own manager reports it. Owner is nil if no manager owns it, or its manager did not
// answer. CatalogLost reports whether the owner can't read its catalog, and so refuses every change.
type Instance struct {
	wire.Instance
	Owner       *Member
	CatalogLost bool
}

// NewView returns the view that joins the managers' responses.
func NewView(name string, all []Response) *View {
	v := &View{Name: name}
	for _, h := range all {
		s := StoreReport{Member: h.Member, Row: h.Row, health: h.Answer.Health}
		var store wire.Store
		switch {
		case h.Decode(&store) && store.Name == name:
			s.Store, s.Row = &store, h.Row
			if v.Latest == nil || store.Revision > v.Latest.Revision || store.Revision == v.Latest.Revision && coordinates(s) {
				v.Latest = &store
			}
		case h.Answer.Err == nil && h.Row.Code == wire.CodeStoreNotFound:
			s.Row = report.Row{Success: true}
		default:
			if h.Row.Success { // an answer about another store
				h.Row = h.Unreadable()
			}
			s.Row = h.Row
			v.Silent++
		}
		v.Reports = append(v.Reports, s)
	}
	v.merge()
	return v
}

func (v *View) merge() {
	if v.Latest == nil {
		return
	}
	owned := map[string]Instance{}
	for i := range v.Reports {
		s := &v.Reports[i]
		if s.Store == nil {
			continue
		}
		for _, in := range s.Store.Instances {
			if first, twice := owned[in.Name]; in.Own && (!twice || first.Manager != first.Owner.Endpoint.String()) {
				owned[in.Name] = Instance{in, &s.Member, s.Store.CatalogLost()}
			}
		}
		for _, in := range s.Store.Leaving {
			v.Leaving = append(v.Leaving, Instance{in, &s.Member, s.Store.CatalogLost()})
		}
	}
	v.mergeMembers()
	for _, in := range v.Latest.Instances {
		seen, ok := owned[in.Name]
		if !ok {
			seen = Instance{Instance: in}
			seen.Own, seen.Status, seen.Ready, seen.Leader = false, wire.Unknown, false, false
		}
		seen.Node = in.Node
		seen.Ready = wire.InstanceReady(seen.Status, seen.Ready)
		v.Instances = append(v.Instances, seen)
	}
}

// ManagerCondition is the condition of one manager.
type ManagerCondition struct {
	Manager fanout.Endpoint
	wire.Condition
}

// Unwell lists the managers that can't be relied on for the store, in the session's order.
func (v *View) Unwell() []ManagerCondition {
	var out []ManagerCondition
	for _, s := range v.Reports {
		switch lost := ReadOnlyRow(s.Endpoint); {
		case s.Store != nil && s.Store.Condition != nil:
			out = append(out, ManagerCondition{s.Endpoint, *s.Store.Condition})
		case s.Row.Code == wire.CodeReadOnly:
			out = append(out, ManagerCondition{s.Endpoint, readOnlyAs(s.Row)})
		case s.Store != nil && s.Store.CatalogLost(): // an older manager
			out = append(out, ManagerCondition{s.Endpoint, readOnlyAs(lost)})
		case s.Store == nil && s.Row.Success && s.health != "" && v.hasParticipant(s.Member):
			out = append(out, ManagerCondition{s.Endpoint, wire.Condition{
				Health: s.health, Why: "it has forgotten the store, which others say that it keeps",
				Next: fmt.Sprintf("repair_store(%q) shows what it waits for", v.Name),
			}})
		}
	}
	return out
}

// readOnlyAs returns the condition of a manager that is read-only, as a refusal says it.
func readOnlyAs(refusal report.Row) wire.Condition {
	return wire.Condition{Health: wire.HealthReadOnly, Why: refusal.Message, Next: refusal.Hint}
}

// mergeMembers adds the members of the running store that the latest topology does not have, and that no manager
// reports as its own leaving instances.
func (v *View) mergeMembers() {
	for i := range v.Reports {
		s := v.Reports[i].Store
		if s == nil || s.Members == nil {
			continue
		}
		v.MembersReported = true
		if s.Members.Change != v.Latest.LastOperation {
			continue
		}
		v.MembersChecked = true
		for _, o := range s.Members.Orphans {
			n := wire.Node{Name: cmp.Or(o.Name, "member-"+o.ID), Host: o.Host, ClustronPort: o.ClustronPort, Role: wire.Data}
			if _, known := v.FindLeaving(n); !known {
				v.Leaving = append(v.Leaving, Instance{Instance: wire.Instance{Node: n, Status: wire.Leaving, LastError: o.Why}})
			}
		}
	}
}

// FindLeaving returns a leaving instance by its name, or by the address of its cluster port.
func (v *View) FindLeaving(n wire.Node) (Instance, bool) {
	for _, in := range v.Leaving {
		if in.Name == n.Name || strings.EqualFold(in.Host, n.Host) && in.ClustronPort == n.ClustronPort {
			return in, true
		}
	}
	return Instance{}, false
}

// Nodes returns the latest topology.
func (v *View) Nodes() []wire.Node { return v.Latest.Nodes() }

// EverStarted reports whether any instance has run or should run. The roles and founders of such a store don't change.
func (v *View) EverStarted() bool {
	for _, in := range v.Instances {
		if in.Bootstrapped || in.Started || in.Desired == wire.DesiredRunning {
			return true
		}
	}
	return false
}

// Desired returns the desired state of new instances: running if any instance of the store should run.
func (v *View) Desired() wire.Desired {
	for _, in := range v.Instances {
		if in.Desired == wire.DesiredRunning {
			return wire.DesiredRunning
		}
	}
	return wire.DesiredStopped
}

// Status returns the status of the store, from the status of all instances.
func (v *View) Status() wire.StoreStatus {
	status, _ := wire.StoreStatusOf(v.all())
	return status
}

// Ready reports whether every instance takes reads and writes. It returns false if no manager that answered can read
// its catalog: there may be more instances than those that they find.
func (v *View) Ready() bool {
	_, ready := wire.StoreStatusOf(v.all())
	return ready && !v.Latest.CatalogLost()
}

func (v *View) all() []wire.Instance {
	all := make([]wire.Instance, len(v.Instances))
	for i, in := range v.Instances {
		all[i] = in.Instance
	}
	return all
}

// NotReady lists the instances that don't take reads and writes, and why: all of them, or only the named one.
func (v *View) NotReady(instance string) []string {
	var out []string
	for _, in := range v.Instances {
		if in.Ready || instance != "" && in.Name != instance {
			continue
		}
		why := string(in.Status)
		switch {
		case in.LastError != "":
			why += ", " + in.LastError
		case in.Owner == nil:
			why += ", " + v.WhyUnknown(in)
		}
		out = append(out, in.Name+" ("+why+")")
	}
	if instance == "" && v.Latest != nil && v.Latest.CatalogLost() {
		for _, s := range v.Reports {
			if s.Store != nil {
				out = append(out, "the topology is not known: "+s.Endpoint.String()+" "+catalogLost)
			}
		}
	}
	return out
}

// ReadOnly reports whether a manager has answered that it can't read its catalog.
func (v *View) ReadOnly(at fanout.Endpoint) bool {
	return slices.ContainsFunc(v.Reports, func(s StoreReport) bool {
		return s.Endpoint == at && (s.Store != nil && s.Store.CatalogLost() || s.Row.Code == wire.CodeReadOnly)
	})
}

// ReadOnlyRow returns the failed row of a manager that can't read its catalog.
func ReadOnlyRow(at fanout.Endpoint) report.Row {
	refusal := wire.RefuseCatalogLost.With("it can't read its catalog")
	return report.Row{
		Manager: at.String(), Result: report.Failed, Code: refusal.Code, StatusCode: refusal.StatusCode,
		Message: refusal.Message, Hint: refusal.Hint,
	}
}

// catalogLost describes a manager that can't read its catalog.
const catalogLost = "is read-only, because it can't read its catalog; it shows the instances that it finds"

// WhyUnknown says why the state of an instance that has no Owner is not known: what its manager did.
func (v *View) WhyUnknown(in Instance) string {
	for _, s := range v.Reports {
		if s.Endpoint.String() != in.Manager && (in.Manager != "" || s.Endpoint.Host != in.Host) {
			continue
		}
		if !s.Row.Success {
			return "its manager " + s.Endpoint.String() + " " + NotAnswered([]report.Row{s.Row})
		}
		return "its manager " + s.Endpoint.String() + " does not have it"
	}
	return "its manager " + cmp.Or(in.Manager, "on "+in.Host) + " is not connected"
}

// SilentOwner returns the report of an instance's manager if that did not answer, otherwise nil.
func (v *View) SilentOwner(in Instance) *StoreReport {
	for i := range v.Reports {
		s := &v.Reports[i]
		if !s.Row.Success && (s.Endpoint.String() == in.Manager || s.Endpoint.Host == in.Host && in.Manager == "") {
			return s
		}
	}
	return nil
}

// Consistent returns false if managers that keep the store keep different configurations of it, otherwise nil while a
// manager did not answer, or one of the store's managers was not asked, and true if all agree.
// A manager that can't read its catalog differs from all, and so does one that others say keeps the store, and that
// does not have it.
func (v *View) Consistent() any {
	for _, s := range v.Reports {
		switch {
		case s.Store == nil && s.Row.Success && v.hasParticipant(s.Member):
			return false
		case s.Store != nil && (s.Store.CatalogLost() || otherContent(s.Store, v.Latest) != ""):
			return false
		}
	}
	if v.Silent > 0 || len(v.NotAsked()) > 0 {
		return nil
	}
	return true
}

// NotAsked returns the managers that keep the store by its latest configuration, as host:port, and are not in the
// session. Without its identity a manager is known only by its address: a manager in the session that has the store
// under an address of no listed manager counts as one that is missing.
func (v *View) NotAsked() []string {
	if v.Latest == nil {
		return nil
	}
	var missing []string
	for _, m := range v.Latest.Managers {
		if !slices.ContainsFunc(v.Reports, func(s StoreReport) bool { return s.is(m) }) {
			missing = append(missing, strings.TrimPrefix(m.URL, "http://"))
		}
	}
	unknown := 0
	for _, s := range v.Reports {
		if s.Identity() == "" && s.Store != nil && !v.hasParticipant(s.Member) {
			unknown++
		}
	}
	if unknown >= len(missing) {
		return nil
	}
	return missing
}

// is reports whether a member is a participant of an operation: by its identity, or by its address where that is not
// known.
func (m *Member) is(k wire.Manager) bool {
	if identity := m.Identity(); identity != "" {
		return k.Identity == identity
	}
	return k.URL == m.Endpoint.URL()
}

// Cluster returns the engine's id of the store's cluster; empty while no instance reports it, or if they differ.
func (v *View) Cluster() string {
	id := ""
	for _, in := range v.Instances {
		if id != "" && in.Cluster != "" && in.Cluster != id {
			return ""
		}
		id = cmp.Or(id, in.Cluster)
	}
	return id
}

// Find returns an instance of the topology by name.
func (v *View) Find(instance string) (Instance, bool) {
	for _, in := range v.Instances {
		if in.Name == instance {
			return in, true
		}
	}
	return Instance{}, false
}

// UnknownInstance returns the error for an instance that the topology does not have.
func (v *View) UnknownInstance(builtin, instance string) error {
	var names []string
	for _, in := range v.Instances {
		names = append(names, in.Name)
	}
	err := failure(wire.CodeInstanceNotFound, "%s: store %s has no instance %s", builtin, v.Name, instance)
	if near := runtime.Suggest(instance, names); near != "" {
		err.Hint = "did you mean " + near + "?"
	} else {
		err.Hint = "it has " + text.Few(names)
	}
	return err
}

// UnknownStore returns the error for a store that no manager that answered knows. silent has the rows of the managers
// that did not answer, asked is the number of all that were asked. If any did not answer, the store may still exist,
// and the code is no_answer.
func UnknownStore(builtin, name string, silent []report.Row, asked int) *runtime.Error {
	switch len(silent) {
	case 0:
		err := failure(wire.CodeStoreNotFound, "%s: no manager knows a store %s", builtin, name)
		err.Hint = "get_store() lists the stores there are"
		return err
	case asked:
		return NoAnswer(builtin, silent)
	}
	return failure(codeNoAnswer, "%s: no manager that answered knows a store %s, and %d of %d %s: %s",
		builtin, name, len(silent), asked, NotAnswered(silent), Reasons(silent))
}

// Unanswered returns the rows of the managers that did not answer.
func (v *View) Unanswered() []report.Row {
	var silent []report.Row
	for _, s := range v.Reports {
		if !s.Row.Success {
			silent = append(silent, s.Row)
		}
	}
	return silent
}

// NoAnswer returns the message for a store that no answering manager has. It names the first manager that did not
// answer, and the reason.
func (v *View) NoAnswer() string {
	for _, s := range v.Reports {
		if !s.Row.Success {
			return fmt.Sprintf("no manager that knows %s answers: %s: %s", v.Name, s.Endpoint, s.Row.Message)
		}
	}
	return "no manager knows " + v.Name
}

// Pending returns the oldest operation that managers have prepared, and these managers; nil if there is none.
func (v *View) Pending() (oldest *wire.OperationStatus, holders []fanout.Endpoint) {
	for _, s := range v.Reports {
		if s.Store == nil || s.Store.Prepared == nil {
			continue
		}
		p := s.Store.Prepared
		if oldest == nil || p.Since != nil && oldest.Since != nil && p.Since.Before(*oldest.Since) {
			oldest = p
		}
		holders = append(holders, s.Endpoint)
	}
	return oldest, holders
}

// coordinates reports whether a manager is the coordinator of the store as it describes it.
func coordinates(s StoreReport) bool {
	return slices.ContainsFunc(s.Store.Managers, func(m wire.Manager) bool {
		return s.is(m) && m.Identity == s.Store.Coordinator
	})
}

// otherContent says how a manager's store differs from the given one, or returns "". Managers that changed the store
// each by itself need only agree about the nodes.
func otherContent(s, as *wire.Store) string {
	mine, want := s.Configuration(), as.Configuration()
	switch {
	case s.LastOperation != as.LastOperation:
		return fmt.Sprintf("it was made by operation %s, not %s", s.LastOperation, as.LastOperation)
	case s.Digest != as.Digest, wire.VotedByAll(s.LastOperation) && !mine.SameContent(want):
		return cmp.Or(wire.DescribeContentDifference(mine, want), "its digest is that of other nodes")
	}
	return ""
}

// Difference is a manager whose configuration of the store differs from the coordinator's.
type Difference struct {
	Manager  fanout.Endpoint
	Revision uint64 // of its topology; 0 if it does not have the store
	Message  string
}

// Differences lists the managers whose configuration of the store differs from the coordinator's, whose decisions
// count, or from the latest one if the coordinator does not answer.
func (v *View) Differences() []Difference {
	var out []Difference
	standard, who := v.Latest, "others have"
	for _, s := range v.Reports {
		if s.Store != nil && coordinates(s) && s.Store.Coordinator == v.Latest.Coordinator {
			standard, who = s.Store, "the coordinator has"
		}
	}
	add := func(s StoreReport, revision uint64, format string, args ...any) {
		out = append(out, Difference{s.Endpoint, revision, fmt.Sprintf(format, args...)})
	}
	for _, s := range v.Reports {
		switch {
		case !s.Row.Success:
		case s.Store == nil && v.hasParticipant(s.Member):
			add(s, 0, "does not have the store, which others say that it keeps")
		case s.Store == nil:
		case s.Store.CatalogLost():
			add(s, 0, catalogLost)
		case s.Store.Creation != standard.Creation:
			add(s, s.Store.Revision, "has another store of that name, made by operation %s", s.Store.Creation)
		case s.Store.Revision != standard.Revision:
			add(s, s.Store.Revision, "has revision %d, %s %d", s.Store.Revision, who, standard.Revision)
		default:
			if how := otherContent(s.Store, standard); how != "" {
				add(s, s.Store.Revision, "has revision %d with another content: %s", s.Store.Revision, how)
			}
		}
	}
	return out
}

// Inconsistent returns the error of a change that can't be planned because managers that have the store keep different
// configurations of it; nil if they keep the same one. A manager that can't read its catalog is not compared: it
// refuses every change, and says why.
func (v *View) Inconsistent(builtin string) *runtime.Error {
	if v.Latest == nil {
		return nil
	}
	has := func(d Difference) bool {
		return slices.ContainsFunc(v.Reports, func(s StoreReport) bool {
			return s.Endpoint == d.Manager && s.Store != nil && !s.Store.CatalogLost()
		})
	}
	var differing []string
	for _, d := range v.Differences() {
		if has(d) {
			differing = append(differing, d.Manager.String()+" "+d.Message)
		}
	}
	if len(differing) == 0 {
		return nil
	}
	err := failure(codeInconsistent, "%s: the managers keep different contents of %s: %s", builtin, v.Name, fewDifferences(differing))
	err.Hint = fmt.Sprintf("repair_store(%q) gives all managers the coordinator's content; then repeat", v.Name)
	return err
}

// DescribeDifferences returns the notice of an action that runs although the store's managers differ; "" if no
// difference was seen.
func (v *View) DescribeDifferences(builtin string) string {
	if v.Latest == nil {
		return ""
	}
	var differing []string
	for _, d := range v.Differences() {
		differing = append(differing, d.Manager.String()+" "+d.Message)
	}
	if len(differing) == 0 {
		return ""
	}
	notice := fmt.Sprintf("%s: the managers of %s differ: %s", builtin, v.Name, fewDifferences(differing))
	if v.Inconsistent(builtin) != nil {
		notice += fmt.Sprintf("; repair_store(%q) gives all managers the coordinator's content", v.Name)
	}
	return notice
}

// fewDifferences joins the first differences of many.
func fewDifferences(differing []string) string {
	if more := len(differing) - maxReasons; more > 0 {
		differing = append(differing[:maxReasons:maxReasons], fmt.Sprintf("and %d other managers", more))
	}
	return strings.Join(differing, "; ")
}

// codeInconsistent is the code of a change that is refused because the managers keep different configurations.
const codeInconsistent = "inconsistent"

// hasParticipant reports whether a manager is one of the store's participants.
func (v *View) hasParticipant(m Member) bool {
	return slices.ContainsFunc(v.Latest.Managers, m.is)
}

// Missing returns an error if the session lacks one of the store's managers.
func (v *View) Missing(builtin string, s *Session) error {
	if v.Latest == nil {
		return nil
	}
	for _, m := range v.Latest.Managers {
		found := false
		for _, have := range s.Members() {
			found = found || have.Info != nil && have.Info.Identity == m.Identity
		}
		if !found {
			err := failure(wire.CodeMissingManager, "%s: %s is kept by the manager on %s too, which is not connected, or answers as another one", builtin, v.Name, m.URL)
			err.Hint = fmt.Sprintf("connect to it as well; when it is gone for good: repair_store{%q, lost = …}", v.Name)
			return err
		}
	}
	return nil
}

func failure(code, format string, args ...any) *runtime.Error {
	return &runtime.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
