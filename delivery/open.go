package delivery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/spool"
)

// openAgain is the pause before a queue that could not be opened is tried again.
const openAgain = 5 * time.Second

// Start opens the queue on disk, if there is one, and begins to send what is in it.
func (k *Sender) Start(context.Context) error {
	if k.disk == nil {
		return nil
	}
	return k.disk.start()
}

// start opens the queue. A disk that cannot be used refuses what comes and is tried again: the other exporters go on. What
// the configuration or another process has done is an error.
func (d *disk) start() error {
	if parent := filepath.Dir(d.o.Dir); !d.make {
		if _, err := os.Stat(parent); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf(`cannot use the storage: %w; make the folder, or set "create_directory: true"`, err)
		}
	}
	d.o.Memory = readers(d.o.Consumers, d.k.settings.Budget)
	err := d.open()
	if err == nil || errors.Is(err, spool.ErrLocked) {
		return err
	}
	d.fault.Store(&err)
	d.k.settings.Log.Error("the queue on disk cannot be opened; what comes is refused, and it is tried again: check the folder's owner, mount and disk",
		"folder", d.o.Dir, "error", err)
	d.consumers.Go(d.openLater)
	return nil
}

func (d *disk) openLater() {
	tick := time.NewTicker(openAgain)
	defer tick.Stop()
	for {
		select {
		case <-d.taking.Done():
			return
		case <-tick.C:
		}
		err := d.open()
		if err == nil {
			d.fault.Store(nil)
			d.k.settings.Log.Info("the queue on disk is open", "folder", d.o.Dir)
			return
		}
		d.fault.Store(&err)
	}
}

func (d *disk) open() error {
	begin := time.Now()
	q, err := queue.Open(d.o)
	if err != nil {
		return fmt.Errorf("cannot open the queue: %w", err)
	}
	d.memory = d.k.settings.Budget.Claim(d.o.Memory)
	d.moved.Store(begin.UnixNano())
	d.q.Store(q)
	if s := q.Status(); s.Records > 0 {
		d.k.settings.Log.Info("the queue on disk has records from before this start; sending them", "records", s.Records, "items", s.Items, "bytes", s.Bytes,
			"oldest", time.Since(s.Oldest).Round(time.Second), "opened_in", time.Since(begin).Round(time.Millisecond))
	}
	for range d.o.Consumers {
		d.consumers.Go(func() { d.consume(q) })
	}
	return nil
}

// unusable is why there is no queue.
func (d *disk) unusable() error {
	if err := d.fault.Load(); err != nil {
		return *err
	}
	return errors.New("the queue is not open")
}
