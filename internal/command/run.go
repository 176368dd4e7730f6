package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/internal/build"
	"github.com/sluiceio/sluice/internal/stdlog"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/engine"
)

// memoryShare is the share of the cgroup limit for the Go heap. The rest is for stacks, socket buffers and the
// stores' memory-mapped blocks.
const memoryShare = 0.9

// runDaemon runs the configuration until ctx ends, and reloads on SIGHUP.
func (c *cli) runDaemon(ctx context.Context) error {
	cfg, warnings, err := c.check(ctx, slog.New(slog.DiscardHandler)) // they say it again at the start
	if err != nil {
		return err
	}
	log := c.logger(cfg.Service)
	stdlog.Use(log)
	for _, w := range warnings {
		log.Warn("configuration", "warning", w.String())
	}
	dir, err := c.dataDir()
	if err != nil {
		return err
	}
	// A no-op without a cgroup limit.
	if _, err := memlimit.Set(memlimit.WithRatio(memoryShare)); err != nil {
		log.Debug("no memory limit taken from the cgroup", "reason", err)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // before the start, which may take long: until then a SIGHUP would kill
	defer signal.Stop(hup)
	service := engine.NewService(log, dir, build.Version())
	if err := service.Start(ctx, cfg); err != nil {
		if ctx.Err() != nil {
			log.Info("stopped before the start was complete", "reason", err)
			return nil
		}
		return err
	}
	c.lookForOrphans(log, service, dir)
	defer serveAdmin(ctx, log, service.Exporters, dir)()
	log.Info("running", "program", c.Name, "version", build.Version(), "data_dir", dir, "pipelines", len(cfg.Pipelines))

	for {
		select {
		case <-hup:
			if err := c.reload(ctx, log, service); err != nil {
				c.stop(log, service)
				return err
			}
			c.lookForOrphans(log, service, dir)
		case <-ctx.Done():
			c.stop(log, service)
			return nil
		}
	}
}

// reload validates first, so a faulty file changes nothing. It returns an error only when nothing runs any more, to
// let the supervisor restart the process.
func (c *cli) reload(ctx context.Context, log *slog.Logger, service *engine.Service) error {
	cfg, warnings, err := c.load(ctx)
	for _, w := range warnings {
		log.Warn("configuration", "warning", w.String())
	}
	if err == nil {
		err = service.Reload(ctx, cfg)
	} else {
		service.ReloadFailed()
	}
	switch {
	case errors.Is(err, engine.ErrNothingRuns):
		return fmt.Errorf("reload failed: %w", err)
	case err != nil:
		log.Error("reload failed; the running configuration stays", "error", err)
	default:
		log.Info("reloaded", "pipelines", len(cfg.Pipelines))
	}
	return nil
}

func (c *cli) stop(log *slog.Logger, service *engine.Service) {
	log.Info("draining", "timeout", service.Config().Service.ShutdownTimeout)
	left := service.Stop(context.Background())
	log.Info("stopped",
		"undelivered_items", left.Undelivered, "dropped_shutdown_timeout_items", left.TimedOut, "dropped_rotated_unread_items", left.Rotated,
		"unaccounted_items", left.Unaccounted, "took", time.Duration(left.DrainSeconds*float64(time.Second)).Round(time.Millisecond))
}

func (c *cli) logger(s pipeline.ServiceConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if s.LogEncoding == "json" {
		return slog.New(slog.NewJSONHandler(c.err, o))
	}
	return slog.New(slog.NewTextHandler(c.err, o))
}

// lookForOrphans warns of queues that nothing sends any more: their exporter was renamed, or taken out of the configuration.
func (c *cli) lookForOrphans(log *slog.Logger, service *engine.Service, dataDir string) {
	n := 0
	for _, s := range queue.Storages(service.Config(), dataDir) {
		left, err := s.Orphans()
		if err != nil {
			log.Warn("cannot look for queues that nothing sends", "storage", s.Dir, "error", err)
		}
		n += len(left)
		for _, q := range left {
			oldest := "unknown"
			if !q.Oldest.IsZero() {
				oldest = time.Since(q.Oldest).Round(time.Second).String()
			}
			log.Warn("a queue on disk belongs to no exporter of the configuration, and nothing sends it",
				"queue", q.Dir, "records", q.Stored.Records, "items", q.Stored.Count, "bytes", q.Stored.Bytes, "oldest", oldest,
				"dead_letters", q.Letters.Records, "fix", "configure the exporter again under this name, or use `queue replay`, `queue export` or `queue drop`")
		}
	}
	service.Orphans(n)
}
