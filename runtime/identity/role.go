package identity

import (
	"fmt"
	"slices"
)

// Role is what an identity may do. The access log says which user or application has which role; managers and instances
// have theirs by their kind.
type Role string

// The roles.
const (
	NoRole       Role = ""
	Viewer       Role = "viewer"       // reads stores, instances and their state
	Operator     Role = "operator"     // starts, stops, restarts, repairs and settles as well
	Admin        Role = "admin"        // changes topologies and grants as well
	ManagerRole  Role = "manager"      // calls the routes between managers, and nothing else
	InstanceRole Role = "instance"     // calls the client ports of its own store, as a gateway does, and nothing else
	AppRole      Role = "app"          // reads and writes the data of one store
	ReadOnlyApp  Role = "app-readonly" // reads the data of one store
)

// CheckRole refuses a text that is no role that can be granted to a kind: users are viewers, operators or admins,
// applications may write or only read. Managers and instances are granted nothing.
func CheckRole(kind Kind, role Role) error {
	roles := map[Kind][]Role{User: {Viewer, Operator, Admin}, App: {AppRole, ReadOnlyApp}}[kind]
	if !slices.Contains(roles, role) {
		return fmt.Errorf("%.80q is not a role of a %s: want one of %v", string(role), kind, roles)
	}
	return nil
}

// Includes reports whether whoever has the role may do what takes need. An admin may do what operators may, an operator
// what viewers may, an application what read-only applications may. All other roles include only themselves.
// Nothing includes NoRole, and NoRole includes nothing.
func (r Role) Includes(need Role) bool {
	if r == NoRole || need == NoRole {
		return false
	}
	switch r {
	case Admin:
		return need == Admin || need == Operator || need == Viewer
	case Operator:
		return need == Operator || need == Viewer
	case AppRole:
		return need == AppRole || need == ReadOnlyApp
	}
	return r == need
}

// Lesser returns the smaller of two roles of one identity, which includes nothing that the other does not include. It
// is NoRole if neither includes the other.
func Lesser(a, b Role) Role {
	switch {
	case a.Includes(b):
		return b
	case b.Includes(a):
		return a
	}
	return NoRole
}

// Caller is who makes a request, by a certificate or by a bearer token, and the role that it has now.
type Caller struct {
	Identity Identity
	Role     Role
}

// Allow returns nil if the caller has one of the roles that an action takes, or a role that includes one. The error
// says who the caller is taken for and what is missing, for example "viewer ci-read may not remove a store: that takes
// admin". Action is a verb with its object, such as "remove a store".
func (c Caller) Allow(action string, need ...Role) error {
	for _, n := range need {
		if c.Role.Includes(n) {
			return nil
		}
	}
	who := string(c.Role)
	if c.Role == NoRole {
		who = string(c.Identity.Kind)
	}
	takes := "that is allowed to nobody"
	for i, n := range need {
		if i == 0 {
			takes = "that takes " + string(n)
		} else {
			takes += " or " + string(n)
		}
	}
	if c.Role == NoRole {
		return fmt.Errorf("%s %s may not %s: it has no role, and %s", who, c.Identity.Name, action, takes)
	}
	return fmt.Errorf("%s %s may not %s: %s", who, c.Identity.Name, action, takes)
}
