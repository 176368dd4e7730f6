package reader

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// progress holds a file's unacknowledged batches and the checkpoint, which moves only over the acknowledged prefix. It also
// orders the sends.
type progress struct {
	mu          sync.Mutex
	acked       int64              // where a restart begins
	mark        fileid.Mark        // of a place at or before acked
	fingerprint fileid.Fingerprint // of the content that acked refers to
	size        int64              // of the file at the last look
	modified    int64              // ns since 1970, at the last look
	compressed  bool               // nothing is to be read
	flight      []*call            // oldest first; the first is never done
	refused     int                // calls of flight that wait for a retry
	changed     chan struct{}
}

// call is one batch in the window. It outlives its buffer until all older calls are done.
type call struct {
	resume  int64       // the checkpoint when this and all older calls are acknowledged
	mark    fileid.Mark // of a place at or before resume
	after   func()      // called at that time; may be nil
	items   int
	started time.Time // zero before its first Consume
	open    bool      // in a gathered request that has not left: it may grow
	done    bool
	refused bool // by its last answer; retried when it is the oldest
}

// stagger is the minimum delay between the starts of two calls of a file, unless the first has returned: Consume does not
// say when a batch is queued. It limits a file to 128 MB/s with 256 KiB batches.
const stagger = 2 * time.Millisecond

// full returns nil if there is room, otherwise a channel that is closed when that may have changed.
func (p *progress) full(limit int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.flight); n < limit || p.flight[n-1].open {
		return nil
	}
	return p.change()
}

// grow adds c to the newest call if that may grow.
func (p *progress) grow(c *call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.flight)
	if n == 0 || !p.flight[n-1].open {
		return false
	}
	last := p.flight[n-1]
	last.resume, last.mark, last.items = c.resume, c.mark, last.items+c.items
	if before := last.after; before == nil {
		last.after = c.after
	} else if c.after != nil {
		last.after = func() { before(); c.after() }
	}
	return true
}

// shut ends the growth of a call.
func (p *progress) shut(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.open = false
}

func (p *progress) launch(c *call) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flight = append(p.flight, c)
	return c
}

// waitTurn waits until the call may be made: in order and at most limit at once, but one at a time, oldest first, after a
// refusal. False: ctx ended.
func (p *progress) waitTurn(ctx context.Context, c *call, limit int) bool {
	return p.wait(ctx, func() (bool, time.Duration) { return p.turn(c, limit) })
}

// hasTurn is waitTurn without waiting, but for stagger.
func (p *progress) hasTurn(c *call, limit int) bool {
	for {
		p.mu.Lock()
		ok, in := p.turn(c, limit)
		p.mu.Unlock()
		if ok || in == 0 {
			return ok
		}
		time.Sleep(in)
	}
}

// turn begins the call if it may be made; else it may be after the duration, or after a change if that is 0.
func (p *progress) turn(c *call, limit int) (bool, time.Duration) {
	if i := slices.Index(p.flight, c); i > 0 {
		elder := p.flight[i-1]
		if i >= limit || p.refused > 0 || elder.started.IsZero() {
			return false, 0
		}
		if ahead := stagger - time.Since(elder.started); ahead > 0 && !elder.done {
			return false, ahead
		}
	}
	c.started = time.Now()
	p.broadcast()
	return true, 0
}

func (p *progress) refuse(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !c.refused {
		c.refused = true
		p.refused++
	}
}

func (p *progress) refusing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused > 0
}

// settle moves the checkpoint over the finished prefix.
func (p *progress) settle(c *call) {
	p.mu.Lock()
	c.done = true
	if c.refused {
		p.refused--
	}
	var after []func()
	n := 0
	for n < len(p.flight) && p.flight[n].done {
		done := p.flight[n]
		p.acked = done.resume
		if done.mark.End() > 0 && done.mark.End() <= done.resume {
			p.mark = done.mark
		}
		if done.after != nil {
			after = append(after, done.after)
		}
		n++
	}
	p.flight = append(p.flight[:0], p.flight[n:]...)
	p.broadcast()
	p.mu.Unlock()
	for _, f := range after {
		f()
	}
}

func (p *progress) recognise(f fileid.Fingerprint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fingerprint = f
}

func (p *progress) begin(b Begin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked, p.mark, p.fingerprint, p.compressed = b.Offset, b.Mark, b.Fingerprint, b.Compressed
}

func (p *progress) look(s fileid.Stat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size, p.modified = s.Size, s.Modified
}

func (p *progress) skip() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.compressed = true
}

// skips reports whether the content is compressed.
func (p *progress) skips() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.compressed
}

// cut records that what is beyond size is counted as lost.
func (p *progress) cut(size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = min(p.size, size)
}

func (p *progress) known() fileid.Fingerprint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fingerprint
}

func (p *progress) entry() checkpoint.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := p.size
	if p.compressed {
		size = p.acked
	}
	return checkpoint.Entry{Fingerprint: p.fingerprint, Mark: p.mark, Offset: p.acked, Size: size, Modified: p.modified}
}

// read is entry with how far the file was read, acknowledged or not.
func (p *progress) read() checkpoint.Entry {
	e := p.entry()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.flight {
		e.Offset = c.resume
		if c.mark.End() > 0 && c.mark.End() <= c.resume {
			e.Mark = c.mark
		}
	}
	return e
}

func (p *progress) outstanding() (calls, records int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.flight {
		if !c.done {
			records += c.items
		}
	}
	return len(p.flight), records
}

// wait calls ready under the lock until it returns true: after each change, or after the duration it returns.
func (p *progress) wait(ctx context.Context, ready func() (bool, time.Duration)) bool {
	for ctx.Err() == nil {
		p.mu.Lock()
		ok, in := ready()
		changed := p.change()
		p.mu.Unlock()
		if ok {
			return true
		}
		var timer <-chan time.Time
		if in > 0 {
			timer = time.After(in)
		}
		select {
		case <-changed:
		case <-timer:
		case <-ctx.Done():
		}
	}
	return false
}

// change returns a channel that the next broadcast closes.
func (p *progress) change() <-chan struct{} {
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

func (p *progress) broadcast() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}
