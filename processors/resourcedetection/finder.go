package resourcedetection

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/internal/backoff"
	"github.com/sluiceio/sluice/processors/resourcedetection/detector"
	"github.com/sluiceio/sluice/wire"
)

// An edit is what every resource gets.
type edit struct {
	attributes *wire.AttributeEdit // nil for nothing
	missing    bool                // a detector has failed so far
}

// finder runs the detectors, each at its own pace, and merges what they find.
type finder struct {
	names     []string
	detectors []detector.Detector
	override  bool
	timeout   time.Duration
	refresh   time.Duration
	log       *slog.Logger
	metrics   metrics

	edit  atomic.Pointer[edit]
	first chan struct{} // closed when every detector has ended, or the timeout has

	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu     sync.Mutex
	found  []detector.Attributes
	state  []state
	opened bool
}

// state is of a detector.
type state uint8

const (
	searching state = iota
	failed
	known
)

func newFinder(c *Config, log *slog.Logger, m metrics) *finder {
	f := &finder{
		names: c.Detectors, override: c.Override, timeout: c.Timeout, refresh: c.RefreshInterval, log: log, metrics: m,
		first: make(chan struct{}), found: make([]detector.Attributes, len(c.Detectors)), state: make([]state, len(c.Detectors)),
	}
	options := c.options()
	for _, name := range c.Detectors {
		f.detectors = append(f.detectors, detector.New(name, options[name]))
	}
	f.edit.Store(&edit{missing: true})
	return f
}

// follow takes over what another finder with the same detectors knows.
func (f *finder) follow(before *finder) {
	before.mu.Lock()
	defer before.mu.Unlock()
	if slices.Contains(before.state, searching) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	copy(f.found, before.found)
	copy(f.state, before.state)
	f.merge()
	f.open()
}

func (f *finder) start() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	for i := range f.detectors {
		f.tasks.Go(func() { f.ask(ctx, i) })
	}
	f.tasks.Go(func() {
		select {
		case <-ctx.Done():
		case <-f.first:
		case <-time.After(f.timeout):
			f.mu.Lock()
			defer f.mu.Unlock()
			f.open()
		}
	})
}

// stop ends all tasks, and lets go who waits for the first detection.
func (f *finder) stop() {
	f.cancel()
	f.tasks.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open()
}

// ask asks a detector until it has an answer, and then as often as the configuration says.
func (f *finder) ask(ctx context.Context, i int) {
	pause := backoff.Backoff{Min: firstTry, Max: slowestTry}
	for {
		attempt, cancel := context.WithTimeout(ctx, max(f.timeout, firstTry))
		found, err := f.detectors[i].Detect(attempt)
		cancel()
		if ctx.Err() != nil {
			return
		}
		wait := f.refresh
		if err != nil {
			wait = firstTry + pause.Next(0)
		} else {
			pause.Reset()
		}
		f.take(i, found, err)
		if wait == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// take merges what a detector found. A failure keeps what was known before.
func (f *finder) take(i int, found detector.Attributes, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.state[i]
	if err != nil {
		f.metrics.failures.WithLabelValues(f.names[i]).Inc()
		if before != failed {
			f.log.Warn("cannot detect everything; trying again", "detector", f.names[i], "error", err)
		}
		f.state[i] = failed
		if len(found) > 0 || before == searching {
			f.found[i] = found // a part
		}
	} else {
		if before == failed {
			f.log.Info("detected after all", "detector", f.names[i])
		}
		f.state[i] = known
		if len(found) > 0 || before == searching { // a metadata service that is away for a moment does not move the host
			f.found[i] = found
		}
	}
	f.merge()
	if !slices.Contains(f.state, searching) {
		f.open()
	}
}

// merge makes the edit of what is known. f.mu must be held.
func (f *finder) merge() {
	all := detector.Attributes{}
	for _, found := range f.found {
		for name, v := range found {
			if _, have := all[name]; !have {
				all[name] = v
			}
		}
	}
	next := &edit{missing: slices.ContainsFunc(f.state, func(s state) bool { return s != known })}
	if len(all) > 0 {
		action := wire.InsertAttribute
		if f.override {
			action = wire.UpsertAttribute
		}
		var operations []wire.AttributeOperation
		for _, name := range slices.Sorted(maps.Keys(all)) {
			operations = append(operations, wire.AttributeOperation{Action: action, Key: name, Value: value(all[name])})
		}
		attributes, err := wire.NewAttributeEdit(operations...)
		if err != nil {
			f.log.Error("cannot use what was detected; this is a fault of Sluice", "error", err)
			return
		}
		next.attributes = attributes
	}
	f.metrics.attributes.Set(float64(len(all)))
	f.edit.Store(next)
}

// open lets batches pass. f.mu must be held.
func (f *finder) open() {
	if f.opened {
		return
	}
	f.opened = true
	var late []string
	for i, s := range f.state {
		if s == searching {
			late = append(late, f.names[i])
		}
	}
	if len(late) > 0 {
		f.log.Warn(fmt.Sprintf("detectors have not answered within %s; what passes now lacks their attributes", f.timeout), "detectors", strings.Join(late, ", "))
	}
	close(f.first)
}

func value(v any) wire.Value {
	switch v := v.(type) {
	case string:
		return wire.StringValue(v)
	case int64:
		return wire.IntValue(v)
	case []string:
		var body []byte
		for _, s := range v {
			body = wire.AppendValue(body, wire.FieldArrayValues, wire.StringValue(s))
		}
		return wire.ListValue(body)
	}
	return wire.Value{}
}
