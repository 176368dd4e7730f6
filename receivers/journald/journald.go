// Package journald is the receiver that follows the systemd journal through journalctl, into OTLP log records.
//
// An entry's way: follow.go runs journalctl, export.go reads its export format, records.go makes a record of the
// entry in a batch, send.go hands the batch over and repeats it until it is taken, cursor.go remembers how far that
// went.
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

// batchSize is how many bytes of records make a request at most; a longer entry is one alone.
const batchSize = 256 << 10

// Receiver follows the journal: one goroutine reads, one sends, one keeps the cursor, and each has at most one batch.
type Receiver struct {
	settings  pipeline.Settings
	cfg       *Config
	next      pipeline.Sink
	writer    *writer
	cursor    cursorFile
	submitter *source.Submitter
	read      []byte // cursor of the last entry that was read

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
		return nil, fmt.Errorf("cannot learn the host's name: %w", err)
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

// Start begins to follow. A machine without journalctl is no fault: the receiver says so and stays idle.
func (r *Receiver) Start(context.Context) error {
	if r.next == nil {
		return nil
	}
	if _, err := exec.LookPath(r.cfg.JournalctlPath); err != nil {
		r.settings.Log.Warn("there is no journalctl here; the journal is not read", "error", err)
		return nil
	}
	if err := r.cursor.own(); errors.Is(err, statefile.ErrTaken) {
		return err
	} else if err != nil {
		// A read-only disk, or a network file system without locks.
		r.settings.Log.Warn("the cursor file cannot be locked; see that no second process has the same data directory", "error", err)
	}
	if err := r.cursor.load(); err != nil {
		r.cursorFailures.Inc()
		r.settings.Log.Error("the cursor file is damaged; reading begins where start_at says", "file", r.cursor.path, "error", err)
	}
	r.read = []byte(r.cursor.get())
	r.loops.Go(r.run)
	r.loops.Go(r.send)
	r.loops.Go(r.keep)
	return nil
}

// Stop ends reading at once and waits, as long as ctx lasts, for the request that is outstanding. What is not
// acknowledged then is read again at the next start.
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

// saveEvery is how often the cursor is written at most, and so how much may come twice after a kill.
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
		r.settings.Log.Error("the cursor cannot be written; it is tried again", "error", err)
	}
}
