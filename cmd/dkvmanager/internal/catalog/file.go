package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/durable"
)

// Format is the newest format of the catalog's file that this version reads, and the format that it writes.
// Format 2 added the records of operations. A version that knows only format 1 refuses the file, because it
// would drop votes (I4).
const Format = 2

const (
	currentFile  = "catalog.json"
	previousFile = "catalog.json.1"
	damagedFile  = "catalog.json.damaged"
)

// file is the format on disk. Checksum is the SHA-256 over the bytes of Payload, in hex.
type file struct {
	Format     int             `json:"format"`
	Generation uint64          `json:"generation"`
	Checksum   string          `json:"checksum"`
	Payload    json.RawMessage `json:"payload"`
}

// errNewer means that a newer version wrote the file. It is whole, so an older generation must not replace it.
var errNewer = errors.New("newer format")

// read returns a file whose checksum matches. A missing file is fs.ErrNotExist; other errors that are no
// *os.PathError mean damage.
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
		return nil, nil, fmt.Errorf("%s: the checksum does not match the payload", path)
	}
	data := &Data{}
	if err := json.Unmarshal(f.Payload, data); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return &f, data, nil
}

// write makes payload the current file, durably, and keeps the replaced file as the previous generation. A crash
// at any point leaves a whole current file, the old or the new one. After an error the old file is current.
func write(dir string, generation uint64, payload []byte) error {
	text, err := json.Marshal(file{Format, generation, checksum(payload), payload})
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(dir, currentFile), append(text, '\n'), durable.Options{
		Mode: 0o600, Previous: filepath.Join(dir, previousFile), Failpoint: failpoint.At,
	})
}

func checksum(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:])
}
