package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
)

// Format is the newest form of the catalog's file that this version reads, and the one it writes.
// 2 added what operations need; a version that does not know them must not forget a vote.
const Format = 2

const (
	currentFile  = "catalog.json"
	previousFile = "catalog.json.1"
	damagedFile  = "catalog.json.damaged"
	tempFile     = "catalog.json.tmp"
	linkFile     = "catalog.json.1.tmp"
)

// file is the form on disk. Checksum is SHA-256 over the bytes of Payload.
type file struct {
	Format     int             `json:"format"`
	Generation uint64          `json:"generation"`
	Checksum   string          `json:"checksum"`
	Payload    json.RawMessage `json:"payload"`
}

// errNewer is a file that only a newer version can read: whole, so nothing may take its place.
var errNewer = errors.New("newer format")

// read returns a file that is whole. A file that is not there is fs.ErrNotExist.
func read(path string) (*file, *Data, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if head.Format > Format {
		return nil, nil, fmt.Errorf("%s has format %d, this dkvmanager reads up to %d: start a newer dkvmanager (%w)", path, head.Format, Format, errNewer)
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Checksum != checksum(f.Payload) {
		return nil, nil, fmt.Errorf("%s: the checksum does not fit its payload", path)
	}
	data := &Data{}
	if err := json.Unmarshal(f.Payload, data); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return &f, data, nil
}

// write makes payload the current file and keeps the one before as the previous. A crash at any point
// leaves a current file that is whole; an error leaves the one that was.
func write(dir string, generation uint64, payload []byte) error {
	text, err := json.Marshal(file{Format, generation, checksum(payload), payload})
	if err != nil {
		return err
	}
	current, previous := filepath.Join(dir, currentFile), filepath.Join(dir, previousFile)
	temp := filepath.Join(dir, tempFile)
	if err := writeSynced(temp, append(text, '\n')); err != nil {
		_ = os.Remove(temp)
		return err
	}
	if err := keepPrevious(dir); err != nil {
		return err
	}
	if err := os.Rename(temp, current); err != nil {
		return err
	}
	err = failpoint.At("renamed")
	if err == nil {
		err = syncFolder(dir)
	}
	if err != nil {
		// Whether the new name would survive a power cut is not known: go back to the old file.
		if back := os.Rename(previous, current); errors.Is(back, fs.ErrNotExist) {
			_ = os.Remove(current)
		}
		return err
	}
	return nil
}

// keepPrevious gives the current file, where there is one, a second name. A hard link and a rename: at
// no moment is either name without a whole file.
func keepPrevious(dir string) error {
	link := filepath.Join(dir, linkFile)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.Link(filepath.Join(dir, currentFile), link)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Rename(link, filepath.Join(dir, previousFile))
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = failpoint.At("written")
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = failpoint.At("synced")
	}
	return errors.Join(err, f.Close())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func checksum(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:])
}
