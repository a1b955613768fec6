package access

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxPull is the maximum size of the lines that one manager takes from another at a time, in bytes.
const MaxPull = 1 << 20

// maxForks is the maximum number of branches that are kept beside a log.
const maxForks = 16

// maxSkew is how far the time of a new line may be from the clock of the manager that takes it.
const maxSkew = 10 * time.Minute

// Log is an access log of which every line has been verified, with the branches that differ from it. It isn't safe for
// concurrent use; the states that it returns are.
type Log struct {
	roots []Hash // the trusted keys of roots, of which one has to vouch for each branch
	main  branch
	other []branch // neither is a part of another one or of main
	state *State   // of main, restricted by the others
}

// branch is a whole log.
type branch struct {
	entries []Entry
	hashes  []Hash // of the entries
	bytes   int    // of all lines
	state   *State // of these entries alone
}

// Fork is a branch that differs from the log, for people to see.
type Fork struct {
	Number int64 // of the first line that differs
	Theirs Hash  // the hash of that line in the branch: Settle takes it
	Ours   Hash  // the hash of that line in the log; zero if the log ends before it
	Lines  int64 // of the branch, from that line on
	Signer Hash  // who signed that line in the branch
	// By and OursBy describe who signed these lines, for people: the authority, or the URI of an admin.
	By, OursBy string
}

// LineError is a line that isn't accepted.
type LineError struct {
	Number int64 // in the log; counted from the start of the text if its first line can't be read
	Err    error
}

func (e *LineError) Error() string {
	return fmt.Sprintf("line %d of the access log %v", e.Number, e.Err)
}

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// GapError says that lines don't connect to the log: the sender has to be asked for lines from an earlier number.
type GapError struct {
	From int64 // the number to ask for
}

func (e *GapError) Error() string {
	return fmt.Sprintf("the lines don't connect to the access log: ask for those from number %d", e.From)
}

// Start begins the log of a cluster, with the key of its root.
func Start(cluster string, root *ecdsa.PrivateKey, now time.Time) (*Log, error) {
	key, err := PublicKey(&root.PublicKey)
	if err != nil {
		return nil, err
	}
	l := &Log{main: branch{state: newState()}}
	l.state = l.main.state
	e, err := l.Prepare(Entry{Kind: Begin, Cluster: cluster, Key: key}, root, now)
	if err != nil {
		return nil, err
	}
	l.roots = []Hash{e.Signer}
	return l, l.Append(e, now)
}

