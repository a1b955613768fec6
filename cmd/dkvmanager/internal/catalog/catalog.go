package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/wire"
)

// Catalog is the open catalog of a data folder. Its methods may be called from any goroutine.
type Catalog struct {
	dir      string
	identity string
	lock     *os.File // held while the catalog is open, see lockFolder
	// repaired, mended, lost and unwritable describe a catalog that load did not find whole, see Repaired, Mended, Lost
	// and ReadOnly. They stay until the manager restarts: neither a later Update nor a repaired disk brings back a vote
	// that is missing.
	repaired   string
	mended     []string
	lost       string
	unwritable string
	// failed gets the error after which it is not known what the files hold.
	failed chan error

	// data is immutable once it is visible: Update replaces it with a changed copy.
	data atomic.Pointer[Data]
	size atomic.Int64 // of payload
	// generation is the number of the generation on disk.
	generation atomic.Uint64

	fail func(place string) error // failpoint.At; tests set another one

	mu      sync.Mutex // held by the one running Update
	payload []byte     // of the file on disk, to recognise an Update that changes nothing
	// maxStores and maxBytes are the bounds of updates that need room.
	maxStores, maxBytes int
}

// Open locks the data folder dir for this process and loads its catalog. An empty or missing folder becomes a
// new catalog. If a catalog existed and no generation of it can be read, Open returns a lost catalog (see Lost)
// and never an empty one: an empty one would have forgotten its votes (I1, I4). Open fails when another process
// holds the folder, when the disk fails to read the files, and when a newer version wrote them.
//
// If Open has to use an older generation, it calls adopt with it before it writes it: adopt changes the desired states
// that the older generation may have wrong. Adopt may be nil.
func Open(dir string, adopt func(*Data) error) (*Catalog, error) {
	return openWithin(dir, lockPatience, adopt)
}

// openWithin is like Open, with a given bound for the wait for the lock.
func openWithin(dir string, patience time.Duration, adopt func(*Data) error) (*Catalog, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	// The lock comes before the reading: another manager could replace the files in between.
	lock, err := lockFolder(dir, patience)
	if err != nil {
		return nil, err
	}
	c := &Catalog{dir: dir, lock: lock, failed: make(chan error, 1), maxStores: maxStores, maxBytes: maxBytes,
		fail: failpoint.At}
	if err := c.load(adopt); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return c, nil
}

// Close unlocks the folder.
func (c *Catalog) Close() error { return c.lock.Close() }

// Dir returns the absolute path of the data folder.
func (c *Catalog) Dir() string { return c.dir }

// Size returns the number of bytes that the catalog takes on disk. Its stores take a few times as many in memory.
func (c *Catalog) Size() int { return int(c.size.Load()) }

// Identity returns the manager's UUID, which is made with the folder and kept in it. Votes belong to the identity, not
// to the address: a manager with an empty disk is another participant and can't answer for the votes of the first.
func (c *Catalog) Identity() string { return c.identity }

// Repaired returns a sentence about why Open had to use an older generation, or "". The last change may then be
// missing, and with it a vote: the manager is suspect until the coordinators have confirmed its stores.
func (c *Catalog) Repaired() string { return c.repaired }

// Mended returns a sentence for each file of the pair that Open has written again: it was damaged, missing or old.
func (c *Catalog) Mended() []string { return c.mended }

// Generation returns the number of the generation that is on disk. It grows with each write.
func (c *Catalog) Generation() uint64 { return c.generation.Load() }

// Failed returns a channel that gets an error when a write has failed and could not be undone either. It is then not
// known which generation the next start finds, so the manager must end without answering anything: Update does not
// return.
func (c *Catalog) Failed() <-chan error { return c.failed }

// Snapshot returns the present content. All of it comes from one generation, and that generation is on disk. The maps
// and lists of Data belong to the caller; the stores in it are shared and must not be changed, so that a request costs
// the same however large the catalog is. It takes no lock, so reading does not wait for an Update that waits for the
// disk; by the time the caller looks at the snapshot the catalog may have changed. A caller that bases a change on a
// snapshot must check it again within Update.
func (c *Catalog) Snapshot() *Data { return c.data.Load().share() }

// Update changes the catalog: f edits a copy. When f returns nil, the copy is made durable and only then
// visible, so no other manager or client acts on a vote or a decision that a crash could undo (I1, I4). An error of f
// is returned unchanged. When the disk fails, the error is a *wire.Result with the code read_only. An update that needs
// room (see NeedRoom) is refused with the code catalog_full when the catalog would exceed its bounds. After any error
// the catalog is unchanged, in memory and on disk.
func (c *Catalog) Update(f func(*Data) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer failpoint.Enter("") // the operation that the caller entered ends here
	// f checks and edits in one step. Nothing comes between the check that an operation may be prepared and the record
	// of the vote, so two operations can't both pass it (I6).
	next := c.data.Load().clone()
	if err := f(next); err != nil {
		return err
	}
	next.markStarted()
	payload, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	if len(payload) > c.maxBytes {
		next.trimHistory()
		if payload, err = json.Marshal(next); err != nil {
			return fmt.Errorf("catalog: %w", err)
		}
	}
	if bytes.Equal(payload, c.payload) {
		return nil // a repeated message, for example: its effect is durable already
	}
	if err := c.checkRoom(next, len(payload)); err != nil {
		return err
	}
	// A write would replace the files from which an operator may still restore votes and decisions (I1, I4).
	if refusal := c.ReadOnly(); refusal != nil {
		return refusal
	}
	if err := c.save(next, payload, c.Generation()+1); err != nil {
		return err
	}
	return nil
}

// markStarted sets Local.Started for every instance whose desired state is Running. Update calls it, so that no caller
// can order a start without the mark: the supervisor sees the order only after both are durable.
func (d *Data) markStarted() {
	for _, s := range d.Stores {
		for _, l := range s.Local {
			l.Started = l.Started || l.Desired == wire.DesiredRunning
		}
	}
}

// cause returns the system's error, without the folder's path, which the message has already.
func cause(err error) error {
	var step *durable.Error
	if errors.As(err, &step) {
		return fmt.Errorf("%s %s: %w", step.Step, filepath.Base(step.Path), step.Err)
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s %s: %w", path.Op, filepath.Base(path.Path), path.Err)
	}
	return err
}
