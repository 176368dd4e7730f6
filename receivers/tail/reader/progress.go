package reader

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// progress is what of one file is safe: the window of batches that were handed to the pipeline and not all
// acknowledged, and the checkpoint, which moves only over the unbroken acknowledged prefix. It also decides in
// which order batches are sent.
type progress struct {
	mu          sync.Mutex
	acked       int64              // where reading begins after a restart
	mark        fileid.Mark        // of a place at or before acked
	fingerprint fileid.Fingerprint // of the content that acked is an offset into
	size        int64              // of the file at the last look
	modified    int64              // its modification time then, ns since 1970
	flight      []*call            // oldest first; the first is never done
	refused     int                // how many of flight were refused and wait to be repeated
	changed     chan struct{}
}

// call is one batch in the window. Its buffer is reused as soon as it is dealt with; its place here may have to
// wait for its elders.
type call struct {
	resume  int64       // the checkpoint when this call and all before it are acknowledged
	mark    fileid.Mark // of a place at or before it
	after   func()      // is called when that is so; nil: nothing is
	items   int
	started time.Time // zero before its first Consume
	done    bool
	refused bool // its last answer; it is repeated when it is the oldest
}

// stagger is how long a call must be on its way before the next one of its file starts, unless it has returned.
// Consume does not say when a batch has its place in the pipeline's queues; two thousandths of a second are plenty for
// that on a machine that is not overloaded, and with 256 KiB batches they bound a file to 128 MB/s into a sink that
// is slower than that anyway.
const stagger = 2 * time.Millisecond

// full is nil when fewer than limit calls are outstanding, and otherwise a channel that is closed when that may have
// changed.
func (p *progress) full(limit int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.flight) < limit {
		return nil
	}
	return p.change()
}

// launch enters a call into the window, behind all others.
func (p *progress) launch(c *call) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flight = append(p.flight, c)
	return c
}

// waitTurn waits until the call may be made: in order, side by side with its elders while all goes well, and
// alone, the oldest first, as soon as one was refused. False: ctx ended.
func (p *progress) waitTurn(ctx context.Context, c *call) bool {
	return p.wait(ctx, func() (bool, time.Duration) {
		if c != p.flight[0] {
			elder := p.flight[slices.Index(p.flight, c)-1]
			if p.refused > 0 || elder.started.IsZero() {
				return false, 0
			}
			if ahead := stagger - time.Since(elder.started); ahead > 0 && !elder.done {
				return false, ahead
			}
		}
		c.started = time.Now()
		p.broadcast()
		return true, 0
	})
}

// refuse notes that the call was refused.
func (p *progress) refuse(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !c.refused {
		c.refused = true
		p.refused++
	}
}

// refusing says whether calls were refused and wait to be repeated.
func (p *progress) refusing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused > 0
}

// settle notes that the call is dealt with, and moves the checkpoint as far as the prefix goes.
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

// recognise notes a longer fingerprint.
func (p *progress) recognise(f fileid.Fingerprint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fingerprint = f
}

// begin sets where reading begins, before anything is read.
func (p *progress) begin(b Begin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked, p.mark, p.fingerprint = b.Offset, b.Mark, b.Fingerprint
}

// look notes what the file was like when it was last looked at.
func (p *progress) look(s fileid.Stat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size, p.modified = s.Size, s.Modified
}

// known is the fingerprint of the content that is being read.
func (p *progress) known() fileid.Fingerprint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fingerprint
}

// entry is what a restart has to know.
func (p *progress) entry() checkpoint.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return checkpoint.Entry{Fingerprint: p.fingerprint, Mark: p.mark, Offset: p.acked, Size: p.size, Modified: p.modified}
}

// outstanding is how many calls, and how many records in them, are not acknowledged.
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

// wait calls ready under the lock until it says yes, again when something changed, or after the time it names.
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

// change is closed by the next broadcast.
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
