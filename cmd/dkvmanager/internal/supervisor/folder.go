package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

func (s *Supervisor) folder(p place) string {
	return filepath.Join(s.opts.Dir, p.store, p.instance)
}

// readSpec reads what the instance was last started with; nil when it never was.
func readSpec(folder string) (*engine.Spec, error) {
	text, err := os.ReadFile(filepath.Join(folder, engine.SpecFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	spec := &engine.Spec{}
	if err := json.Unmarshal(text, spec); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, engine.SpecFile), err)
	}
	return spec, nil
}

// writeSpec replaces the spec as a whole and durably: its Start remembers a join that is under way.
func writeSpec(folder string, spec *engine.Spec) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	temp := filepath.Join(folder, engine.SpecFile+".new")
	if err := writeSynced(temp, append(text, '\n')); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(folder, engine.SpecFile)); err != nil {
		return err
	}
	return syncFolder(folder)
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
