// Package canary is the receiver that makes numbered records. The processor of the same name measures, anywhere behind it,
// which are missing or came twice, and how long they took.
package canary

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/source"
)

// Receiver is the component.
type Receiver struct {
	settings pipeline.Settings
	interval time.Duration
	instance string
	outputs  []output

	sequence sequence
	stop     context.CancelFunc
	done     sync.WaitGroup
}

type output struct {
	signal  pipeline.Signal
	backlog *source.Backlog
}

// A sequence is the numbers of one run of a canary; it goes on over a reload.
type sequence struct {
	run int64  // when it began, in ns since 1970
	n   uint64 // the last number
}

const estate = "sequence"

// maxBacklog is what waits of each signal while the pipeline refuses: about an hour of one record a second.
const maxBacklog = 1 << 20

// New makes the receiver. It makes records for each signal that has a pipeline.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (any, error) {
	r := &Receiver{settings: s, interval: cfg.Interval, instance: cfg.Instance}
	if r.instance == "" {
		r.instance, _ = os.Hostname() // empty is a name, too
	}
	for _, sig := range pipeline.Signals {
		if next := out.For(sig); next != nil {
			r.outputs = append(r.outputs, output{sig, source.NewBacklog(s, next, sig, maxBacklog)})
		}
	}
	return r, nil
}

// Start implements pipeline.Starter.
func (r *Receiver) Start(ctx context.Context) error {
	if before, is := r.settings.Inherit(estate).(sequence); is {
		r.sequence = before
	} else {
		r.sequence = sequence{run: time.Now().UnixNano()}
	}
	for _, o := range r.outputs {
		if err := o.backlog.Start(ctx); err != nil {
			return err
		}
	}
	ctx, r.stop = context.WithCancel(context.Background())
	r.done.Go(func() { r.emit(ctx) })
	return nil
}

func (r *Receiver) emit(ctx context.Context) {
	tick := time.NewTicker(r.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		r.sequence.n++
		for _, o := range r.outputs {
			b := record{instance: r.instance, sequence: r.sequence, at: time.Now()}.request(o.signal)
			o.backlog.Put(1, len(b), func(dst []byte) []byte { return append(dst, b...) })
		}
	}
}

// Stop implements pipeline.Stopper.
func (r *Receiver) Stop(ctx context.Context) error {
	r.stop()
	r.done.Wait()
	r.settings.Leave(estate, r.sequence)
	var wg sync.WaitGroup
	errs := make([]error, len(r.outputs))
	for i, o := range r.outputs {
		wg.Go(func() { errs[i] = o.backlog.Stop(ctx) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var (
	_ pipeline.Starter = (*Receiver)(nil)
	_ pipeline.Stopper = (*Receiver)(nil)
)
