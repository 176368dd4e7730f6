// Package tail is the receiver that follows log files (plain text and Kubernetes container logs) through rotation,
// truncation and restarts.
//
// tracker decides which files to follow, using finder for the globs and checkpoint for the positions. reader reads them,
// makes records (package record) and delivers them. Package fileid identifies files.
package tail

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/finder"
	"github.com/sluiceio/sluice/receivers/tail/pods"
	"github.com/sluiceio/sluice/receivers/tail/reader"
	"github.com/sluiceio/sluice/receivers/tail/record"
	"github.com/sluiceio/sluice/receivers/tail/tracker"
)

// Receiver follows files.
type Receiver struct {
	settings   pipeline.Settings
	next       pipeline.Sink
	checkpoint *checkpoint.Store
	reader     *reader.Reader
	tracker    *tracker.Tracker
	pods       *pods.Chooser // nil: the Kubernetes API is not asked
	dangling   func() int64

	loopsCtx  context.Context // canceled by Stop
	stopLoops context.CancelFunc
	loops     sync.WaitGroup // tracker and checkpoint
}

// unreadableLines limits the unreadable paths logged per minute.
const unreadableLines = 20

// New makes a receiver; it opens no file before Start.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (*Receiver, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot get the host name: %w", err)
	}
	include, err := finder.ParseGlobs(cfg.Include)
	if err != nil {
		return nil, err
	}
	exclude, err := finder.ParseGlobs(cfg.Exclude)
	if err != nil {
		return nil, err
	}
	chooser, err := pods.New(s, cfg.Pods)
	if err != nil {
		return nil, err
	}
	joining, err := cfg.chooser(chooser)
	if err != nil {
		return nil, err
	}
	m := newMetrics(s.Metrics)
	unreadable := finder.NewUnreadable(throttle.Logger(s.Log, unreadableLines), m.unreadable)
	// An agent may tail its own log: without throttling it would feed itself.
	s.Log = throttle.Logger(s.Log, 1)
	r := &Receiver{settings: s, next: out.For(pipeline.Logs), pods: chooser}
	r.loopsCtx, r.stopLoops = context.WithCancel(context.Background())
	path := checkpointPath(s, cfg)
	saveDir := ""
	if path != "" {
		saveDir = strings.TrimSuffix(path, ".checkpoint") + ".deleted"
	}
	r.checkpoint = checkpoint.New(path, s.Log, m.checkpointFailures.Inc)
	r.reader = reader.New(reader.Config{
		Format:           cfg.Format,
		PollInterval:     cfg.PollInterval,
		MaxLineBytes:     cfg.MaxLineBytes,
		MaxBatchBytes:    cfg.MaxBatchBytes,
		MaxInFlight:      cfg.MaxInFlight,
		MaxInFlightBytes: cfg.MaxInFlightBytes,
		MaxOpenFiles:     cfg.MaxOpenFiles,
		Linger:           cfg.Linger,
		Origin:           record.Origin{Host: host, Service: cfg.ServiceName, Attributes: cfg.Attributes, Version: s.Version},
		Multiline:        joining,
		Detect:           cfg.detects(),
		SaveDir:          saveDir,
		SaveBytes:        cfg.MaxDeletedBytes,
	}, reader.Settings{Pipeline: s, Next: r.next, Metrics: m.reader, Unreadable: unreadable.Report, Changed: r.checkpoint.Changed, Rewritten: func(now *reader.File, part func() *reader.File) { r.tracker.Rewritten(now, part) }})
	files := finder.New(include, exclude, unreadable.Report)
	files.FollowLinks(cfg.FollowSymlinks)
	files.NameBy(record.IsPodLog)
	files.LeaveOut(cfg.leavesOut(chooser))
	files.TellDangling(func(n int, link, target string) {
		s.Log.Warn("links lead to files that do not exist, so their logs are not read; in a container, mount the folder that they lead to (with Docker: /var/lib/docker/containers) at the same path",
			"links", n, "link", link, "target", target)
	})
	r.dangling = files.Dangling
	r.tracker = tracker.New(tracker.Config{
		StartAtEnd:      cfg.StartAt == startAtEnd,
		PollInterval:    cfg.PollInterval,
		MaxDeletedBytes: cfg.MaxDeletedBytes,
		SaveDir:         saveDir,
	}, tracker.Settings{
		Finder: files, Reader: r.reader, Checkpoint: r.checkpoint, Unreadable: unreadable, Log: s.Log,
	})
	registerGauges(s.Metrics, r)
	return r, nil
}

// checkpointPath is empty if there is no folder for the checkpoint.
func checkpointPath(s pipeline.Settings, cfg *Config) string {
	dir := cfg.CheckpointDir
	if dir == "" {
		dir = s.DataDir
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, strings.ReplaceAll(s.ID.String(), "/", "-")+".checkpoint")
}

// Start fails if another process holds the checkpoint, but not if the checkpoint is unreadable.
func (r *Receiver) Start(ctx context.Context) error {
	if r.next == nil {
		return nil
	}
	if err := r.pods.Start(ctx); err != nil {
		return err
	}
	if err := r.checkpoint.Lock(); err != nil {
		r.pods.Stop()
		return err
	}
	r.checkpoint.Load()
	left, inherits := r.settings.Inherit(deletedFiles).(*estate)
	r.loops.Go(func() {
		if inherits {
			r.tracker.Inherit(left.files)
		}
		r.pods.Wait(r.loopsCtx)
		r.tracker.List(r.loopsCtx, time.Now())
		// Save at once, even without files, so that a restart can tell old files from new ones.
		r.checkpoint.Changed()
		r.checkpoint.Save(time.Now(), r.tracker.Entries)
		r.loops.Go(func() { r.checkpoint.Run(r.loopsCtx, r.tracker.Entries) })
		r.tracker.Run(r.loopsCtx)
	})
	return nil
}

// estate is what the receiver before a reload leaves: open files that are deleted.
type estate struct {
	reader *reader.Reader
	files  []reader.Remains
}

const deletedFiles = "deleted files"

// Forgotten counts them as lost: no receiver took them.
func (e *estate) Forgotten() { e.reader.Bury(e.files) }

// Stop waits for outstanding requests: see reader.Drain. Unacknowledged records are read again at the next start; those of
// deleted files are handed over in a reload, else lost and counted.
func (r *Receiver) Stop(ctx context.Context) error {
	r.stopLoops()
	r.reader.StopReading()
	reader.WaitFor(ctx, &r.loops)
	r.reader.Drain(ctx)
	r.tracker.Close(func(left []reader.Remains) bool { return r.settings.Leave(deletedFiles, &estate{r.reader, left}) })
	r.checkpoint.Close(time.Now(), r.tracker.Entries)
	r.checkpoint.Unlock()
	r.pods.Stop()
	return nil
}
