package reader

import (
	"bytes"
	"errors"
	"os"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

const (
	// quiet is how long a renamed file must not grow to count as finished: writers reopen their log late.
	quiet = 5 * time.Second
	// heirQuiet applies if a record is unfinished that may continue in the successor.
	heirQuiet = 30 * time.Second
	// idleClose is how long an idle file keeps its goroutine.
	idleClose = time.Minute
	// turn limits the batches per turn while others wait for a slot of MaxOpenFiles.
	turn = 64
)

// read is the goroutine of one open file.
func (r *Reader) read(f *File, h *os.File) {
	defer r.readers.Done()
	defer func() { r.close(f, h) }() // h may be opened below
	if h == nil {
		var err error
		if h, err = r.reopen(f); h == nil {
			if err != nil {
				r.unreadable(f.Name(), err)
			}
			return
		}
	}
	f.envelope = r.cfg.Origin.Envelope(f.Path, f.As)
	f.prefix = make([]byte, 0, fileid.FingerprintMax)
	if f.grew.IsZero() {
		f.grew = time.Now()
	}
	wait, free := r.cfg.PollInterval, time.Now()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for r.readingCtx.Err() == nil {
		size, wanted := f.seen.Size, f.wanted()
		more, err := r.catchUp(f, h)
		if wanted && err == nil && !more {
			r.bequeath(f)
		}
		if err == nil && !more {
			err = r.release(f)
		}
		if errors.Is(err, errRewritten) {
			f.keep = true
			return
		}
		now := time.Now()
		if f.seen.Size != size {
			f.resized = now
		}
		if more || f.seen.Size != size {
			f.grew, wait = now, r.cfg.PollInterval
		}
		f.behind = more || err != nil
		leaving := f.rotated.Load() || f.deleted.Load()
		if leaving && !f.left {
			f.grew = now // restart the quiet period: the writer may not have noticed yet
		}
		f.left = leaving
		patience := quiet
		if f.lines.Open() && f.heir.Load() != nil {
			patience = heirQuiet
			if _, records := f.window().outstanding(); records > 0 {
				f.grew = now // the heir waits for them
			}
		}
		if err == nil && !more && f.deleted.Load() && f.yield.Load() {
			f.keep = true
			return
		}
		still := now.Sub(f.grew)
		// A reload hands over a deleted file only while it is open.
		held := f.deleted.Load() && f.Outstanding() && !r.crowded.Load()
		if err == nil && !more && leaving && still >= patience && !held {
			if err = r.finish(f, h); err == nil {
				f.keep = !f.compressed
				return
			}
		}
		blocked := errors.Is(err, errBlocked) || errors.Is(err, errHeir)
		if !blocked {
			free = now
		}
		// While files wait for a slot, a file leaves when it is read to its end or, to avoid churn, when it was blocked for
		// a while.
		if r.crowded.Load() && !f.deleted.Load() && (!blocked || now.Sub(free) >= lookWithin) || f.compressed || f.giveUp.Load() {
			f.keep = err == nil && !f.compressed
			return
		}
		if (err == nil || blocked) && r.toSave(f, blocked, now) && r.save(f, h, now) {
			return
		}
		switch {
		case blocked:
			// Keep looking: the file may be truncated, or deleted and given up.
			f.grew = now
		case err != nil:
			r.unreadable(f.Name(), err)
			return
		case more:
			continue
		case !leaving && still >= idleClose:
			f.keep = true
			return
		}
		pause := wait
		if due := f.due(); due > 0 && err == nil {
			pause = min(pause, max(time.Millisecond, time.Duration(int64(due)-now.UnixNano())))
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-f.blocked:
		case <-f.wake:
			wait = r.cfg.PollInterval
		case <-r.readingCtx.Done():
		}
		wait = min(wait*2, r.Rest())
	}
}

// reopen returns nil if the name is missing or leads to another file: the tracker handles that.
func (r *Reader) reopen(f *File) (*os.File, error) {
	h, s, err := fileid.Open(f.Name())
	if err != nil {
		if os.IsNotExist(err) {
			err = nil
		}
		return nil, err
	}
	if !s.Same(f.Key) {
		h.Close()
		return nil, nil
	}
	return h, nil
}

func (r *Reader) close(f *File, h *os.File) {
	keep := f.keep && r.readingCtx.Err() == nil && !f.giveUp.Load()
	f.keep, f.envelope, f.prefix = false, nil, nil
	f.trail.Rest()
	f.disk.Store(0)
	if f.saved.Load() != nil {
		h.Close()
		r.open.Add(-1)
		f.reading.Store(false)
		return
	}
	if h != nil {
		if s, err := fileid.StatFile(h); err != nil || s.Links == 0 && !f.yield.Load() {
			keep = false
		}
		if keep {
			r.parked.park(f, h)
		} else {
			r.leave(f, h)
		}
	}
	if !keep || h == nil {
		r.open.Add(-1)
	}
	f.reading.Store(false)
}

// catchUp reads all complete lines, or as many as its turn allows (more).
func (r *Reader) catchUp(f *File, h *os.File) (more bool, err error) {
	f.blocked = nil
	for range turn {
		s, err := fileid.StatFile(h)
		if err != nil {
			return false, err
		}
		if err := r.recognise(f, h, s); err != nil || f.compressed {
			return false, err
		}
		if s.Size != f.seen.Size {
			r.changed() // a restart must know what was unread
		}
		f.seen = s
		f.window().look(s)
		f.deleted.Store(s.Links == 0)
		if s.Links == 0 {
			f.disk.Store(s.Size)
		}
		if !f.decided || f.giveUp.Load() {
			return false, nil
		}
		if s.Size <= max(f.next, f.skip) || s.Size == f.tried {
			f.unread.Store(max(0, s.Size-f.next))
			return false, nil
		}
		f.ended = false
		if !r.inherit(f) {
			return false, errHeir
		}
		if more, err := r.fill(f, h, false); !more || err != nil {
			return false, err
		}
		if r.readingCtx.Err() != nil {
			return false, nil
		}
	}
	return true, nil
}

// recognise checks that our offsets fit the content, and extends the fingerprint. It runs at each look, because a truncated
// and rewritten file may be longer than before.
func (r *Reader) recognise(f *File, h *os.File, s fileid.Stat) error {
	if s.Size == f.seen.Size && s.Modified == f.seen.Modified && len(f.prefix) > 0 {
		return nil
	}
	var buf [fileid.FingerprintMax]byte
	prefix, err := fileid.ReadPrefix(h, buf[:])
	if err != nil {
		return err
	}
	known := len(f.prefix) > 0 // otherwise only the fingerprint of an earlier reader or run, if any
	begins := bytes.HasPrefix(prefix, f.prefix)
	if !known {
		begins = f.window().known().Matches(prefix)
	}
	if s.Size < f.next || !begins || !f.trail.Stands(h) {
		if err := r.truncated(f); err != nil {
			return err
		}
		known = false
	}
	if !known || len(prefix) > len(f.prefix) {
		f.prefix = append(f.prefix[:0], prefix...)
		f.window().recognise(fileid.FingerprintOf(prefix))
		r.decide(f, f.rotated.Load())
	}
	return nil
}

// decide determines the kind of file from its first bytes. If they are too few it waits, unless last is set.
func (r *Reader) decide(f *File, last bool) {
	if f.decided {
		return
	}
	yes, maybe := fileid.Compressed(f.prefix)
	if yes {
		f.compressed = true
		f.window().skip()
		f.count(0)
		r.metrics.Compressed.Inc()
		r.settings.Log.Info("skipping a compressed file", "file", f.Name())
		return
	}
	if maybe && !last {
		return
	}
	if pod := record.IsPodLog(f.Path) || f.As != ""; pod || r.cfg.Format != record.FormatAuto {
		f.lines.Set(r.cfg.Format, pod)
		r.decided(f)
		return
	}
	line, _, whole := bytes.Cut(bytes.TrimLeft(f.prefix, "\x00"), []byte{'\n'})
	switch format, sure := record.Detect(line, whole || last); {
	case sure:
		f.lines.Set(format, false)
	case len(f.prefix) == fileid.FingerprintMax:
		f.lines.Set(record.FormatAuto, false) // only NULs so far, or a long line of JSON
	default:
		return
	}
	r.decided(f)
}

func (r *Reader) decided(f *File) {
	f.decided = true
	if r.cfg.Multiline != nil {
		f.lines.Join(r.cfg.Multiline(f.Path, f.As))
	}
}

// finish delivers the text after the last newline and unfinished records.
func (r *Reader) finish(f *File, h *os.File) error {
	if !f.decided {
		r.decide(f, true)
	}
	for !f.compressed && r.readingCtx.Err() == nil {
		more, err := r.fill(f, h, true)
		if err != nil {
			return err
		}
		if !more {
			f.ended = r.readingCtx.Err() == nil
			break
		}
	}
	return nil
}

// truncated starts over: the file is shorter than our offset, or its content changed.
func (r *Reader) truncated(f *File) error {
	defer r.changed()
	if r.rewritten != nil {
		f.another.Store(true)
		r.rewritten(f, f.split)
		return errRewritten
	}
	old := f.split()
	if unread := max(0, old.window().entry().Size-old.next); unread > 0 {
		r.Lose(pipeline.DropTruncatedUnread, old.Estimate(unread), unread)
	}
	return nil
}
