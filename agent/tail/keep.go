package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// saveEvery is how often the checkpoint is written at most, and so how much may be sent twice after a kill,
	// beside what is in flight.
	saveEvery = time.Second
	// saveFirst is when it is written first after a start, so that a process that is killed again and again, each time
	// within a second, still gets on.
	saveFirst = 200 * time.Millisecond
)

// keeper is the checkpoint file.
type keeper struct {
	r       *Receiver
	path    string    // empty: nothing is kept
	existed bool      // there was a checkpoint when we started: files it does not know are newer than it
	saved   time.Time // when it was written, by the file system's clock
	failing bool
	absent  absent // under r.mu
}

func (k *keeper) init(r *Receiver) {
	k.r = r
	k.absent = absent{}
	dir := r.cfg.CheckpointDir
	if dir == "" {
		dir = r.settings.DataDir
	}
	if dir != "" {
		name := strings.ReplaceAll(r.settings.ID.String(), "/", "-")
		k.path = filepath.Join(dir, name+".checkpoint")
	}
}

// load reads the checkpoint. Damage costs the entries it touched, whose files are read from the beginning: twice
// rather than not at all. The damaged file is kept for inspection.
func (k *keeper) load() {
	log := k.r.settings.Log
	if k.path == "" {
		log.Warn("no data directory is set: after a restart only new lines are read")
		return
	}
	b, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	k.existed = true
	if info, serr := os.Stat(k.path); serr == nil {
		k.saved = info.ModTime()
	}
	var entries []entry
	if err == nil {
		entries, err = decodeCheckpoint(b)
	}
	if err != nil {
		k.r.metrics.checkpointFailures.Inc()
		aside := k.path + ".damaged"
		if rerr := os.Rename(k.path, aside); rerr != nil {
			err = errors.Join(err, rerr)
		}
		log.Error("the checkpoint is damaged; files without an entry are read from the beginning", "file", k.path, "moved_to", aside, "entries", len(entries), "error", err)
	}
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	for _, e := range entries {
		k.absent.add(e)
	}
}

// run writes the checkpoint whenever it is behind.
func (k *keeper) run() {
	tick := time.NewTicker(saveFirst)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			k.save(now)
			tick.Reset(saveEvery)
		case <-k.r.readingCtx.Done():
			return
		}
	}
}

// save writes the checkpoint if it changed. Failures are counted and tried again; the file on disk stays whole.
func (k *keeper) save(now time.Time) {
	if k.path == "" || !k.r.dirty.Swap(false) && !k.failing {
		return
	}
	b := encodeCheckpoint(k.entries(now))
	err := writeFile(k.path, b)
	if err != nil {
		k.r.metrics.checkpointFailures.Inc()
		if !k.failing {
			k.r.settings.Log.Error("the checkpoint cannot be written; it is tried again each second", "error", err)
		}
		k.failing = true
		return
	}
	if k.failing {
		k.r.settings.Log.Info("the checkpoint is written again")
	}
	k.failing = false
}

// entries is the state of all files, and of those that are not there for now.
func (k *keeper) entries(now time.Time) []entry {
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	out := make([]entry, 0, len(k.r.files)+len(k.absent))
	for key, f := range k.r.files {
		if f.deleted.Load() {
			continue
		}
		e := f.entry()
		e.key, e.path, e.seen = key, f.path, now.Unix()
		out = append(out, e)
	}
	return append(out, k.absent.prune(now)...)
}

// writeFile replaces a file: either the old content is there afterwards or the new one, also after a power cut. The
// sync costs one flush a second and only while lines flow; without it a power cut can leave an empty checkpoint,
// and with it all files would be read again.
func writeFile(path string, b []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the checkpoint's folder: %w", err)
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	if d, derr := os.Open(dir); derr == nil {
		err = d.Sync()
		d.Close()
	}
	return err
}
