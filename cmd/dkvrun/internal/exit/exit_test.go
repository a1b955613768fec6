package exit

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"dkvrun/runtime"
)

func TestReport_EachError(t *testing.T) {
	raised := &runtime.Error{
		Message: "no such store", Hint: "look at stores()", File: "a.lua", Line: 3, Traceback: "stack traceback:", Code: runtime.CodeUsage,
	}
	timeLimit := &Error{Status: Timeout, Message: "stopped: --timeout 1s passed"}
	for name, test := range map[string]struct {
		err    error
		status int
		text   string
	}{
		"nothing":       {nil, Done, ""},
		"any error":     {fs.ErrNotExist, Failed, "dkvrun: file does not exist\n"},
		"misuse":        {Misuse("add one", "no %s", "file"), Usage, "dkvrun: no file\n        add one\n"},
		"wrapped":       {fmt.Errorf("test: %w", Misuse("", "no file")), Usage, "dkvrun: test: no file\n"},
		"reported":      {Reported(Misuse("add one", "no file")), Usage, ""},
		"of a script":   {raised, Failed, "dkvrun: a.lua:3: no such store\n        look at stores()\nstack traceback:\n"},
		"source":        {&runtime.Error{Message: "can't be read", Code: runtime.CodeSource}, Usage, "dkvrun: can't be read\n"},
		"arguments":     {&runtime.Error{Message: "want a name", Code: runtime.CodeUsageArgs}, Usage, "dkvrun: want a name\n"},
		"exit":          {&runtime.Exit{Status: 7}, 7, ""},
		"exit and text": {&runtime.Exit{Status: 7, Message: "seven"}, 7, "seven\n"},
		"stopped": {
			&Stopped{Reason: timeLimit, Err: raised, InDoubt: []string{"new_store of A", "drop_store of B"}}, Timeout,
			"dkvrun: stopped: --timeout 1s passed at a.lua:3\n        look at stores()\n" +
				"        in doubt: new_store of A\n        in doubt: drop_store of B\n",
		},
		"stopped unread": {
			&Stopped{Reason: timeLimit, Made: []string{"new_store: SUCCESS on a"}, InDoubt: []string{"new_store of A"}}, Timeout,
			"dkvrun: stopped: --timeout 1s passed\n        made: new_store: SUCCESS on a\n        in doubt: new_store of A\n",
		},
		"stopped before a script": {&Stopped{Reason: timeLimit}, Timeout, "dkvrun: stopped: --timeout 1s passed\n"},
	} {
		var out strings.Builder
		if status := Report(&out, test.err, true); status != test.status || out.String() != test.text {
			t.Errorf("%s: status %d, want %d; printed\n%swant\n%s", name, status, test.status, out.String(), test.text)
		}
	}
}

func TestReport_TraceOnDemand(t *testing.T) {
	var out strings.Builder
	Report(&out, &runtime.Error{Message: "no", Traceback: "stack traceback:"}, false)
	if out.String() != "dkvrun: no\n" {
		t.Errorf("printed %q", out.String())
	}
}

func TestMisuse_KeepsCause(t *testing.T) {
	if err := Misuse("", "-m: %w", fs.ErrNotExist); !errors.Is(err, fs.ErrNotExist) || err.Error() != "-m: file does not exist" {
		t.Errorf("got %v", err)
	}
}

func TestDocument_EachError(t *testing.T) {
	raised := &runtime.Error{Message: "no", Hint: "yes", File: "a.lua", Line: 3, Code: runtime.CodeUsage}
	full := map[string]any{"message": "no", "hint": "yes", "file": "a.lua", "line": 3, "code": runtime.CodeUsage}
	for name, test := range map[string]struct {
		err  error
		want any
	}{
		"nothing":       {nil, nil},
		"exit(0)":       {&runtime.Exit{Message: "done"}, nil},
		"exit":          {&runtime.Exit{Status: 2}, map[string]any{"message": "exit 2"}},
		"exit and text": {&runtime.Exit{Status: 2, Message: "two"}, map[string]any{"message": "two"}},
		"any error":     {fs.ErrNotExist, map[string]any{"message": "file does not exist"}},
		"with a hint":   {Misuse("add one", "no file"), map[string]any{"message": "no file", "hint": "add one"}},
		"of a script":   {raised, full},
		"stopped":       {&Stopped{Reason: &Error{Status: Timeout}, Err: raised}, full},
	} {
		if got := Document(test.err); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
