package otlp

import (
	"context"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"io"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// requestHeader is the HTTP header and the gRPC metadata with the ID that a sender of ours gives a request: 32 hex digits,
// the same each time that it sends the request. Other values are ignored.
const requestHeader = "sluice-request-id"

const (
	// rememberedFor and rememberedMost bound the memory of finished requests: about 15 MB.
	rememberedFor  = 10 * time.Minute
	rememberedMost = 1 << 17
	// rememberedWords bounds the bytes of messages to senders in it.
	rememberedWords = 4 << 20
	// workFor is how long a request with an ID is worked on when its client has left: two attempts of an exporter.
	workFor = time.Minute
)

// A requestKey is an ID with what came under it: another body with the same ID is another request.
type requestKey struct {
	id     [16]byte
	sum    uint64 // of the body as it came, compressed
	length uint32
	signal wire.Signal
}

// parseID reads an ID as it stands in a header.
func parseID[S string | []byte](text S) (id [16]byte, ok bool) {
	if len(text) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(text))
	return id, err == nil && id != [16]byte{}
}

// A handling is a request that is worked on, or its answer.
type handling struct {
	done     chan struct{} // closed with the answer; nil while nobody waits
	ended    bool
	rejected int // this and err belong to who does the work, until it has ended
	err      error
}

// accepted is the usual answer.
var accepted = &handling{ended: true}

// repeats knows the requests with an ID that are worked on, and the answers of those that are finished, so that a request
// that is sent again is not delivered again. What was refused is not remembered: it is worked on anew.
type repeats struct {
	seed maphash.Seed

	mu    sync.Mutex
	calls map[requestKey]*handling
	order []ended // oldest first
	words int     // bytes
}

type ended struct {
	key requestKey
	at  time.Time
}

func newRepeats() *repeats {
	return &repeats{seed: maphash.MakeSeed(), calls: map[requestKey]*handling{}}
}

func (m *repeats) key(id [16]byte, sig wire.Signal, body []byte) requestKey {
	return requestKey{id, maphash.Bytes(m.seed, body), uint32(len(body)), sig}
}

// summed hashes what is read, as repeats.key does.
type summed struct {
	io.Reader
	hash   maphash.Hash
	length int
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	_, _ = s.hash.Write(p[:n])
	s.length += n
	return n, err
}

// begin returns the handling of a request, and whether the caller has to do its work, and to end it.
func (m *repeats) begin(k requestKey) (c *handling, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c = m.calls[k]; c == nil {
		c = &handling{}
		m.calls[k] = c
		return c, true
	}
	if !c.ended && c.done == nil {
		c.done = make(chan struct{})
	}
	return c, false
}

// end makes what is in c the answer.
func (m *repeats) end(k requestKey, c *handling) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.ended = true
	if c.done != nil {
		close(c.done)
	}
	kept := c
	if c.err == nil && c.rejected == 0 {
		kept = accepted
	}
	if !memorable(c.err) || m.words+wordsOf(kept) > rememberedWords {
		delete(m.calls, k)
		return
	}
	m.words += wordsOf(kept)
	m.calls[k] = kept
	now := time.Now()
	m.order = append(m.order, ended{k, now})
	m.forgetLocked(now)
}

// forgetLocked forgets what is old, a little more than comes.
func (m *repeats) forgetLocked(now time.Time) {
	for range 4 {
		if len(m.order) <= rememberedMost && now.Sub(m.order[0].at) <= rememberedFor {
			return
		}
		k := m.order[0].key
		m.words -= wordsOf(m.calls[k])
		delete(m.calls, k)
		if m.order = m.order[1:]; len(m.order) == 0 {
			return
		}
	}
}

func wordsOf(c *handling) int {
	if c.err == nil {
		return 0
	}
	return len(c.err.Error())
}

// memorable reports whether a repetition may get the answer: not a refusal, and not what no work was done for.
func memorable(err error) bool {
	if err == nil {
		return true
	}
	var rej *pipeline.Rejected
	var some partial
	return !isRefusal(err) && (errors.As(err, &rej) || errors.As(err, &some))
}

// run runs work for a request. k is zero without an ID.
func (in *intake) run(ctx context.Context, k requestKey, work func(context.Context) (int, error)) (rejected int, err error) {
	if k != (requestKey{}) {
		return in.once(ctx, k, work)
	}
	if _, has := ctx.Deadline(); !has { // gRPC's has
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, in.timeout)
		defer cancel()
	}
	return work(ctx)
}

// once runs work for a request, unless a request with the same key is worked on or was. The work goes on when the client
// leaves: the client sends the request again, and then gets the answer.
func (in *intake) once(ctx context.Context, k requestKey, work func(context.Context) (int, error)) (rejected int, err error) {
	seen := in.seen.Load()
	c, first := seen.begin(k)
	if first {
		c.err = errUnfinished // if it panics
		defer seen.end(k, c)
		detached, cancel := context.WithTimeout(in.life, max(in.timeout, workFor))
		defer cancel()
		rejected, err = work(detached)
		c.rejected, c.err = rejected, lasting(err)
		return rejected, err
	}
	in.repeated.Inc()
	if c.done != nil {
		ctx, cancel := context.WithTimeout(ctx, in.timeout)
		defer cancel()
		select {
		case <-c.done:
		case <-ctx.Done():
			return 0, pipeline.Withdrawn(ctx)
		}
	}
	return c.rejected, c.err
}

var errUnfinished = pipeline.Refuse(0, errors.New("the work on the request broke off"))

// lasting is err without references to the batch.
func lasting(err error) error {
	if err == nil {
		return nil
	}
	var rej *pipeline.Rejected
	var some partial
	switch {
	case isRefusal(err):
	case errors.As(err, &some):
		return partial{errors.New(shorten(some.Error()))}
	case errors.As(err, &rej):
		return &pipeline.Rejected{Reason: rej.Reason, Err: errors.New(shorten(rej.Error()))}
	}
	return err
}

func shorten(text string) string { return text[:min(len(text), 1024)] }

func newRepeatedCounter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_receiver_repeated_requests_total",
		Help: "Requests that one of our senders sent again while the first was worked on, or after it was delivered; they were not delivered again.",
	})
}
