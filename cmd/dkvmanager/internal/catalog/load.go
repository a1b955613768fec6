package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/durable"
)

const (
	lockFile = "lock"
	// identityFile is written last in a new folder and never again. Its presence shows that a catalog existed: a
	// folder with an identity and without a catalog is no new folder, its catalog is lost.
	identityFile = "identity"
)

// makeFolder creates dir durably with mode 0700. It accepts an existing folder only if that may be a manager's,
// so that a mistake on the command line doesn't make a home directory unreadable for others.
func makeFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := durable.MakeFolder(dir, 0o700); err != nil {
			return fmt.Errorf("data folder %s can't be made: %w", dir, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("data folder %s can't be used: %w", dir, err)
	}
	foreign := ""
	for _, e := range entries {
		if e.Name() == identityFile || e.Name() == mainFile || e.Name() == twinFile {
			foreign = ""
			break
		}
		if e.IsDir() {
			foreign = e.Name()
		}
	}
	if foreign != "" {
		return fmt.Errorf("data folder %s holds %s and no catalog: give a folder that is empty, new or a manager's own", dir, foreign)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("data folder %s can't be used: %w", dir, err)
	}
	return nil
}

// lockPatience bounds the wait for the lock. A manager that has just ended may hold it a moment longer, through
// a child that it was starting: the child releases the lock when it executes its program.
const lockPatience = 2 * time.Second

// lockFolder locks the folder until the returned file is closed or the process ends. It waits for at most patience. Two
// managers with one catalog could both vote, and for different operations (I6).
func lockFolder(dir string, patience time.Duration) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder %s can't be used: %w", dir, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for end := time.Now().Add(patience); errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by another dkvmanager: stop it, or give this one a folder of its own", dir)
		}
		return nil, fmt.Errorf("data folder %s can't be locked: %w", dir, err)
	}
	return f, nil
}

// load reads the newest intact generation and the identity, and creates both in a new folder. The catalog is created
// first, so that an identity without a catalog means that the catalog is lost.
//
//	identity  catalog               result
//	none      none                  a new folder: an empty catalog, then an identity
//	none      intact                a crash between these two: an identity is made
//	none      damaged               an error: no generation can be used
//	present   the latest intact     the usual case; a damaged or missing file of the pair is written again
//	present   an older one intact   that generation; Repaired says why, and the manager is suspect
//	present   none or damaged       a lost catalog: read-only, never an empty one (I1, I4)
//	any       unreadable            an error of Open: the files may be intact, so nothing is replaced
func (c *Catalog) load(adopt func(*Data) error) error {
	identity, err := readIdentity(c.dir)
	if err != nil {
		return err
	}
	found, err := readCopies(c.dir)
	if err != nil {
		return err
	}
	switch latest, doubt := found.choose(); {
	case latest != nil:
		c.data.Store(latest.data)
		if err := c.makeWhole(found, latest, doubt, adopt); err != nil {
			return err
		}
	case identity != "":
		c.lost = found.lost(c.dir)
		c.data.Store(&Data{Stores: map[string]*Store{}})
	case found.missing():
		if err := c.create(); err != nil {
			return err
		}
	default:
		return errors.New(found.lost(c.dir))
	}
	// The identity is written after the catalog. A crash in between leaves a catalog without votes and no identity,
	// which the next start completes. The reverse order would leave what looks like a lost catalog.
	if identity == "" {
		if identity, err = makeIdentity(c.dir); err != nil {
			return err
		}
	}
	c.identity = identity
	c.size.Store(int64(len(c.payload)))
	return nil
}

// create writes generation 1 of an empty catalog. It is called only for a folder that never had one.
func (c *Catalog) create() error {
	data := &Data{Stores: map[string]*Store{}}
	payload, err := json.Marshal(data)
	if err == nil {
		err = write(c.dir, formatOf(data), 1, payload, failpoint.At)
	}
	if err != nil {
		return fmt.Errorf("data folder %s can't be written: %w", c.dir, err)
	}
	c.generation.Store(1)
	c.payload = payload
	c.data.Store(data)
	return nil
}

// readIdentity returns the manager's UUID, or "" when there is none yet. A damaged file is an error: with a new
// identity the manager would deny its own votes.
func readIdentity(dir string) (string, error) {
	path := filepath.Join(dir, identityFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("the manager's identity can't be read: %w", err)
	}
	id, err := uuid.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		return "", fmt.Errorf("%s holds no identity (%w): restore the file, or give an empty folder", path, err)
	}
	return id.String(), nil
}

// makeIdentity gives the folder a new UUID, durably. No vote was given under it yet.
func makeIdentity(dir string) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("the manager's identity can't be made: %w", err)
	}
	err = durable.Replace(filepath.Join(dir, identityFile), []byte(id.String()+"\n"),
		durable.Options{Mode: 0o600, Failpoint: failpoint.At})
	if err != nil {
		return "", fmt.Errorf("the manager's identity can't be written: %w", err)
	}
	return id.String(), nil
}
