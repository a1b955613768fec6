package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dkvrun/runtime/durable"
)

// Formats of the catalog's file. A version that does not know a format refuses the file, because it would drop promises
// (I4). A file is written in the lowest format that has everything that is in it, so that an older version can be
// started again as long as it loses nothing.
const (
	formatOperations = 2 // the records of operations
	formatSuspect    = 3 // Data.SuspectNames
	newestFormat     = formatSuspect
)

// formatOf returns the lowest format that holds d.
func formatOf(d *Data) int {
	if d.SuspectNames {
		return formatSuspect
	}
	return formatOperations
}

// The files of a catalog. The main file and its twin have the same content. A write syncs both new files, renames the
// previous file, the main file and the twin, and syncs the folder: a crash at any step leaves
//
//	before the renames   main: generation n,          twin: n,          previous: n-1
//	between them         main: n or n+1,              twin: n or n+1,   previous: n-1 or n
//	folder synced        main: n+1,                   twin: n+1,        previous: n
//
// In the first two Update has not returned: no client was told of n+1, and finding n or n+1 is both correct. A file
// that is damaged is none of these states; it means a damaged disk or an edit by hand (see choose).
//
// Versions without the twin read it as their previous generation, and their first write puts a main file there, without
// the mark of a twin.
const (
	mainFile     = "catalog.json"
	twinFile     = "catalog.json.1"
	previousFile = "catalog.json.2" // the generation before; read only if main file and twin do not show the latest one
	// damagedSuffix ends the name under which a file that can't be used is kept for the operator; it is never read.
	damagedSuffix = ".damaged"
)

// file is the format on disk.
type file struct {
	// Format is read before everything else, so that a newer file is recognised whatever else it has.
	Format int `json:"format"`
	// Generation counts the writes of this folder, from 1. Of two whole files the one with the higher generation is
	// newer. Other managers remember the highest one of which they have heard.
	Generation uint64 `json:"generation"`
	// Twin marks the twin. In its place an older version keeps the generation before, which lacks its last change.
	Twin bool `json:"twin,omitempty"`
	// Checksum is the SHA-256 over the bytes of Payload, in hex. Without it a flipped bit could turn one valid epoch or
	// decision into another, without an error.
	Checksum string `json:"checksum"`
	// HeaderChecksum is the SHA-256 over all other fields, in hex, with Checksum for the payload. Files of versions
	// without the twin don't have it.
	HeaderChecksum string `json:"headerChecksum,omitempty"`
	// Payload is a Data. It stays as bytes until its checksum has been compared.
	Payload json.RawMessage `json:"payload"`
}

// errNewer means that a newer version wrote the file. It is intact, so an older generation must not replace it.
var errNewer = errors.New("newer format")

// read returns a file whose checksums match. A missing file is fs.ErrNotExist; other errors that are no
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
	// What has a mark or a format that came with the checksum of the header has that checksum.
	if f.HeaderChecksum != "" || f.Twin || f.Format > formatOperations {
		if f.HeaderChecksum != f.headerChecksum() {
			return nil, nil, fmt.Errorf("%s: the checksum does not match the header", path)
		}
	}
	// All formats are read by the same structure: what older ones lack is empty.
	data := &Data{}
	if err := json.Unmarshal(f.Payload, data); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return &f, data, nil
}

// headerChecksum returns what HeaderChecksum has to be.
func (f *file) headerChecksum() string {
	return checksum(fmt.Appendf(nil, "format %d generation %d twin %t payload %s", f.Format, f.Generation, f.Twin, f.Checksum))
}

// encode returns the file's text. The payload is the result of json.Marshal, and is not encoded a second time.
func (f file) encode() ([]byte, error) {
	payload := f.Payload
	f.Payload = nil
	f.HeaderChecksum = f.headerChecksum()
	text, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	head, found := bytes.CutSuffix(text, []byte("null}"))
	if !found {
		return nil, fmt.Errorf("the header of %s can't be encoded: %s", mainFile, text)
	}
	out := make([]byte, 0, len(head)+len(payload)+2)
	return append(append(append(out, head...), payload...), "}\n"...), nil
}

// texts returns the texts of a main file and of its twin.
func texts(format int, generation uint64, payload []byte) (main, twin []byte, err error) {
	f := file{Format: format, Generation: generation, Checksum: checksum(payload), Payload: payload}
	if main, err = f.encode(); err != nil {
		return nil, nil, err
	}
	f.Twin = true
	twin, err = f.encode()
	return main, twin, err
}

// write makes payload the current generation, durably, in main file and twin, and keeps the replaced main file. A crash
// at any point leaves complete files of the old or the new generation. After an error the old generation is current,
// unless the error is a *durable.Error with Unknown. Fail is durable.Options.Failpoint.
func write(
	dir string, format int, generation uint64, payload []byte, fail func(place string) error,
) error {
	main, twin, err := texts(format, generation, payload)
	if err != nil {
		return err
	}
	pair := durable.Pair{
		Main: filepath.Join(dir, mainFile), Twin: filepath.Join(dir, twinFile), Previous: filepath.Join(dir, previousFile),
	}
	return pair.Replace(main, twin, durable.Options{Mode: 0o600, Failpoint: fail})
}

func checksum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
