package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/pace"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
)

// Options are the settings of a Sender.
type Options struct {
	Queue       QueueConfig
	Retry       RetryConfig
	Timeout     time.Duration // of one attempt; 0 for none
	MaxInFlight int           // calls on the wire at once; 1 keeps their order
}

// A Sender is the loop of all exporters: nil only when the destination has confirmed. A caller whose context ends while it waits is withdrawn. If
// its request is already on the wire, it is refused at once and the request goes on with its own copy; a success then counts as delivered after refusal.
type Sender struct {
	settings pipeline.Settings
	opts     Options
	dest     Destination
	gate     gate
	pacing   sync.Mutex
	pace     pace.Pace // of the gate; a queue on disk has one for each lane
	counters *counters
	notices  notices
	history  divide.History
	sent     repeats // what may come again
	said     repeats // what an answer that broke off said to have
	ids      identities
	running  tally
	disk     *disk           // with sending_queue::storage
	idle     chan func()     // to a worker that waits for its next attempt
	life     context.Context // ends when Stop has waited long enough
	end      context.CancelFunc

	away     atomic.Bool   // the last attempt found no destination that takes anything
	answers  atomic.Int64  // of the destination, good or bad
	draining chan struct{} // closed by Drain
	vain     chan struct{} // closed during the drain of a destination that is away
	drained  sync.Once
}

// New makes a Sender.
func New(s pipeline.Settings, o Options, d Destination) (*Sender, error) {
	k := &Sender{settings: s, opts: o, dest: d, notices: newNotices(s.Log, &o), sent: newRepeats(), said: newRepeats(), ids: newIdentities(), idle: make(chan func()), draining: make(chan struct{}), vain: make(chan struct{})}
	k.pace.Set(o.MaxInFlight, o.MaxInFlight)
	k.gate.places, k.gate.maxWeight = o.MaxInFlight, o.Queue.limit()
	var err error
	if k.counters, err = newCounters(s.Metrics, k.gate.callers); err != nil {
		return nil, err
	}
	k.life, k.end = context.WithCancel(context.Background())
	if o.Queue.OnDisk() {
		if k.disk, err = newDisk(k); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (k *Sender) enter(ctx context.Context, items, bytes int) error {
	err := k.gate.enter(ctx, k.opts.Queue.weight(items, bytes), k.waits())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errGateFull):
		return &pipeline.Refused{
			Err:      fmt.Errorf(`cannot queue for %s: %w; it is slow, or "sending_queue::queue_size" is too small`, k.settings.ID, err),
			Overload: true, After: k.opts.Retry.InitialInterval,
		}
	}
	return pipeline.Withdrawn(ctx)
}

// deliver sends a payload until a final answer. It releases the payload and one hold on the place, or leaves that
// to an attempt that outlives the caller.
func (k *Sender) deliver(ctx context.Context, at *place, p *payload.Payload, how manner) error {
	wait := k.opts.Retry.backoff()
	start := time.Now()
	for {
		if ctx.Err() != nil {
			k.comesAgain(p)
			giveBack(at, p)
			return pipeline.Withdrawn(ctx)
		}
		out, stayed := k.attempt(ctx, at, p)
		if !stayed {
			return k.withdrawn(ctx, errUnanswered)
		}
		if err, ended := k.settle(p, out); ended {
			giveBack(at, p)
			return err
		}
		if how.once {
			if out.MayHaveArrived() && how.unsure != nil {
				how.unsure.Store(true)
			}
			k.comesAgain(p)
			giveBack(at, p)
			return &pipeline.Refused{Err: out.Err, After: out.After, Overload: out.Overload}
		}
		pause := wait.Next(out.After)
		if k.isDraining() {
			k.comesAgain(p)
			giveBack(at, p)
			return k.withdrawn(ctx, out.Err)
		}
		if why := k.giveUp(ctx, start, pause); why != "" {
			k.comesAgain(p)
			giveBack(at, p)
			return &pipeline.Refused{Err: fmt.Errorf("%s: %w", why, out.Err), After: pause, Overload: out.Overload}
		}
		if !k.sleep(ctx, pause) {
			k.comesAgain(p)
			giveBack(at, p)
			return k.withdrawn(ctx, out.Err)
		}
		k.counters.retries.Inc()
	}
}

