package security

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/durable"
)

// markerFile is the file beside the folder of keys that says that the manager was secured, and in which cluster. A
// manager that finds it without the folder must not serve everybody.
const markerFile = "secured"

// LostKeysError is the error of a manager that was secured and whose folder of keys is missing.
type LostKeysError struct{ dataDir, cluster string }

func (e *LostKeysError) Error() string {
	return fmt.Sprintf("the manager of %s was secured, as a member of cluster %.80q, and its folder %s is missing: restore the folder "+
		"from a backup, or let the server join again: dkvmanager token --again IDENTITY, as in the file %s, on the server with the "+
		"authority's key, then dkvmanager join ADDRESS TOKEN here; delete %s to have a manager that is not secured",
		e.dataDir, e.cluster, folderName, filepath.Join(e.dataDir, "identity"), filepath.Join(e.dataDir, markerFile))
}

// UnfinishedError is the error of a manager that an interrupted command was about to secure. It must not serve
// everybody.
type UnfinishedError struct{ dataDir, command string }

func (e *UnfinishedError) Error() string {
	line := "the line dkvmanager " + e.command
	if e.command == "" {
		line = "the same line, dkvmanager init or join,"
	}
	return fmt.Sprintf("the manager of %s is about to be secured, and that was interrupted: run %s … again, which completes it; "+
		"or delete %s to have a manager that is not secured", e.dataDir, line, filepath.Join(e.dataDir, newFolderName))
}

// IsUnfinished reports whether an error of IsSecured means that a command, init or join, was interrupted, or none of
// them for certain.
func IsUnfinished(err error, command string) bool {
	var unfinished *UnfinishedError
	return errors.As(err, &unfinished) && (unfinished.command == command || unfinished.command == "")
}

// interrupted returns the error for the folder of keys that an interrupted command has left, or nil if there is none.
func interrupted(dataDir string) error {
	folder := filepath.Join(dataDir, newFolderName)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for file, command := range map[string]string{string(pki.AuthorityFile): "init", joiningFile: "join"} {
		if _, err := os.Stat(filepath.Join(folder, file)); err == nil {
			return &UnfinishedError{dataDir, command}
		}
	}
	return &UnfinishedError{dataDir: dataDir}
}

// IsSecured reports whether the manager of a data folder is secured. The error is a *LostKeysError if it was and the
// folder of keys is missing, and an *UnfinishedError if a command that secures it was interrupted.
func IsSecured(dataDir string) (bool, error) {
	if _, err := os.Stat(filepath.Join(dataDir, folderName)); !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	switch text, err := os.ReadFile(filepath.Join(dataDir, markerFile)); {
	case errors.Is(err, fs.ErrNotExist):
		return false, interrupted(dataDir)
	case err != nil:
		return false, err
	default:
		return false, &LostKeysError{dataDir, strings.TrimSpace(string(text))}
	}
}

// ClusterOf returns the cluster of the manager of a data folder; empty if the manager is not secured, or the folder
// can't be read.
func ClusterOf(dataDir string) string {
	text, _ := os.ReadFile(filepath.Join(dataDir, markerFile))
	return strings.TrimSpace(string(text))
}

// mark writes the marker if it is missing or names another cluster.
func mark(dataDir, cluster string) error {
	path, text := filepath.Join(dataDir, markerFile), []byte(cluster+"\n")
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return durable.Replace(path, text, durable.Options{Mode: 0o600})
}
