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

// newestFormat is the newest format of the catalog's file that this version reads, and the format that it writes.
// Format 2 added the records of operations. A version that knows only format 1 refuses the file, because it
// would drop votes (I4).
const newestFormat = 2

// The files of a catalog. A crash at any step of write leaves one of these states:
//
//	temporary file written, all or in part      current file: generation n,   previous: n-1 (or n)
//	current file renamed, folder not synced     current file: n or n+1,       previous: n-1 or n
//	folder synced                               current file: n+1,            previous: n
//
// In the first two Update has not returned: no client was told of n+1, and finding n or n+1 is both correct. A file
// that is damaged is none of these states; it means a damaged disk or an edit by hand (see newest).
const (
	currentFile  = "catalog.json"
	previousFile = "catalog.json.1"       // the generation before; read only if the current file is damaged or missing
	damagedFile  = "catalog.json.damaged" // kept for the operator, and never read
)

// file is the format on disk.
type file struct {
	// Format is read before everything else, so that a newer file is recognised whatever else it has.
	Format int `json:"format"`
	// Generation counts the writes of this folder, from 1. It is for messages and operators: which of two files is
	// newer follows from their names.
	Generation uint64 `json:"generation"`
	// Checksum is the SHA-256 over the bytes of Payload, in hex. Without it a flipped bit could turn one valid epoch or
	// decision into another, without an error.
	Checksum string `json:"checksum"`
	// Payload is a Data. It stays as bytes until its checksum has been compared.
	Payload json.RawMessage `json:"payload"`
}

// errNewer means that a newer version wrote the file. It is intact, so an older generation must not replace it.
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
	// The format comes before the checksum: a newer version may have changed what the checksum covers.
	if head.Format > newestFormat {
		return nil, nil, fmt.Errorf("%s has format %d, this dkvmanager reads up to %d: start a newer dkvmanager (%w)", path, head.Format, newestFormat, errNewer)
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Checksum != checksum(f.Payload) {
		return nil, nil, fmt.Errorf("%s: the checksum does not match the payload", path)
	}
	// Formats 1 and 2 are read by the same structure: what format 1 lacks is empty.
	data := &Data{}
	if err := json.Unmarshal(f.Payload, data); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return &f, data, nil
}

// write makes payload the current file, durably, and keeps the replaced file as the previous generation. A crash at any
// point leaves a complete current file, the old or the new one. After an error the old file is current.
func write(dir string, generation uint64, payload []byte) error {
	text, err := json.Marshal(file{newestFormat, generation, checksum(payload), payload})
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
