// Package memorylimiter is the processor memory_limiter. In the Collector it refuses batches inside a pipeline when
// the heap is full. Here memory is admitted by receivers, before a body is read, so the processor itself is not in
// the data path: its keys set the budget of the whole process.
package memorylimiter

import "github.com/sluiceio/sluice/pipeline"

// New returns next: there is nothing to do on the way.
func New(_ pipeline.Settings, _ *Config, next pipeline.Sink) (pipeline.Sink, error) { return next, nil }
