package tail

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluiceio/sluice/internal/statefile"
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
	owner   io.Closer // of the checkpoint, while we run
	absent  absent    // under r.mu
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

// own keeps a second process off the checkpoint: each would write its own over the other's. Where nothing can be locked,
// on a read-only disk or some network file systems, following goes on without.
func (k *keeper) own() error {
	if k.path == "" {
		return nil
	}
	owner, err := statefile.Own(k.path)
	switch {
	case errors.Is(err, statefile.ErrTaken):
		return err
	case err != nil:
		k.r.settings.Log.Warn("the checkpoint cannot be locked; see that no second process has the same data directory", "error", err)
	default:
		k.owner = owner
	}
	return nil
}

// disown lets the next process, or the graph after a reload, have the checkpoint.
func (k *keeper) disown() {
	if k.owner != nil {
		k.owner.Close()
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
		log := log.With("file", k.path, "entries", len(entries), "error", err)
		aside := k.path + ".damaged"
		if rerr := os.Rename(k.path, aside); rerr == nil {
			log.Error("the checkpoint is damaged; files without an entry are read from the beginning", "moved_to", aside)
		} else {
			log.Error("the checkpoint is damaged and cannot be moved aside; files without an entry are read from the beginning", "move_error", rerr)
		}
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
	err := statefile.Replace(k.path, b)
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
