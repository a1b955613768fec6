package admin

import (
	"math"
	"slices"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

func (a *API) removeInstance(req *request) (any, error) {
	change := removeRequest{instance: req.instance}
	var err error
	if change.base, err = req.number("baseRevision", 0, 1, math.MaxUint64); err != nil {
		return nil, err
	}
	if change.loseData, err = req.flag("loseData"); err != nil {
		return nil, err
	}
	if change.founding, err = req.flag("founding"); err != nil {
		return nil, err
	}
	release, err := a.locks.take(req.store, "")
	if err != nil {
		return nil, err
	}
	defer release()
	var result *wire.Result
	err = a.change(func(d *catalog.Data) error {
		if err := checkNoPending(d, req.store); err != nil {
			return err
		}
		s, err := find(d, req.store)
		if err == nil {
			result, err = a.dropInstance(s, change)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// removeRequest holds the parameters of a request; base is 0 if any revision is accepted.
type removeRequest struct {
	instance           string
	base               uint64
	loseData, founding bool
}

// dropInstance removes the instance from s, which is a copy.
func (a *API) dropInstance(s *catalog.Store, r removeRequest) (*wire.Result, error) {
	gone := node(s.Nodes, r.instance)
	if gone == nil && r.base != 0 && s.Revision == r.base+1 {
		return unchanged("Already removed"), nil
	}
	if r.base != 0 && r.base != s.Revision {
		return nil, staleRevision(s, r.base)
	}
	if gone == nil {
		return nil, noInstance(s, r.instance)
	}
	if len(s.Nodes) == 1 {
		return nil, wire.Refuse(wire.CodeLastInstance, "%s is the last instance of %s: it goes with the store (remove_store)", gone.Name, s.Name)
	}
	started := twophase.CheckNeverStarted(s)
	if r.founding && started != nil {
		return nil, started
	}
	// If all instances are its own, the manager knows that none has run. Keeping the founders would then make the first
	// start wait for one that never comes.
	founding := r.founding || started == nil && len(a.own(s.Nodes)) == len(s.Nodes)
	leaving := *gone
	rest := slices.DeleteFunc(slices.Clone(s.Nodes), func(n wire.Node) bool { return n.Name == leaving.Name })
	if founding {
		rest = wire.AssignRoles(stripRoles(rest))
		s.Founders = wire.Founders(rest)
		delete(s.Local, leaving.Name)
	} else {
		rest = wire.AssignRoles(rest)
		if local := s.Local[leaving.Name]; local != nil {
			local.Leaving, local.LoseData = &leaving, r.loseData
		}
	}
	s.Nodes = rest
	s.Revision++
	s.LastOperation = ""
	s.Digest = wire.Digest(s.Name, rest)
	return success("Removed"), nil
}

func noInstance(s *catalog.Store, name string) error {
	return wire.RefuseInstanceNotFound.With(s.Name, name)
}
