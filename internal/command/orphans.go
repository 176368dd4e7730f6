package command

import (
	"log/slog"
	"time"

	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/pipeline/engine"
)

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
