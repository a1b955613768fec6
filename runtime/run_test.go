package runtime

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestHost_AtExit(t *testing.T) {
	checkSnippets(t, []snippet{
		{"at_exit(function() print('first given') end) at_exit(function() print('last given') end) print('script')", "script\nlast given\nfirst given\n"},
		{"at_exit(function() at_exit(function() print('inner') end) print('outer') end)", "outer\ninner\n"},
		{"at_exit(function() error('in the end') end)", "error: test.lua:1: in the end"},
		{"all{function() at_exit(function() nap() print('of a task') end) end}", "of a task\n"},
		{"at_exit(function() begin(function() nap(60) end) nap() print('joined') end)", "joined\n"},
	}, tasking...)
}

func TestHost_AtExitAfterEveryEnd(t *testing.T) {
	for _, test := range []struct{ script, want, said string }{
		{"error('x')", "test.lua:2: x", ""},
		{"exit(3)", "exit 3", ""},
		{"all{function() exit(4) end}", "exit 4", ""},
		{"while true do end", "test.lua:2: the time given has passed", ""},
		{"at_exit(function() error('too') end) error('x')", "test.lua:2: x", "dkvrun: at_exit: test.lua:2: too\n"},
		{"at_exit(function() exit(5) end)", "exit 5", ""},
	} {
		var out, said bytes.Buffer
		h := New(Options{Builtins: append(tasking, failing...), Stdout: &out, Stderr: &said, Grace: time.Minute})
		limit := time.Minute
		if strings.HasPrefix(test.script, "while true") {
			limit = 50 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		_, err := h.RunSource(ctx, "test.lua", []byte("at_exit(function() nap(0.1) all{nap, nap} print('cleaned up') end)\n"+test.script))
		cancel()
		if err == nil || err.Error() != test.want || out.String() != "cleaned up\n" || said.String() != test.said {
			t.Errorf("%s: %v, printed %q, said %q", test.script, err, out.String(), said.String())
		}
		h.Close()
	}
}

func TestHost_AtExitHasTheGraceTime(t *testing.T) {
	for _, clean := range []string{"while true do pcall(nap, 60) end", "all{function() while true do end end, function() nap(60) end}"} {
		ctx, cancel := context.WithCancel(context.Background())
		stop := Builtin{Name: "stop", Impl: func(*Call) (any, error) { cancel(); return nil, nil }}
		h := New(Options{Builtins: append(tasking, stop), Grace: 20 * time.Millisecond})
		_, err := h.RunSource(ctx, "test.lua", []byte("at_exit(function() stop() "+clean+" end)"))
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeCancelled || !errors.Is(err, errGrace) {
			t.Errorf("%s: %v", clean, err)
		}
		h.Close()
	}
}
