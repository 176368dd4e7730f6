// Package journald is the receiver that follows the systemd journal through journalctl.
//
// follow.go runs journalctl, export.go parses its export format, records.go turns entries into records, send.go delivers
// batches with retries, cursor.go stores the position.
package journald

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/statefile"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/source"
)

// batchSize limits the record bytes of a request; a longer entry gets its own.
const batchSize = 256 << 10

// Receiver has three goroutines: one reads, one sends, one saves the cursor.
type Receiver struct {
	settings  pipeline.Settings
	cfg       *Config
	next      pipeline.Sink
	writer    *writer
	cursor    cursorFile
	submitter *source.Submitter
	read      []byte // cursor of the last entry read

	metrics

	full chan *batch // read, to be sent
	free chan *batch

	readingCtx  context.Context
	stopReading context.CancelFunc
	sendingCtx  context.Context
	stopSending context.CancelFunc
	loops       sync.WaitGroup
}

// New makes a receiver; nothing runs before Start.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (*Receiver, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot get the host name: %w", err)
	}
	r := &Receiver{
		settings: s, cfg: cfg, next: out.For(pipeline.Logs),
		writer: newWriter(host, s.Version, cfg.AllFields, ourselves()),
		full:   make(chan *batch),
		free:   make(chan *batch, 2),
	}
	for range cap(r.free) {
		r.free <- &batch{}
	}
	dir := cfg.CheckpointDir
	if dir == "" {
		dir = s.DataDir
	}
	if dir != "" {
		r.cursor.path = filepath.Join(dir, strings.ReplaceAll(s.ID.String(), "/", "-")+".checkpoint")
	}
	refused := r.register(s.Metrics)
	r.submitter = source.NewSubmitter(s, r.next, refused)
	r.readingCtx, r.stopReading = context.WithCancel(context.Background())
	r.sendingCtx, r.stopSending = context.WithCancel(context.Background())
	return r, nil
}

// Start starts to follow. Without journalctl it logs a warning and stays idle.
func (r *Receiver) Start(context.Context) error {
	if r.next == nil {
		return nil
	}
	if _, err := exec.LookPath(r.cfg.JournalctlPath); err != nil {
		r.settings.Log.Warn("journalctl was not found; the journal is not read", "error", err)
		return nil
	}
	if err := r.cursor.own(); errors.Is(err, statefile.ErrTaken) {
		return err
	} else if err != nil {
		// A read-only disk, or a network file system without locks.
		r.settings.Log.Warn("cannot lock the cursor file; make sure that no other process uses this data directory", "error", err)
	}
	if err := r.cursor.load(); err != nil {
		r.cursorFailures.Inc()
		r.settings.Log.Error("the cursor file is damaged; reading starts as start_at says", "file", r.cursor.path, "error", err)
	}
	r.read = []byte(r.cursor.get())
	r.loops.Go(r.run)
	r.loops.Go(r.send)
	r.loops.Go(r.keep)
	return nil
}

// Stop waits for the outstanding request until ctx ends. Unacknowledged entries are read again at the next start.
func (r *Receiver) Stop(ctx context.Context) error {
	r.stopReading()
	ended := make(chan struct{})
	go func() {
		r.loops.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	r.stopSending()
	<-ended
	r.save()
	r.cursor.disown()
	return nil
}

// saveEvery is the time between saves of the cursor: after a kill, this much may be sent twice.
const saveEvery = time.Second

func (r *Receiver) keep() {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.save()
		case <-r.readingCtx.Done():
			return
		}
	}
}

func (r *Receiver) save() {
	if err := r.cursor.save(); err != nil {
		r.cursorFailures.Inc()
		r.settings.Log.Error("cannot write the cursor; retrying", "error", err)
	}
}
