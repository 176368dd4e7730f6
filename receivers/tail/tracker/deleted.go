package tracker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
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
	for key, f := range t.files {
		if s := f.TakeSaved(); s != nil { // its copy is whole, and goes on after the next start
			delete(t.files, key)
			f.Become(s)
			s.Handle.Close()
			t.files[f.Key] = f
		}
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
		f := t.follow(&file{File: t.newFile(c.resume(e)), known: true})
		f.Rotated()
		t.reader.Start(f.File, c.h)
	}
}

// moveIn continues in the copy of a deleted file.
func (t *Tracker) moveIn(f *file, s *reader.Saved) {
	t.mu.Lock()
	delete(t.files, f.Key)
	f.Become(s)
	t.files[f.Key] = f
	t.mu.Unlock()
	t.rotated(f)
	t.checkpoint.Changed()
	t.reader.Start(f.File, s.Handle)
}

func (t *Tracker) isSaved(f *file) bool {
	return t.cfg.SaveDir != "" && filepath.Dir(f.Name()) == t.cfg.SaveDir
}

// discard removes a copy that is delivered.
func (t *Tracker) discard(f *file) {
	if err := t.reader.Discard(f.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.log.Warn("cannot remove the copy of a deleted file, which is delivered", "error", err)
	}
	t.forget(f)
}

// adoptSaved reads on in the copies that an earlier run left. Their entries are theirs, or still those of the deleted files.
func (t *Tracker) adoptSaved() {
	if t.cfg.SaveDir == "" {
		return
	}
	entries, _ := os.ReadDir(t.cfg.SaveDir)
	for _, d := range entries {
		name := filepath.Join(t.cfg.SaveDir, d.Name())
		key, ok := reader.ParseSavedName(d.Name())
		if !ok {
			if strings.HasSuffix(d.Name(), ".part") {
				os.Remove(name) // a kill interrupted its writing; the file's own entry counts
			}
			continue
		}
		c := t.open(name)
		if c == nil {
			continue
		}
		e, known := t.claim(c)
		if !known {
			e, known = t.entryOf(key, c)
		}
		if !known {
			c.h.Close()
			t.reader.Lose(pipeline.DropRotatedUnread, 1, 0)
			t.log.Warn("the copy of a deleted file is in no checkpoint, and is removed; how much of it was delivered is unknown", "copy", name)
			os.Remove(name)
			continue
		}
		f := t.follow(&file{File: t.newFile(c.resume(e)), known: true})
		t.reader.Kept(f.File)
		f.Rotated()
		t.reader.Start(f.File, c.h)
	}
}

// entryOf takes the entry of the deleted file: the kill came before the checkpoint had the copy's.
func (t *Tracker) entryOf(key fileid.Key, c *candidate) (e checkpoint.Entry, known bool) {
	for _, entries := range t.checkpoint.AbsentByPath() {
		for _, e := range entries {
			if e.Key == key && e.HeldBy(c.claim()) && t.checkpoint.Take(e) {
				return e, true
			}
		}
	}
	return e, false
}
