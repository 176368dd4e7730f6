// Package memorylimiter is the processor memory_limiter. In the Collector it refuses batches inside a pipeline when
// the heap is full. Here memory is admitted by receivers, before a body is read, so the processor itself is not in
// the data path: its keys set the budget of the whole process.
package memorylimiter

import "github.com/sluiceio/sluice/pipeline"

// Component describes memory_limiter.
func Component() pipeline.Component {
	return pipeline.Processor("memory_limiter", Default, New, pipeline.Metrics, pipeline.Logs, pipeline.Traces).
		WithDoc("sets the memory budget of the process; refusing happens at the receivers").
		WithUnsupported(map[string]string{
			"min_gc_interval_when_soft_limited": "take it out; garbage is collected before intake is refused, at most once a second",
			"min_gc_interval_when_hard_limited": "take it out; garbage is collected before intake is refused, at most once a second",
		})
}

// New returns next: there is nothing to do on the way.
func New(_ pipeline.Settings, _ *Config, next pipeline.Sink) (pipeline.Sink, error) { return next, nil }
