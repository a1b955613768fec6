package model

import (
	"strings"
	"testing"
)

// Each rule of the protocol is there for a reason: without it the scenario breaks the invariant.
func TestModel_EveryWeaknessBreaks(t *testing.T) {
	const (
		order    = "a new name, the same managers in another order"
		lost     = "a lost coordinator, two repairs at once"
		lostVote = "a lost coordinator, and a survivor that has lost its vote"
		joiner   = "a lost coordinator, and a newcomer that no record names"
	)
	for _, c := range []struct {
		name      string
		weak      weakness
		scenario  string
		invariant string
	}{
		{"apply at each manager without prepare", weakness{naive: true}, order, "I5"},
		{"any manager lets a vote expire", weakness{expiryAnywhere: true}, order, "I1"},
		{"prepare whatever its epoch", weakness{noEpoch: true}, order, "I1"},
		{"prepare the coordinator together with the others", weakness{parallelCoordinator: true}, order, "I1"},
		{"commit everywhere at once", weakness{noCommitPoint: true}, order, "I5"},
		{"no comparison with the base", weakness{noBase: true}, order, "I6"},
		{"vote before it is durable", weakness{voteBeforeSync: true}, order, "I5"},
		{"commit before the last vote", weakness{commitEarly: true}, order, "I5"},
		{"votes of an old epoch count", weakness{oldVotesCount: true}, order, "I4"},
		{"the coordinator's word about an old epoch counts", weakness{lateAnswerCounts: true}, "answers of the coordinator come late", "I1"},
		{"a renewal after the expiry revives", weakness{renewalRevives: true}, order, "I1"},
		{"the coordinator is the session's first", weakness{sessionOrder: true}, "a new name, nothing fails", "I6"},
		{"the base is compared by revision alone", weakness{revisionOnly: true}, "two stores of one name, made apart", "I6"},
		{"the base is compared by revision alone, in time", weakness{revisionOnly: true}, "a runner sleeps through a removal and a new life", "I6"},
		{"a coordinator without the store takes a change of it", weakness{absentAccepts: true}, "removed while another runner changes it", "I6"},
		{"the digest of a known id is not compared", weakness{idOnly: true}, "one id, two digests", "I5"},
		{"a runner may leave out a manager", weakness{anyParticipants: true}, "a runner leaves out a manager of the store", "I5"},
		{"who missed a commit is left behind", weakness{noCatchUp: true}, "a disk loses its vote, and the next change", "I5"},
		{"who lost a vote for a new store is left behind", weakness{lostVotesStay: true}, "a disk loses its vote for a new store, and the next change", "I5"},
		{"who lost a vote takes the store from a fenced coordinator", weakness{fencedCoordinatorFollowed: true}, "a coordinator is lost while its store is created, and a survivor that has lost its vote", "I5"},
		{"who lost a vote goes on", weakness{suspectVotes: true}, "a disk loses its vote, and the next change", "I5"},
		{"commit after the expiry", weakness{commitAfterExpiry: true}, lost, "I8"},
		{"a restarted coordinator goes on with its pending change", weakness{restartKeeps: true}, lost, "I8"},
		{"repair without fence", weakness{noFence: true}, lost, "I8"},
		{"repair without fence, among survivors", weakness{noFence: true}, "a coordinator that is declared lost and is not", "I5"},
		{"repair without all survivors", weakness{someSurvivors: true}, lost, "I5"},
		{"repair asks whom the record names", weakness{recordedSurvivors: true}, joiner, "I5"},
		{"a coordinator that was heard can be declared lost", weakness{silenceNotNeeded: true}, lost, "I8"},
		{"repair makes who lost a vote the coordinator", weakness{suspectCoordinator: true}, lostVote, "I5"},
		{"who lost a vote fences a coordinator that it hears", weakness{suspectFences: true}, lostVote, "I8"},
		{"a fenced coordinator is asked", weakness{fencedCoordinatorBelieved: true}, lost, "I1"},
		{"a fenced manager is answered", weakness{fencedManagerAnswered: true}, "a lost manager that is not the coordinator", "I4"},
		{"removal forgets who was declared lost", weakness{removalUnfences: true}, "a lost coordinator, then the store is removed", "I8"},
		{"a repair that leaves no store forgets who was declared lost", weakness{nothingUnfences: true}, "a coordinator is lost while its store is created", "I8"},
		{"a fenced coordinator takes part", weakness{fencedCoordinatorTakesPart: true}, "a coordinator is lost while its store is created", "I8"},
		{"a manager votes between fence and decision", weakness{votesWhileFencing: true}, lost, "I8"},
		{"who answers at the coordinator's address is the coordinator", weakness{wipedCoordinatorBelieved: true}, lost, "I4"},
		{"a coordinator whose disk lost the commit goes on", weakness{rolledBackCoordinatorServes: true}, lost, "I5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := explore(system{find(t, c.scenario), c.weak})
			if !strings.HasPrefix(r.broken, c.invariant+":") {
				t.Fatalf("want %s broken, got %q after\n%q", c.invariant, r.broken, r.trace)
			}
			t.Logf("%s, after %d steps, %d states: %q", r.broken, len(r.trace), r.states, r.trace)
		})
	}
}

func find(t *testing.T, name string) scenario {
	for _, s := range scenarios() {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("no scenario is called %q", name)
	return scenario{}
}