// Read verifies a whole log. One of the roots, given by the hashes of their keys, has to vouch for it: it is the root
// that began the log, or one that was added later, whose signature covers the history before it.
func Read(text []byte, roots []Hash) (*Log, error) {
	l := &Log{roots: roots, main: branch{state: newState()}}
	l.state = l.main.state
	entries, err := parse(text)
	if err != nil {
		return nil, err
	}
	change, err := l.merge(entries)
	if err == nil && change.Lines == 0 {
		err = errors.New("the access log is empty")
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// State returns what the log says. It never changes.
func (l *Log) State() *State { return l.state }

// Prepare fills in the number, the hash of the line before, the time and the signer of a line that is to follow the
// log, and signs it. It changes nothing. A line of the kind Authority must have the signature of the new root already:
// see PrepareAuthority.
func (l *Log) Prepare(e Entry, key *ecdsa.PrivateKey, now time.Time) (Entry, error) {
	if err := l.fill(&e, &key.PublicKey, now); err != nil {
		return Entry{}, err
	}
	var err error
	e.Sign, err = signature(key, e.signedText())
	return e, err
}

// PrepareAuthority prepares the line that adds a root: both keys sign it.
func (l *Log) PrepareAuthority(added, key *ecdsa.PrivateKey, now time.Time) (Entry, error) {
	text, err := PublicKey(&added.PublicKey)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Kind: Authority, Key: text}
	if err := l.fill(&e, &key.PublicKey, now); err != nil {
		return Entry{}, err
	}
	if e.Second, err = signature(added, e.secondText()); err != nil {
		return Entry{}, err
	}
	e.Sign, err = signature(key, e.signedText())
	return e, err
}

func (l *Log) fill(e *Entry, signer *ecdsa.PublicKey, now time.Time) error {
	text, err := PublicKey(signer)
	if err != nil {
		return err
	}
	if _, e.Signer, err = parseKey(text); err != nil {
		return err
	}
	s := l.main.state
	e.Number, e.Previous = s.Number+1, s.Head
	if e.Time = now.UTC().Truncate(time.Second); e.Time.Before(s.Time) {
		e.Time = s.Time // a clock that is behind
	}
	if !e.Expires.IsZero() {
		e.Expires = e.Expires.UTC().Truncate(time.Second)
	}
	return e.check()
}

// Check returns why a line, such as Prepare made it, would not be accepted after the log; nil if it would.
func (l *Log) Check(e Entry) error {
	_, err := l.main.extend([]Entry{e})
	return err
}

// Append adds one line that follows the log, such as Prepare made it. A line that was prepared for an earlier end of
// the log is refused, and has to be prepared again: so no fork arises when two lines are prepared at the same time.
func (l *Log) Append(e Entry, now time.Time) error {
	if err := e.check(); err != nil {
		return &LineError{e.Number, err}
	}
	if e.Time.Sub(now).Abs() > maxSkew && !e.Time.Equal(l.main.state.Time) {
		return &LineError{e.Number, skew(e.Time, now)}
	}
	next, err := l.main.extend([]Entry{e})
	if err != nil {
		return err
	}
	l.main = next
	l.update()
	return nil
}

// Change says what Merge did.
type Change struct {
	// Lines is the number of lines that the log has gained, compared with the part that it shared with the text.
	Lines int64
	// Replaced reports that the text won over lines of the log, which are now a branch.
	Replaced bool
	// Forked reports that the branches beside the log have changed.
	Forked bool
}

// Merge takes lines from another manager, with consecutive numbers, as its Lines returned them. They may begin anywhere
// up to the line after the log's last one, and repeat lines of the log. If the first one doesn't connect to the log,
// the error is a *GapError. A line that isn't accepted is a *LineError, and then nothing of the text is taken; nor is
// it if a line claims to be signed more than 10 minutes from now.
//
// If the lines differ from the log, both are valid branches. The branch that the authority has settled loses; else the
// longer one wins; else the one whose first different line has the smaller hash. The other one is kept, and restricts
// the state.
func (l *Log) Merge(text []byte, now time.Time) (Change, error) {
	if len(text) > MaxPull {
		return Change{}, fmt.Errorf("the lines of the access log have %d bytes: at most %d are taken at a time", len(text), MaxPull)
	}
	entries, err := parse(text)
	if err != nil {
		return Change{}, err
	}
	for _, e := range entries {
		if e.Time.Sub(now) > maxSkew {
			return Change{}, &LineError{e.Number, skew(e.Time, now)}
		}
	}
	return l.merge(entries)
}

// skew describes a line that was signed at a time that can't be.
func skew(at, now time.Time) error {
	return fmt.Errorf("was signed at %s, and the clock here says %s: set the wrong one",
		at.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
}

// merge takes entries with consecutive numbers, as Merge does, whatever the time.
func (l *Log) merge(entries []Entry) (Change, error) {
	if len(entries) == 0 {
		return Change{}, nil
	}
	first, from := entries[0].Number, l.main
	if !from.connects(entries[0]) {
		i := slices.IndexFunc(l.other, func(o branch) bool { return o.connects(entries[0]) })
		if i < 0 {
			end := int64(len(l.main.entries))
			return Change{}, &GapError{min(end+1, max(1, first-2*max(1, end+2-first)))}
		}
		from = l.other[i]
	}
	n := int(first) - 1 // the number of lines that the text has in common with a branch
	for len(entries) > 0 && n < len(from.hashes) && entries[0].hash() == from.hashes[n] {
		entries, n = entries[1:], n+1
	}
	if len(entries) == 0 {
		return Change{}, nil
	}
	base, err := from.cut(n)
	if err != nil {
		return Change{}, err
	}
	next, err := base.extend(entries)
	if err != nil {
		return Change{}, err
	}
	if !slices.ContainsFunc(l.roots, func(r Hash) bool { return next.state.pinned[r] }) {
		return Change{}, errors.New("the access log is of another authority: none of the trusted roots vouches for it")
	}
	return l.take(next)
}

// take adds a verified branch.
func (l *Log) take(next branch) (Change, error) {
	shared := l.main.shared(next)
	for _, o := range l.other {
		if o.contains(next) {
			return Change{}, nil
		}
	}
	if shared == len(l.main.entries) {
		l.main = next
		l.update()
		return Change{Lines: int64(len(next.entries) - shared)}, nil
	}
	others := slices.DeleteFunc(slices.Clone(l.other), func(o branch) bool { return next.contains(o) })
	winner, loser := l.main, next
	if l.wins(next, shared) {
		winner, loser = next, l.main
	}
	if settled := l.settledBy(winner); !loser.has(settled, shared) {
		others = append(others, loser)
	}
	if len(others) > maxForks {
		return Change{}, fmt.Errorf("the access log has %d branches that differ, and no more are kept: settle them", maxForks)
	}
	change, before := Change{}, l.other
	if len(winner.entries) != len(l.main.entries) || winner.state.Head != l.main.state.Head {
		change.Replaced, change.Lines = true, int64(len(winner.entries)-shared)
	}
	l.main, l.other = winner, others
	l.update()
	change.Forked = !sameBranches(before, l.other)
	return change, nil
}

// sameBranches reports whether two lists have the same branches in the same order.
func sameBranches(a, b []branch) bool {
	return slices.EqualFunc(a, b, func(x, y branch) bool { return x.state.Head == y.state.Head })
}

// wins reports whether a branch takes the place of the log, with which it shares so many lines.
func (l *Log) wins(next branch, shared int) bool {
	settled := l.settledBy(next)
	theirs, ours := next.has(settled, shared), l.main.has(settled, shared)
	switch {
	case theirs != ours:
		return ours
	case len(next.entries) != len(l.main.entries):
		return len(next.entries) > len(l.main.entries)
	}
	return bytes.Compare(next.hashes[shared][:], l.main.hashes[shared][:]) < 0
}

// settledBy returns the lines that the authority has settled, in the log, its branches or one more branch.
func (l *Log) settledBy(more branch) map[Hash]bool {
	out := map[Hash]bool{}
	for _, b := range append([]branch{l.main, more}, l.other...) {
		for h := range b.state.settled {
			out[h] = true
		}
	}
	return out
}

// update makes the state anew after main or the other branches have changed, without the branches that are settled.
func (l *Log) update() {
	settled := l.settledBy(l.main)
	l.other = slices.DeleteFunc(l.other, func(o branch) bool {
		return l.main.contains(o) || o.has(settled, l.main.shared(o))
	})
	if len(l.other) == 0 {
		l.state = l.main.state
		return
	}
	l.state = l.main.state.clone()
	for _, o := range l.other {
		n := l.main.shared(o)
		fork := Fork{Number: int64(n) + 1, Theirs: o.hashes[n], Lines: int64(len(o.entries) - n),
			Signer: o.entries[n].Signer, By: o.state.describeSigner(o.entries[n].Signer)}
		if n < len(l.main.hashes) {
			fork.Ours, fork.OursBy = l.main.hashes[n], l.main.state.describeSigner(l.main.entries[n].Signer)
		}
		l.state.Forks = append(l.state.Forks, fork)
		l.state.restrict(o.state)
	}
}

// Settle ends a fork with a line that the authority's key signs: the lines of one side count nothing from the one on
// whose hash is given. It is Fork.Theirs, or Fork.Ours: then the branch takes the place of the log. A longer branch
// wins until then, and whoever has caused the fork may have made his the longer one.
func (l *Log) Settle(of Hash, key *ecdsa.PrivateKey, now time.Time) error {
	i := slices.IndexFunc(l.state.Forks, func(f Fork) bool { return of != Hash{} && (f.Theirs == of || f.Ours == of) })
	if i < 0 {
		return errors.New("the access log has no branch with this line")
	}
	onto := l.main
	if l.state.Forks[i].Ours == of {
		onto = l.other[i] // Forks has the order of other
	}
	e, err := (&Log{main: onto}).Prepare(Entry{Kind: Settle, Of: of}, key, now)
	if err != nil {
		return err
	}
	_, err = l.merge([]Entry{e})
	return err
}

// Head is the last line of a branch. Managers tell each other theirs.
type Head struct {
	Number int64 `json:"number"`
	Hash   Hash  `json:"hash"`
}

// Heads returns the last line of the log, and then those of the branches that differ from it.
func (l *Log) Heads() []Head {
	out := []Head{l.main.head()}
	for _, o := range l.other {
		out = append(out, o.head())
	}
	return out
}

// Knows reports whether the log or one of its branches has the line.
func (l *Log) Knows(h Head) bool {
	for _, b := range append([]branch{l.main}, l.other...) {
		if h.Number >= 1 && h.Number <= int64(len(b.hashes)) && b.hashes[h.Number-1] == h.Hash {
			return true
		}
	}
	return false
}

// Lines returns lines of the log or of the branch that has a certain line, from a number on, for another manager to
// merge: whole lines, of at most MaxPull bytes together. It reports whether there is such a branch. The line need not
// be the last one any more: the log may have grown since the other manager was told.
func (l *Log) Lines(of Hash, from int64) ([]byte, bool) {
	for _, b := range append([]branch{l.main}, l.other...) {
		if slices.Contains(b.hashes, of) {
			return b.lines(from, MaxPull), true
		}
	}
	return nil, false
}

// First returns the first lines of the log, without branches: whole lines, of at most MaxPull bytes together.
func (l *Log) First() []byte { return l.main.lines(1, MaxPull) }

func (b branch) head() Head { return Head{b.state.Number, b.state.Head} }

// lines returns lines from a number on, of at most so many bytes together, but at least one if there is one.
func (b branch) lines(from int64, bytes int) []byte {
	var out []byte
	for n := max(from, 1); n <= int64(len(b.entries)); n++ {
		line := b.entries[n-1].encode()
		if len(out) > 0 && len(out)+len(line) > bytes {
			break
		}
		out = append(out, line...)
	}
	return out
}

// Pull takes what another manager has, whose heads are known, and whose lines fetch returns, as its Lines does. It asks
// for branches that it doesn't know, from the line that may be the first new one, and earlier if that doesn't connect.
func (l *Log) Pull(heads []Head, fetch func(head Hash, from int64) ([]byte, error), now time.Time) error {
	return pull(l, heads, fetch, now)
}

// puller is what pull needs of a log.
type puller interface {
	State() *State
	Knows(Head) bool
	Merge(text []byte, now time.Time) (Change, error)
}

func pull(l puller, heads []Head, fetch func(head Hash, from int64) ([]byte, error), now time.Time) error {
	var failed error // one bad branch doesn't hide the others
	for _, h := range heads[:min(len(heads), maxForks+1)] {
		if err := pullBranch(l, h, fetch, now); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

func pullBranch(l puller, h Head, fetch func(head Hash, from int64) ([]byte, error), now time.Time) error {
	from := max(1, min(l.State().Number+1, h.Number))
	for merged := false; !l.Knows(h); {
		text, err := fetch(h.Hash, from)
		if err != nil {
			return err
		}
		_, err = l.Merge(text, now)
		var gap *GapError
		switch {
		case errors.As(err, &gap):
			// Lines that came after others were merged connect, unless the branch has been settled in the meantime.
			if merged || gap.From >= from {
				return nil
			}
			from = gap.From
		case err != nil:
			return err
		default:
			merged = true
			n := int64(bytes.Count(text, []byte("\n"))) // the lines are valid, so they are so many
			if from += n; n == 0 || from > h.Number {
				return nil // the other one has no more of it
			}
		}
	}
	return nil
}

// parse reads lines, each with its end, whose numbers are consecutive.
func parse(text []byte) ([]Entry, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("the access log has %d bytes: at most %d are allowed", len(text), maxBytes)
	}
	var out []Entry
	for number := int64(0); len(text) > 0; {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return nil, &LineError{number + 1, errCut}
		}
		e, err := decode(line)
		if err != nil {
			return nil, &LineError{number + 1, err}
		}
		if e.Number < 1 || len(out) > 0 && e.Number != number+1 {
			return nil, &LineError{number + 1, fmt.Errorf("has the number %d", e.Number)}
		}
		number = e.Number
		out, text = append(out, e), rest
	}
	return out, nil
}

// errCut is a line without its end.
var errCut = errors.New("is cut off")

// extend returns the branch with more lines, which it verifies. The branch stays as it is.
func (b branch) extend(entries []Entry) (branch, error) {
	next := branch{slices.Clip(b.entries), slices.Clip(b.hashes), b.bytes, b.state.clone()}
	for _, e := range entries {
		if err := next.state.apply(e, false); err != nil {
			return b, &LineError{e.Number, err}
		}
		if next.bytes += len(e.encode()); next.bytes > maxBytes {
			return b, &LineError{e.Number, fmt.Errorf("exceeds the limit of %d MiB", maxBytes>>20)}
		}
		next.entries, next.hashes = append(next.entries, e), append(next.hashes, next.state.Head)
	}
	return next, nil
}

// cut returns the first n lines of the branch, which were verified before.
func (b branch) cut(n int) (branch, error) {
	if n == len(b.entries) {
		return b, nil
	}
	out := branch{entries: slices.Clip(b.entries[:n]), hashes: slices.Clip(b.hashes[:n]), state: newState()}
	for _, e := range out.entries {
		if err := out.state.apply(e, true); err != nil {
			return out, &LineError{e.Number, err}
		}
		out.bytes += len(e.encode())
	}
	return out, nil
}

// contains reports whether all lines of another branch are the first lines of this one.
func (b branch) contains(o branch) bool {
	n := len(o.hashes)
	return n <= len(b.hashes) && (n == 0 || b.hashes[n-1] == o.hashes[n-1])
}

// shared returns the number of first lines that two branches share.
func (b branch) shared(o branch) int {
	n := 0
	for n < len(b.hashes) && n < len(o.hashes) && b.hashes[n] == o.hashes[n] {
		n++
	}
	return n
}

// connects reports whether a line may follow, or is, a line of the branch.
func (b branch) connects(e Entry) bool {
	n := e.Number - 1 // lines before it
	return n == 0 || n <= int64(len(b.hashes)) && b.hashes[n-1] == e.Previous
}

// has reports whether the branch has one of the lines, beyond its first n.
func (b branch) has(lines map[Hash]bool, n int) bool {
	return slices.ContainsFunc(b.hashes[n:], func(h Hash) bool { return lines[h] })
}
