package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// fillDisk makes the next write fail with the error of a full disk.
func fillDisk(c *Catalog) {
	c.fail = func(string) error {
		c.fail = failpoint.At
		return unix.ENOSPC
	}
}

func vote(d *Data) error {
	d.SetName("OrdersStore", func(n *Name) {
		n.Prepared = &PreparedRecord{Operation: wire.Operation{ID: "an operation", Store: "OrdersStore"}}
	})
	return nil
}

func hasReserve(t *testing.T, c *Catalog) bool {
	t.Helper()
	info, err := os.Stat(filepath.Join(c.Dir(), reserveFile))
	return err == nil && info.Size() == reserveSize
}

// TestCatalog_FullDiskKeepsVotes checks that on a full disk new operations are refused, and prepared ones are
// completed.
func TestCatalog_FullDiskKeepsVotes(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	if err := c.Update(vote); err != nil || !hasReserve(t, c) {
		t.Fatalf("vote: %v, reserve %v", err, hasReserve(t, c))
	}
	fillDisk(c)
	before := c.Snapshot()
	err := c.Update(func(d *Data) error { delete(d.Stores, "OrdersStore"); return nil })
	var refusal *wire.Result
	if !errors.As(err, &refusal) || refusal.Code != wire.CodeReadOnly || !strings.Contains(refusal.Message, "no space left on device") {
		t.Errorf("a change that nobody has promised: %v", err)
	}
	if !reflect.DeepEqual(c.Snapshot(), before) || !hasReserve(t, c) {
		t.Errorf("it has changed something: %+v, reserve %v", c.Snapshot(), hasReserve(t, c))
	}

	fillDisk(c)
	end := func(d *Data) error {
		d.SetName("OrdersStore", func(n *Name) { n.Prepared = nil })
		d.Stores["OrdersStore"].Revision = 9
		return nil
	}
	if err := c.Update(end); err != nil {
		t.Fatalf("the end of what was promised: %v", err)
	}
	if hasReserve(t, c) {
		t.Error("the disk was full, and the reserve is there")
	}
	_ = c.Close()
	c = open(t, c.Dir())
	if got := c.Snapshot(); got.Stores["OrdersStore"].Revision != 9 || got.promises() != 0 {
		t.Errorf("on the disk: %+v", got)
	}
	if err := c.Update(vote); err != nil || !hasReserve(t, c) {
		t.Errorf("once there is room again: %v, reserve %v", err, hasReserve(t, c))
	}
}

// TestCatalog_NoVoteWithoutReserve checks that no vote is given without the reserve that its commit may need.
func TestCatalog_NoVoteWithoutReserve(t *testing.T) {
	if !storetest.Alone(t) {
		return
	}
	c := open(t, t.TempDir())
	add(t, c, orders())
	before := files(t, c.Dir())
	heal := storetest.LimitFiles(t, reserveSize/2)
	err := c.Update(vote)
	heal()
	var refusal *wire.Result
	if !errors.As(err, &refusal) || refusal.Code != wire.CodeReadOnly {
		t.Errorf("got %v, want read_only", err)
	}
	unchanged(t, c, before)
	if err := c.Update(vote); err != nil || !hasReserve(t, c) {
		t.Errorf("with room for it: %v, reserve %v", err, hasReserve(t, c))
	}
}
