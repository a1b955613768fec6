package wire

import (
	"errors"
	"fmt"
	"slices"
)

// MembersPath returns the path by which one manager asks another to change the members of a running store.
func MembersPath(store string) string { return StorePath(store) + "/members" }

// MemberStep is one change of the members of a running store, for one data instance.
type MemberStep string

const (
	// AddMember adds an instance of the topology as a learner.
	AddMember MemberStep = "add"
	// PromoteMember gives a learner of the topology that has caught up its vote.
	PromoteMember MemberStep = "promote"
	// LeaveMember removes an instance that the topology has dropped, once others have taken over its data.
	LeaveMember MemberStep = "leave"
	// RemoveLostMember removes an instance whose data is gone. One that the topology has is added again afterwards.
	RemoveLostMember MemberStep = "remove-lost"
)

// MemberSteps lists all values of MemberStep.
var MemberSteps = []MemberStep{AddMember, PromoteMember, LeaveMember, RemoveLostMember}

// ChangeMember is the body of POST /stores/{store}/members. It names the instance and nothing else: its address comes
// from the manager that asks, see MemberAsk.
type ChangeMember struct {
	Instance string     `json:"instance" max:"253"`
	Step     MemberStep `json:"step" max:"16"`
}

// MemberAsk is a step that a manager asks other managers for at this moment, for one of its own instances. A manager
// that is asked carries a step out only after it has read it here, from the instance's own manager. So nobody else can
// cause it.
type MemberAsk struct {
	Step MemberStep `json:"step"`
	Node Node       `json:"node"`
	// Member identifies the member in the running store, in hexadecimal; empty for AddMember. An instance that is
	// removed and added again is another member, which a late step does not affect.
	Member string `json:"member,omitempty"`
}

// Asked returns the step that a manager asks for, or nil.
func (s *StoreState) Asked(c ChangeMember) *MemberAsk {
	i := slices.IndexFunc(s.Asks, func(a MemberAsk) bool { return a.Node.Name == c.Instance && a.Step == c.Step })
	if i < 0 {
		return nil
	}
	return &s.Asks[i]
}

// Check refuses an ask that no manager makes.
func (a *MemberAsk) Check() error {
	if !slices.Contains(MemberSteps, a.Step) {
		return fmt.Errorf("%.60q is not a step", a.Step)
	}
	if len(a.Member) > maxIdentity {
		return fmt.Errorf("a member has %d bytes", len(a.Member))
	}
	return CheckTopology([]Node{a.Node})
}

// MemberRole is the role of a member in the running store.
type MemberRole string

const (
	Voter   MemberRole = "voter"
	Learner MemberRole = "learner"
)

// Members is the answer of POST /stores/{store}/members: all members after the change.
type Members struct {
	// Manager is the identity of the manager that answers.
	Manager string   `json:"manager"`
	Store   string   `json:"store"`
	Members []Member `json:"members"`
}

// Member is a data instance in the running store.
type Member struct {
	// Name is "member-" and an id for a member that is in no topology and never started.
	Name string     `json:"name"`
	Role MemberRole `json:"role"`
}

// MemberCheck is the last comparison of the running store's members with the topology, by the instances of one manager.
type MemberCheck struct {
	// Change is the operation of the topology that was compared (Store.LastOperation); empty before the first comparison.
	Change string `json:"change"`
	// Orphans lists the members that this topology doesn't have, by their ids.
	Orphans []Orphan `json:"orphans,omitempty"`
}

// Orphan is a member of the running store at an address where the topology has no data instance.
type Orphan struct {
	// ID identifies the member in the running store, in hexadecimal.
	ID string `json:"id"`
	// Name is empty for a member that never started.
	Name string `json:"name,omitempty"`
	// Host and ClustronPort are the address of its cluster port.
	Host         string `json:"host"`
	ClustronPort int    `json:"clustronPort"`
	// Why says what its removal waits for.
	Why string `json:"why"`
}

// MaxWhy is the maximum length of Orphan.Why in bytes.
const MaxWhy = 512

// Check refuses a comparison that no manager makes.
func (c *MemberCheck) Check() error {
	if len(c.Change) > maxIdentity || len(c.Orphans) > MaxInstances {
		return fmt.Errorf("a change of %d bytes, and %d orphans", len(c.Change), len(c.Orphans))
	}
	for i, o := range c.Orphans {
		switch {
		case o.ID == "" || len(o.ID) > maxIdentity:
			return fmt.Errorf("orphans[%d].id: has %d bytes", i, len(o.ID))
		case len(o.Name) > MaxText || len(o.Host) > MaxText || len(o.Why) > MaxWhy:
			return fmt.Errorf("orphans[%d]: a text is too long", i)
		}
	}
	return nil
}

// Check refuses an answer without a manager, which none gives.
func (m *Members) Check() error {
	if m.Manager == "" {
		return errors.New("members without a manager")
	}
	return nil
}
