package tracker

import (
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/reader"
)

// Close counts what is left of deleted files as lost, unless handOver takes it.
func (t *Tracker) Close(handOver func([]reader.Remains) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var open, shut []reader.Remains
	note := func(f *reader.File) {
		switch left, ok := t.reader.Remains(f); {
		case ok && left.Handle != nil:
			open = append(open, left)
		case ok:
			shut = append(shut, left)
		}
	}
	for _, f := range t.files {
		note(f.File)
	}
	for _, f := range t.orphans {
		note(f)
	}
	if len(open) > 0 && handOver(open) {
		open = nil
	}
	t.reader.Bury(append(open, shut...))
}

// Inherit reads on in deleted files that the receiver before a reload left open. Call it before List.
func (t *Tracker) Inherit(all []reader.Remains) {
	for _, left := range all {
		c := &candidate{name: left.Entry.Path, h: left.Handle}
		var err error
		if c.stat, err = fileid.StatFile(c.h); err == nil {
			c.prefix, err = fileid.ReadPrefix(c.h, make([]byte, fileid.FingerprintMax))
		}
		if err != nil {
			c.h.Close()
			t.unreadable.Report(c.name, err) // the checkpoint has it: it is counted
			continue
		}
		e, known := t.claim(c)
		if !known {
			e = left.Entry
		}
		f := t.follow(&file{File: t.reader.NewFile(c.resume(e)), known: true})
		f.Rotated()
		t.reader.Start(f.File, c.h)
	}
}
