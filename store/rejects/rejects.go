// Package rejects reports items that a store did not keep: by reason to the sender, and once a minute in the log.
package rejects

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
)

// List holds the rejected items of one batch. It is not safe for concurrent use.
type List struct{ kinds []kind }

type kind struct {
	why     pipeline.Reason
	ranges  []pipeline.Range
	bytes   int
	example string
}

// Reset empties the list for the next batch.
func (l *List) Reset() { l.kinds = l.kinds[:0] }

// Add adds an item; bytes may be 0. example, called once a reason, describes it.
func (l *List) Add(why pipeline.Reason, item, bytes int, example func() string) {
	k := l.kind(why, example)
	k.bytes += bytes
	if n := len(k.ranges); n > 0 && k.ranges[n-1].To == item {
		k.ranges[n-1].To++
		return
	}
	k.ranges = append(k.ranges, pipeline.Range{From: item, To: item + 1})
}

func (l *List) kind(why pipeline.Reason, example func() string) *kind {
	for i := range l.kinds {
		if l.kinds[i].why == why {
			return &l.kinds[i]
		}
	}
	if n := len(l.kinds); n < cap(l.kinds) {
		l.kinds = l.kinds[:n+1]
		k := &l.kinds[n]
		*k = kind{ranges: k.ranges[:0]}
	} else {
		l.kinds = append(l.kinds, kind{})
	}
	k := &l.kinds[len(l.kinds)-1]
	k.why, k.example = why, example()
	return k
}

// Items returns the number of items.
func (l *List) Items() (n int) {
	for i := range l.kinds {
		n += l.kinds[i].items()
	}
	return n
}

// Bytes returns the size of all items, as far as known.
func (l *List) Bytes() (n int) {
	for i := range l.kinds {
		n += l.kinds[i].bytes
	}
	return n
}

func (k *kind) items() (n int) {
	for _, r := range k.ranges {
		n += r.To - r.From
	}
	return n
}

// Teller turns lists into errors and log lines. It is safe for concurrent use.
type Teller struct {
	Log   *slog.Logger
	What  string                     // the items, such as "log records"
	Words map[pipeline.Reason]string // the fault, such as "are older than the retention"

	mu    sync.Mutex
	lines map[pipeline.Reason]*throttle.Line
}

// Answer returns the error for a batch of so many items, nil if the list is empty.
func (t *Teller) Answer(items int, l *List) error {
	if len(l.kinds) == 0 {
		return nil
	}
	g := pipeline.NewGather(items)
	for i := range l.kinds {
		k := &l.kinds[i]
		text := t.Words[k.why]
		if text == "" {
			text = "cannot be stored: " + string(k.why)
		}
		err := fmt.Errorf("%s %s: %d, such as %s", t.What, text, k.items(), k.example)
		g.Reject(pipeline.Rejected{Reason: k.why, Ranges: pipeline.NewRanges(append([]pipeline.Range(nil), k.ranges...)), Err: err})
		if left, due := t.line(k.why).Now(); due {
			t.Log.Warn(t.What+" were not stored: they "+text, "reason", string(k.why), "items", k.items(), "example", k.example, "suppressed", left)
		}
	}
	return g.Err()
}

func (t *Teller) line(why pipeline.Reason) *throttle.Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		t.lines = map[pipeline.Reason]*throttle.Line{}
	}
	if t.lines[why] == nil {
		t.lines[why] = &throttle.Line{}
	}
	return t.lines[why]
}
