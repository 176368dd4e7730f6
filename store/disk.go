package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
)

// disk keeps the stores within max_disk and the free space above min_free_disk.
type disk struct {
	settings pipeline.Settings
	cfg      Config
	dir      string
	parts    map[pipeline.Signal]part
	free     func() (int64, error) // free space in bytes

	low     atomic.Bool
	full    atomic.Bool            // over max_disk, and nothing older is left to remove
	gone    atomic.Pointer[string] // a folder that was removed while in use
	folders folders
	cancel  context.CancelFunc
	done    sync.WaitGroup

	dropped prometheus.Counter
	said    throttle.Line // the stores are full
}

// A removed folder must be back before a library writes to it, which happens every few seconds.
const (
	checkFoldersEvery = 200 * time.Millisecond
	checkFreeEvery    = time.Second
	checkSizeEvery    = time.Second // limits by how much max_disk is exceeded
	// keepNewest is never removed to make room: it is still being written.
	keepNewest = time.Hour
)

// spare is the part of max_disk that must be free before storing resumes: 1/20.
const spare = 20

const retryWhenFull = 5 * time.Second

func newDisk(s pipeline.Settings, cfg Config, dir string, parts map[pipeline.Signal]part) (*disk, error) {
	d := &disk{
		settings: s, cfg: cfg, dir: dir, parts: parts, free: func() (int64, error) { return freeBytes(dir) },
	}
	if err := d.register(s.Metrics); err != nil {
		return nil, err
	}
	d.folders.note(d.parts)
	d.lookFree()
	return d, nil
}

func (d *disk) start() {
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.done.Go(func() {
		folders, free, size := time.NewTicker(checkFoldersEvery), time.NewTicker(checkFreeEvery), time.NewTicker(checkSizeEvery)
		defer folders.Stop()
		defer free.Stop()
		defer size.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-folders.C:
				d.lookFolders()
			case <-free.C:
				d.lookFree()
			case <-size.C:
				d.trim(ctx)
			}
		}
	})
}

func (d *disk) stop() {
	if d.cancel != nil {
		d.cancel()
		d.done.Wait()
	}
}

func (d *disk) ready() error {
	if path := d.gone.Load(); path != nil {
		return fmt.Errorf("the folder %s was removed while it was in use; restart the process, which then continues with what is left", *path)
	}
	if d.low.Load() {
		return fmt.Errorf("the disk of %s has less than %s left; free some, or lower min_free_disk", d.dir, d.cfg.MinFreeDisk)
	}
	if d.full.Load() {
		return fmt.Errorf("the stores in %s exceed max_disk, %s, and only data that is still being written is left; raise max_disk, or send less", d.dir, d.cfg.MaxDisk)
	}
	return nil
}

// check is ready after a look at the folder: writes to a removed one are lost.
func (d *disk) check(folder string) error {
	if d.gone.Load() == nil && !d.folders.same(folder) {
		d.lookFolders()
	}
	return d.ready()
}

func (d *disk) lookFree() {
	left, err := d.free()
	if err != nil {
		d.settings.Log.Warn("cannot read the free space of the disk", "error", err)
		return
	}
	low := left < int64(d.cfg.MinFreeDisk)
	if d.low.Swap(low) == low {
		return
	}
	if low {
		d.settings.Log.Warn("free disk space is below min_free_disk; nothing is stored until some is freed", "free_bytes", left, "min_free_disk", d.cfg.MinFreeDisk)
	} else {
		d.settings.Log.Info("the disk has free space again; storing resumes", "free_bytes", left, "min_free_disk", d.cfg.MinFreeDisk)
	}
}

func (d *disk) used() int64 {
	var n int64
	for _, p := range d.parts {
		n += p.DiskBytes()
	}
	return n
}

// trim removes the oldest block, day or hour of any store until they fit. It skips a store whose oldest data is still
// being written. If nothing is left to remove, batches are refused until the stores fit again.
func (d *disk) trim(ctx context.Context) {
	if d.gone.Load() != nil {
		return
	}
	stuck := map[pipeline.Signal]bool{}
	for ctx.Err() == nil {
		used := d.used()
		// Once full, they must fit with room to spare, or intake would be on and off each second.
		limit := int64(d.cfg.MaxDisk)
		if room := limit - limit/spare; used <= limit && (!d.full.Load() || used <= room) {
			d.setFull(false, used)
			return
		}
		sig, ok := d.oldest(stuck)
		if !ok {
			d.setFull(true, used)
			return
		}
		before := d.parts[sig].DiskBytes()
		through, err := d.parts[sig].DropOldest(ctx)
		if err != nil {
			d.settings.Log.Warn("cannot remove the oldest data of a store", "signal", sig, "error", err)
		}
		if err != nil || d.parts[sig].DiskBytes() >= before {
			stuck[sig] = true
			continue
		}
		d.dropped.Inc()
		d.settings.Log.Info("removed the oldest data to stay within max_disk", "signal", sig, "through", through)
	}
}

func (d *disk) setFull(full bool, used int64) {
	if d.full.Swap(full) == full {
		return
	}
	if !full {
		d.settings.Log.Info("the stores are within max_disk again; storing resumes", "used_bytes", used, "max_disk", d.cfg.MaxDisk)
	} else if skipped, due := d.said.Now(); due {
		d.settings.Log.Warn("the stores exceed max_disk and have no older data to remove; nothing is stored until they fit",
			"used_bytes", used, "max_disk", d.cfg.MaxDisk, "suppressed", skipped)
	}
}

func (d *disk) oldest(stuck map[pipeline.Signal]bool) (pipeline.Signal, bool) {
	var which pipeline.Signal
	var when time.Time
	for _, sig := range pipeline.Signals {
		if stuck[sig] {
			continue
		}
		t, ok := d.parts[sig].Oldest()
		if ok && time.Since(t) >= keepNewest && (which == 0 || t.Before(when)) {
			which, when = sig, t
		}
	}
	return which, which != 0
}

func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("cannot stat the file system of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
