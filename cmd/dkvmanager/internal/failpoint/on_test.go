//go:build failpoints

package failpoint

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

func TestFailpoint_FailsAtItsPass(t *testing.T) {
	points = parse("prepare.written=enospc@2,commit.synced=eio")
	Enter("prepare")
	if err := At("written"); err != nil {
		t.Errorf("the first time: %v", err)
	}
	if err := At("written"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the second time: %v", err)
	}
	Enter("commit")
	for range 2 {
		if err := At("synced"); !errors.Is(err, syscall.EIO) {
			t.Errorf("every time: %v", err)
		}
	}
	if err := At("renamed"); err != nil {
		t.Errorf("a place that is not named: %v", err)
	}
}

func TestFailpoint_ShortensDurations(t *testing.T) {
	t.Setenv("DKV_EXPIRE_AFTER", "2s")
	if d := Duration("DKV_EXPIRE_AFTER", time.Minute); d != 2*time.Second {
		t.Errorf("got %s", d)
	}
	if d := Duration("DKV_RESOLVE_EVERY", time.Minute); d != time.Minute {
		t.Errorf("got %s", d)
	}
}
