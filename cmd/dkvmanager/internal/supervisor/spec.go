package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/durable"
)

// readSpec returns the spec with which the instance was last started, or nil if it never was.
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

// writeSpec replaces the spec durably: its Start records a join in progress.
func writeSpec(folder string, spec *engine.Spec) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(folder, engine.SpecFile), append(text, '\n'), durable.Options{Mode: 0o600})
}

// dataDir returns the name of an instance's data folder. It contains the creating operation, so that no store finds the
// data of another one.
func dataDir(operation string) string { return "data-" + operation }
