package twophase

import (
	"encoding/json"
	"runtime"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// disk is a simulated catalog. It has the properties of the real one: a crash during a write leaves the old generation
// or the new one, and a write that has returned is durable.
type disk struct {
	s        *simulation
	m        *manager
	identity string
	// durable is the content that survives a crash; visible is the content that the manager reads.
	durable, visible []byte
	// previous is the previous generation; damaged means that the latest one can't be read.
	previous []byte
	damaged  bool
}

func (d *disk) Identity() string { return d.identity }

func (d *disk) Snapshot() *catalog.Data { return d.read(d.visible) }

func (d *disk) read(text []byte) *catalog.Data {
	data := &catalog.Data{}
	if err := json.Unmarshal(text, data); err != nil {
		panic(err) // it was written by Marshal
	}
	return data
}

func (d *disk) Update(f func(*catalog.Data) error) error {
	next := d.Snapshot()
	if err := f(next); err != nil {
		return err
	}
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if string(text) == string(d.visible) {
		return nil
	}
	if d.s.chance(d.s.faults.diskFull) {
		return &wire.Result{StatusCode: 503, Code: wire.CodeReadOnly, Message: "no space left on device"}
	}
	if d.s.chance(d.s.faults.crashInWrite) {
		if d.s.chance(0.5) { // the rename came before the crash
			d.keep(text)
			d.s.checkWrite(d.m)
		}
		d.s.crash(d.m)
		runtime.Goexit()
	}
	d.visible = text
	if d.s.weak.voteBeforeSync {
		d.s.after(d.s.upTo(syncLate), func() {
			if string(d.visible) == string(text) {
				d.keep(text)
			}
		})
	} else {
		d.keep(text)
	}
	d.s.checkWrite(d.m)
	// The disk loses this write before anybody hears of it, which may be a decision of the coordinator.
	if d.m == d.s.victim && d.s.chance(d.s.faults.damage*0.2) {
		d.damage()
		d.s.crash(d.m)
		runtime.Goexit()
	}
	return nil
}

// open makes the disk show what is durable on it. A catalog that is loaded from the previous generation gets its marks.
func (d *disk) open() {
	if d.damaged && !d.s.weak.trustDisk {
		data := d.read(d.durable)
		suspectAll(data)
		text, err := json.Marshal(data)
		if err != nil {
			panic(err)
		}
		d.keep(text)
	}
	d.visible = d.durable
}

// keep makes a generation durable. A damaged generation does not become the previous one.
func (d *disk) keep(text []byte) {
	if !d.damaged {
		d.previous = d.durable
	}
	d.durable, d.damaged = text, false
}

// damage loses the latest generation: the manager falls back to the previous one.
func (d *disk) damage() {
	if d.previous != nil && !d.damaged {
		d.durable, d.damaged = d.previous, true
	}
}