// comesAgain notes a request whose caller is refused.
func (k *Sender) comesAgain(p *payload.Payload) {
	k.sent.keep(p)
	if k.disk == nil && p.MayHaveArrived() { // a record on disk has its own ID
		k.ids.keep(p)
	}
}

// settle books an answer and reports whether it is final.
func (k *Sender) settle(p *payload.Payload, out answer.Outcome) (err error, ended bool) {
	switch out.Verdict {
	case answer.Taken:
		k.history.Taken()
		return k.taken(p, out), true
	case answer.Rejected:
		err := pipeline.Reject(out.Items, out.Reason, out.Err)
		if rej, _ := pipeline.AsRejected(err); divide.Repeated(rej) && k.sent.has(p) {
			p.Unanswered()
		}
		return err, true
	}
	if out.Unsure {
		p.Unanswered()
	}
	return nil, false
}

func (k *Sender) taken(p *payload.Payload, out answer.Outcome) error {
	bad := min(max(out.Items, 0), p.Items)
	if bad == 0 {
		k.settings.Delivered(p.Signal, p.Items, p.Size)
		return nil
	}
	k.settings.Delivered(p.Signal, p.Items-bad, p.Size-int(int64(p.Size)*int64(bad)/int64(p.Items)))
	return pipeline.Reject(bad, out.Reason, divide.Final(out.Err))
}

func (k *Sender) alreadyThere(p *payload.Payload, items int) {
	k.counters.there.Add(float64(items))
	k.settings.Delivered(p.Signal, items, int(int64(p.Size)*int64(items)/int64(max(p.Items, 1))))
}

// giveUp returns why a caller is refused instead of waiting for the next attempt, or "".
func (k *Sender) giveUp(ctx context.Context, start time.Time, pause time.Duration) string {
	r := &k.opts.Retry
	if !r.Enabled {
		return "not delivered, and retry_on_failure is off"
	}
	if r.MaxElapsedTime > 0 && time.Since(start)+pause > r.MaxElapsedTime {
		return "not delivered within retry_on_failure::max_elapsed_time"
	}
	// A caller that would time out before the next attempt is refused now.
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
		return "not delivered within the caller's time"
	}
	return ""
}

func (k *Sender) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	k.gate.rest(1)
	defer k.gate.rest(-1)
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-k.draining:
	case <-k.life.Done():
	}
	return false
}

// drainGrace is how long a destination may be silent during a drain before it counts as away.
const drainGrace = 5 * time.Second

// Drain is called before a shutdown or reload. From then on a caller gets one attempt, and nobody waits for a
// destination that is away.
func (k *Sender) Drain() {
	k.drained.Do(func() {
		close(k.draining)
		if k.disk != nil {
			k.disk.drain()
			return
		}
		if k.away.Load() {
			close(k.vain)
			return
		}
		answers := k.answers.Load()
		time.AfterFunc(drainGrace, func() {
			if k.away.Load() || k.answers.Load() == answers {
				close(k.vain)
			}
		})
	})
}

func (k *Sender) isDraining() bool {
	select {
	case <-k.draining:
		return true
	default:
		return false
	}
}

// waits is closed when waiting for the destination is useless. Later callers still get an attempt: a backlog that
// cannot refuse anybody tries until the end.
func (k *Sender) waits() <-chan struct{} {
	select {
	case <-k.vain:
		return nil
	default:
		return k.vain
	}
}

func (k *Sender) withdrawn(ctx context.Context, last error) error {
	if ctx.Err() == nil {
		return pipeline.Refuse(0, fmt.Errorf("not delivered before the shutdown: %w", last))
	}
	if errors.Is(last, errUnanswered) {
		return pipeline.Withdrawn(ctx)
	}
	return pipeline.Refuse(0, fmt.Errorf("%w; before that: %w", pipeline.Withdrawn(ctx), last))
}

