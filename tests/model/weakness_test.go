package model

import (
	"strings"
	"testing"
)

// Without one of the protocol's rules the scenario breaks the invariant that the rule keeps.
func TestModel_EveryWeaknessBreaks(t *testing.T) {
	const (
		order         = "a new name, the same managers in another order"
		lost          = "a lost coordinator, two replacements at once"
		lostVote      = "a lost coordinator, and a survivor that lost its vote"
		doubt         = "a coordinator's disk loses the last write"
		restored      = "an older copy of a coordinator's catalog is restored"
		forgotten     = "a copy of a coordinator's catalog without the store is restored"
		bothDoubtful  = "the disks of a participant and of the coordinator lose the last write"
		doubtReplaced = "a coordinator's disk loses the last write, it falls silent and is replaced"
		joiner        = "a lost coordinator, and a joiner that no configuration names"
	)
	for _, c := range []struct {
		name      string
		weak      weakness
		scenario  string
		invariant string
	}{
		{"managers apply without prepare", weakness{naive: true}, order, "I5"},
		{"any vote expires", weakness{expiryAnywhere: true}, order, "I1"},
		{"epochs are not compared", weakness{noEpoch: true}, order, "I1"},
		{"the coordinator votes together with the others", weakness{parallelCoordinator: true}, order, "I1"},
		{"commit is sent to all at once", weakness{noCommitPoint: true}, order, "I5"},
		{"the base is not compared", weakness{noBase: true}, order, "I6"},
		{"the vote is sent before it is durable", weakness{voteBeforeSync: true}, order, "I5"},
		{"commit does not wait for the last vote", weakness{commitEarly: true}, order, "I5"},
		{"votes of an aborted epoch count", weakness{oldVotesCount: true}, order, "I4"},
		{"the coordinator's answer about an aborted epoch counts", weakness{lateAnswerCounts: true}, "the coordinator's answers arrive late", "I1"},
		{"a renewal after the end of the lease counts", weakness{renewalRevives: true}, order, "I1"},
		{"the coordinator is the first of the session", weakness{sessionOrder: true}, "a new name, nothing fails", "I6"},
		{"only the revision of the base is compared", weakness{revisionOnly: true}, "two stores of one name, created separately", "I6"},
		{"only the revision of the base is compared, after a removal", weakness{revisionOnly: true}, "a runner stalls while the store is removed and created again", "I6"},
		{"a coordinator without the store votes for a change", weakness{absentAccepts: true}, "removed while another runner changes it", "I6"},
		{"the digest of a known id is not compared", weakness{idOnly: true}, "one id, two digests", "I5"},
		{"an operation may leave out a manager", weakness{anyParticipants: true}, "a runner leaves out a manager of the store", "I5"},
		{"a manager that missed a commit does not take it", weakness{noCatchUp: true}, "a disk loses the vote, then the next change", "I5"},
		{"a manager that lost its vote for a new store is not notified", weakness{lostVotesStay: true}, "a disk loses the vote for a new store, then the next change", "I5"},
		{"a suspect manager recovers from a fenced coordinator", weakness{fencedCoordinatorFollowed: true}, "a coordinator is lost while its store is created, and a survivor that lost its vote", "I5"},
		{"a manager that lost a vote is not suspect", weakness{suspectVotes: true}, "a disk loses the vote, then the next change", "I5"},
		{"commit after the end of the lease", weakness{commitAfterExpiry: true}, lost, "I8"},
		{"a restarted coordinator keeps its prepared operation", weakness{restartKeeps: true}, lost, "I8"},
		{"replacement without promises", weakness{noFence: true}, lost, "I8"},
		{"replacement without promises, among survivors", weakness{noFence: true}, "a coordinator that is declared lost and is alive", "I5"},
		{"a survivor that has nothing of the name does not promise", weakness{absentNotFenced: true}, "a coordinator is lost while its store is created", "I5"},
		{"replacement without all survivors", weakness{someSurvivors: true}, lost, "I5"},
		{"replacement leaves out participants of prepared operations", weakness{recordedSurvivors: true}, joiner, "I5"},
		{"a coordinator that is alive is declared lost", weakness{silenceNotNeeded: true}, lost, "I8"},
		{"a suspect manager becomes the coordinator", weakness{suspectCoordinator: true}, lostVote, "I5"},
		{"a suspect manager promises to ignore a coordinator that is alive", weakness{suspectFences: true}, lostVote, "I8"},
		{"a fenced coordinator is followed", weakness{fencedCoordinatorBelieved: true}, lost, "I1"},
		{"a fenced participant gets answers", weakness{fencedManagerAnswered: true}, "a lost participant", "I4"},
		{"a removal clears the fenced managers", weakness{removalUnfences: true}, "a lost coordinator, then the store is removed", "I8"},
		{"a replacement without a store clears the fenced managers", weakness{nothingUnfences: true}, "a coordinator is lost while its store is created", "I4"},
		{"a fenced coordinator coordinates a new operation", weakness{fencedCoordinatorTakesPart: true}, "a coordinator is lost while its store is created", "I8"},
		{"a vote counts whatever its content", weakness{anyContentCounts: true}, "a field changes on the way to one manager", "I7"},
		{"the coordinator's vote counts whatever its content", weakness{anyContentCounts: true}, "a field changes on the way to the coordinator", "I7"},
		{"a refusal is believed whatever it names", weakness{unnamedRefusalCounts: true}, order, "I1"},
		{"a manager in doubt commits what it holds", weakness{commitsWhatItHolds: true}, "a manager in doubt holds another content", "I7"},
		{"a repair compares operations and not contents", weakness{contentIgnored: true}, "a manager has another content than the coordinator", "I5"},
		{"a manager that drops its records forgets the epoch", weakness{epochForgotten: true}, "managers drop their records of a name", "I1"},
		{"a manager that drops its records forgets a fence", weakness{fenceForgotten: true}, "a coordinator is lost while its store is created, and records of the name are dropped", "I8"},
		{"a manager votes between promise and decision", weakness{votesWhileFencing: true}, lost, "I8"},
		{"the coordinator's identity is not compared", weakness{wipedCoordinatorBelieved: true}, lost, "I4"},
		{"a coordinator that lost its commit is not suspect", weakness{rolledBackCoordinatorServes: true}, lost, "I5"},
		{"a suspect coordinator heals with an operation prepared at all others", weakness{pendingIgnored: true}, doubt, "I1"},
		{"a suspect coordinator asks only those that its record names", weakness{ownRecordOnly: true}, restored, "I5"},
		{"a suspect coordinator relies on a suspect manager", weakness{healsFromSuspect: true}, bothDoubtful, "I1"},
		{"a suspect manager votes for unknown names at once", weakness{noWait: true}, forgotten, "I5"},
		{"a healed coordinator continues with the epoch after the answers'", weakness{epochOfAnswers: true}, "a coordinator's disk loses writes while a manager joins", "I1"},
		{"a person's decision is carried out without new votes", weakness{decidesAtOldEpoch: true}, doubt, "I5"},
		{"a coordinator that a person lets decide is declared lost meanwhile", weakness{decidesUnheard: true}, doubtReplaced, "I8"},
		{"a suspect coordinator decides by old answers", weakness{answersKept: true}, doubtReplaced, "I8"},
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
