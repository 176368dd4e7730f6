package otlp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/poison"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

type intake struct {
	set      pipeline.Settings
	out      pipeline.Outputs
	budget   *pipeline.Budget
	timeout  time.Duration
	repaired prometheus.Counter
	invalid  prometheus.Counter
	repeated prometheus.Counter

	metadata pipeline.MetadataKeys // the headers that the configuration asks for

	seen atomic.Pointer[repeats]
	life context.Context // ends when Stop has waited long enough
	end  context.CancelFunc
}

func newIntake(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (*intake, error) {
	in := &intake{
		set: s, out: out, budget: s.Budget, timeout: cfg.RequestTimeout, metadata: s.View.Config.MetadataKeys(),
		repaired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_receiver_repaired_strings_total",
			Help: "Strings that were not UTF-8 and went on with U+FFFD in place of the bad bytes.",
		}),
		invalid: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_receiver_invalid_requests_total",
			Help: "Requests answered 400 because their body is not OTLP.",
		}),
	}
	in.repeated = newRepeatedCounter()
	in.seen.Store(newRepeats())
	in.life, in.end = context.WithCancel(context.Background())
	var errs []error
	for _, c := range []prometheus.Collector{in.repaired, in.invalid, in.repeated} {
		errs = append(errs, s.Metrics.Register(c))
	}
	return in, errors.Join(errs...)
}

const seenEstate = "request ids"

// inherit takes the memory of the graph before.
func (in *intake) inherit() {
	if seen, is := in.set.Inherit(seenEstate).(*repeats); is {
		in.seen.Store(seen)
	}
}

type errNoPipeline struct{ signal wire.Signal }

func (e errNoPipeline) Error() string {
	return fmt.Sprintf("no pipeline takes %s from this receiver", e.signal)
}

type errInvalid struct{ cause error }

func (e errInvalid) Error() string { return e.cause.Error() }
func (e errInvalid) Unwrap() error { return e.cause }

// notOTLP counts an unreadable body and returns the error for the response.
func (in *intake) notOTLP(cause error) error {
	in.invalid.Inc()
	return errInvalid{cause}
}

// take checks a protobuf body and passes it on. It returns the number of rejected items; if others were accepted, the error
// is a partial.
func (in *intake) take(ctx context.Context, sig wire.Signal, body []byte, from pipeline.Origin) (int, error) {
	sink := in.out.For(sig)
	if sink == nil {
		return 0, errNoPipeline{sig}
	}
	req, info, err := wire.Check(sig, body, wire.Limits{})
	if err != nil {
		return 0, in.notOTLP(err)
	}
	if info.RepairedStrings > 0 {
		in.repaired.Add(float64(info.RepairedStrings))
	}
	if info.Items == 0 {
		return 0, nil // a client's probe
	}
	err = sink.Consume(ctx, pipeline.Batch{
		Signal: sig, Request: req, Items: info.Items, Origin: from,
	})
	if err == nil {
		return 0, nil
	}
	a := pipeline.Read(err, info.Items)
	if a.Refusal != nil {
		// OTLP cannot ask for a part again: the items already accepted will arrive twice.
		in.set.DeliveredAfterRefusal(sig, a.Taken())
		return 0, a.Refusal
	}
	if n := a.RejectedItems(); n < info.Items {
		return n, partial{a.Rejected[0].Err}
	}
	return 0, &a.Rejected[0]
}

// partial is why some items were rejected and others accepted.
type partial struct{ error }

func partialOf(err error) (message string, is bool) {
	var p partial
	if errors.As(err, &p) {
		return p.Error(), true
	}
	return "", false
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledBytes keeps rare huge buffers out of the pool.
const maxPooledBytes = 4 << 20

// release returns a buffer to the pool. By Sink's contract nobody uses it any more; test builds overwrite it to catch
// violations.
func release(buf *[]byte, used []byte) {
	if cap(used) > maxPooledBytes {
		*buf = nil
		return
	}
	poison.Fill(used)
	*buf = used[:0]
	buffers.Put(buf)
}

// appendPartial appends the body of an export response, empty if rejected is 0. All signals use the same field numbers.
func appendPartial(dst []byte, rejected int, message string) []byte {
	if rejected == 0 {
		return dst
	}
	dst, mark := wire.BeginMessage(dst, 1)
	dst = wire.AppendUint(dst, 1, uint64(rejected))
	dst = wire.AppendString(dst, 2, message)
	return wire.EndMessage(dst, mark)
}