var errUnanswered = errors.New("the destination has not answered")

func giveBack(at *place, p *payload.Payload) {
	p.Release()
	at.leave()
}

const (
	flying int32 = iota
	landed
	abandoned
)

// attempt sends once. If the caller leaves first it reports false, and the attempt goes on and releases what the
// caller held.
func (k *Sender) attempt(ctx context.Context, at *place, p *payload.Payload) (out answer.Outcome, stayed bool) {
	if ctx.Done() == nil {
		return k.once(p), true
	}
	var state atomic.Int32
	landing := make(chan answer.Outcome, 1)
	k.running.begin()
	k.goes(func() {
		defer k.running.finish()
		out := k.once(p)
		if state.CompareAndSwap(flying, landed) {
			landing <- out
			return
		}
		switch {
		case out.Verdict == answer.Taken:
			k.settings.DeliveredAfterRefusal(p.Signal, p.Items-min(max(out.Items, 0), p.Items))
			_ = k.taken(p, out) // for the ledger; the caller was refused and will come back with all of it
			p.Unanswered()
		case out.Unsure:
			p.Unanswered()
		}
		k.sent.keep(p)
		giveBack(at, p)
	})
	select {
	case out := <-landing:
		return out, true
	case <-ctx.Done():
	case <-k.waits():
	}
	p.Detach()
	if k.disk == nil {
		k.ids.keep(p) // before it is released, and before the caller can be back
	}
	if state.CompareAndSwap(flying, abandoned) {
		return answer.Outcome{}, false
	}
	k.ids.forget(p)
	return <-landing, true
}

// goes reuses idle goroutines: the stack of a new one has to grow through the whole transport.
func (k *Sender) goes(f func()) {
	select {
	case k.idle <- f:
	default:
		go k.worker(f)
	}
}

func (k *Sender) worker(f func()) {
	for {
		f()
		select {
		case f = <-k.idle:
		case <-k.life.Done():
			return
		}
	}
}

func (k *Sender) once(p *payload.Payload) answer.Outcome {
	ctx, cancel := k.life, context.CancelFunc(func() {})
	if k.opts.Timeout > 0 {
		ctx, cancel = context.WithTimeout(k.life, k.opts.Timeout)
	}
	defer cancel()
	start := time.Now()
	k.counters.inFlight.Add(1)
	out := k.confirmed(p, k.dest.Attempt(ctx, p))
	k.counters.inFlight.Add(-1)
	k.counters.attempted(p, out, time.Since(start))
	k.away.Store(out.Verdict == answer.Retry || out.Verdict == answer.Misconfigured)
	if !k.away.Load() {
		k.answers.Add(1)
	}
	if k.life.Err() == nil { // what the end cuts off says nothing about the destination
		k.notices.outcome(out)
		k.adapt(start, out)
	}
	return out
}

// adapt gives the gate as many places as the destination can do with.
func (k *Sender) adapt(begun time.Time, out answer.Outcome) {
	if k.disk != nil || k.opts.MaxInFlight < 2 {
		return
	}
	k.pacing.Lock()
	defer k.pacing.Unlock()
	if out.Verdict == answer.Retry || out.Verdict == answer.Misconfigured {
		k.pace.Refused(begun, 0, out.Overload)
	} else {
		k.pace.Answered(begun)
	}
	k.gate.withhold(k.opts.MaxInFlight - k.pace.Limit())
}

// Stop returns when no request is on the wire. When ctx ends, or the destination is away, they are cancelled.
// Callers must have stopped before.
func (k *Sender) Stop(ctx context.Context) error {
	defer k.end()
	if k.disk != nil {
		return k.disk.stop()
	}
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	go func() {
		select {
		case <-k.vain:
			cut(errUnanswered)
		case <-ctx.Done():
		}
	}()
	if k.running.wait(ctx) {
		return nil
	}
	k.end()
	// Wait for the goroutines of cancelled requests.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	k.running.wait(grace)
	return fmt.Errorf("cannot finish the requests on the wire: %w", context.Cause(ctx))
}
