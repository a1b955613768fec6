package etcd

import (
	"bytes"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/zap"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

func TestLog_Format(t *testing.T) {
	var out bytes.Buffer
	logger := newLogger(&out)
	level := zap.NewAtomicLevelAt(zap.WarnLevel)
	etcdLogger := etcdLogger(logger, new(engine.Report), level)

	etcdLogger.Info("a page of information")
	for range 100 {
		etcdLogger.Warn("a peer is away", zap.String("peer", "t-2"))
	}
	level.SetLevel(zap.DPanicLevel)
	etcdLogger.Error("a connection was closed")
	report := new(engine.Report)
	setCondition(report, logger, engine.Condition{Reason: "waiting"})
	setCondition(report, logger, engine.Condition{Reason: "waiting"})
	setCondition(report, logger, engine.Condition{Ready: true})

	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 22 {
		t.Errorf("%d lines, want 20 warnings and 2 of our own:\n%s", len(lines), out.String())
	}
	for want, line := range map[string]string{
		"\tWARN\ta peer is away\t{\"peer\": \"t-2\"}":  lines[0],
		"\tINFO\tnot ready\t{\"reason\": \"waiting\"}": lines[len(lines)-2],
		"\tINFO\tready": lines[len(lines)-1],
	} {
		if !strings.HasSuffix(line, want) {
			t.Errorf("line %q, want %q after the time", line, want)
		}
	}
}

func TestLog_NotesARemoval(t *testing.T) {
	var removed atomic.Bool
	level := zap.NewAtomicLevelAt(zap.WarnLevel)
	logger := etcdLogger(newLogger(io.Discard), new(engine.Report), level).WithOptions(noteRemoval(&removed))
	logger.Warn("server error")
	if removed.Load() {
		t.Error("another message counts as a removal")
	}
	logger.Warn(removedMessage)
	if !removed.Load() {
		t.Error("the message of a removed member was not noted")
	}
}

// TestLog_LastWord makes etcd's logger panic: the report has the entry with its error.
func TestLog_LastWord(t *testing.T) {
	var reason string
	report := new(engine.Report)
	report.OnEnd(func(text string) { reason = text })
	logger := etcdLogger(newLogger(io.Discard), report, zap.NewAtomicLevelAt(zap.WarnLevel))
	defer func() {
		if recover() == nil || reason != "failed to create WAL: no space left on device" {
			t.Errorf("reason %q", reason)
		}
	}()
	logger.Panic("failed to create WAL", zap.String("path", "x"), zap.Error(syscall.ENOSPC))
}
