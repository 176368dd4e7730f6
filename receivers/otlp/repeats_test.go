package otlp

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

const someID = "00112233445566778899aabbccddeeff"

// doors are the ways into a receiver: send sends a request with an ID and returns what came back.
func doors(t *testing.T, sink pipeline.Sink) (*server, *prometheus.Registry, map[string]func(ctx context.Context, id string, n int) string) {
	reg := prometheus.NewRegistry()
	srv := start(t, sink, func(_ *Config, s *pipeline.Settings) { s.Metrics = reg })
	overHTTP := func(compression, length string) func(context.Context, string, int) string {
		return func(ctx context.Context, id string, n int) string {
			body := compress(t, compression, encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(n))))
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, srv.http+"/v1/logs", bytes.NewReader(body))
			if length == "unknown" { // which is net/http's
				req.ContentLength = -1
			}
			req.Header.Set("Content-Type", typeProtobuf)
			req.Header.Set("Content-Encoding", compression)
			req.Header.Set("Sluice-Request-Id", id)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return "no answer"
			}
			defer res.Body.Close()
			var text bytes.Buffer
			text.ReadFrom(res.Body)
			if res.StatusCode != 200 {
				return fmt.Sprint(res.StatusCode)
			}
			var part plogotlp.ExportResponse = plogotlp.NewExportResponse()
			if err := part.UnmarshalProto(text.Bytes()); err != nil {
				t.Error(err)
			}
			return fmt.Sprint(res.StatusCode, part.PartialSuccess().ErrorMessage())
		}
	}
	conn := dial(t, srv.grpc)
	overGRPC := func(ctx context.Context, id string, n int) string {
		ctx = metadata.AppendToOutgoingContext(ctx, requestHeader, id)
		part, err := plogotlp.NewGRPCClient(conn).Export(ctx, plogotlp.NewExportRequestFromLogs(sampleLogs(n)))
		switch st := status.Convert(err); {
		case ctx.Err() != nil:
			return "no answer"
		case err == nil:
			return "200" + part.PartialSuccess().ErrorMessage()
		case strings.Contains(st.Message(), "never"):
			return "400"
		}
		return "503"
	}
	return srv, reg, map[string]func(context.Context, string, int) string{
		"HTTP": overHTTP("zstd", ""), "net/http": overHTTP("gzip", "unknown"), "uncompressed": overHTTP("identity", ""), "gRPC": overGRPC,
	}
}

// gate is a sink whose answers a test decides.
type gate struct {
	enter    chan struct{} // one for each batch that came
	answers  chan error
	items    atomic.Int64 // answered nil
	deadline atomic.Pointer[time.Time]
}

func (g *gate) Consume(ctx context.Context, b pipeline.Batch) error {
	end, _ := ctx.Deadline()
	g.deadline.Store(&end)
	g.enter <- struct{}{}
	select {
	case err := <-g.answers:
		if err == nil {
			g.items.Add(int64(b.Items))
		}
		return err
	case <-ctx.Done():
		return pipeline.Withdrawn(ctx)
	}
}

func newGate() *gate { return &gate{enter: make(chan struct{}, 100), answers: make(chan error, 100)} }

// TestARepeatOfARunningRequestGetsItsAnswer: the client leaves, the work goes on, and those who send the request again wait
// for its answer.
func TestARepeatOfARunningRequestGetsItsAnswer(t *testing.T) {
	g := newGate()
	_, reg, send := doors(t, g)
	for name, send := range send {
		t.Run(name, func(t *testing.T) {
			before, repeated := g.items.Load(), repeatsIn(t, reg)
			ctx, leave := context.WithCancel(t.Context())
			var first sync.WaitGroup
			first.Go(func() {
				if got := send(ctx, idOf(name), 7); got != "no answer" {
					t.Errorf("the client that left got %s", got)
				}
			})
			<-g.enter
			leave()
			first.Wait()
			var others sync.WaitGroup
			for range 3 {
				others.Go(func() {
					if got := send(t.Context(), idOf(name), 7); got != "200" {
						t.Errorf("a repeat got %s, want 200", got)
					}
				})
			}
			for repeatsIn(t, reg) < repeated+3 {
				time.Sleep(time.Millisecond)
			}
			g.answers <- nil
			others.Wait()
			if got := send(t.Context(), idOf(name), 7); got != "200" {
				t.Errorf("a repeat after the end got %s, want 200", got)
			}
			if n := g.items.Load() - before; n != 7 {
				t.Errorf("the sink has %d records, want 7", n)
			}
			if n := repeatsIn(t, reg) - repeated; n != 4 {
				t.Errorf("%v repeats were counted, want 4", n)
			}
			if left := time.Until(*g.deadline.Load()); left < workFor-20*time.Second || left > workFor {
				t.Errorf("the work may still last %s", left)
			}
		})
	}
}

func idOf(name string) string {
	return hex.EncodeToString([]byte((name + strings.Repeat("x", 16))[:16]))
}

func repeatsIn(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == "sluice_receiver_repeated_requests_total" {
			return f.Metric[0].Counter.GetValue()
		}
	}
	t.Fatal("there is no counter")
	return 0
}

// TestWhatIsAnsweredAgain: an acceptance and a rejection are, in the same words; a refusal is not, nor another request.
func TestWhatIsAnsweredAgain(t *testing.T) {
	g := newGate()
	_, _, send := doors(t, g)
	some := pipeline.Reject(4, pipeline.DropTooOld, errors.New("four are too old"))
	for name, send := range send {
		for i, c := range []struct {
			what    string
			answers []error // of the sink
			want    []string
		}{
			{"accepted", []error{nil}, []string{"200", "200"}},
			{"some rejected", []error{some}, []string{"200four are too old", "200four are too old"}},
			{"rejected", []error{pipeline.Reject(0, pipeline.DropRejected, errors.New("never"))}, []string{"400", "400"}},
			{"refused", []error{errors.New("busy"), errors.New("busy"), nil}, []string{"503", "503", "200", "200"}},
		} {
			t.Run(name+" "+c.what, func(t *testing.T) {
				for _, a := range c.answers {
					g.answers <- a
				}
				for k, want := range c.want {
					if got := send(t.Context(), idOf(fmt.Sprint(i, name)), 7); got != want {
						t.Errorf("request %d got %s, want %s", k, got, want)
					}
				}
				if n := len(g.answers); n != 0 {
					t.Errorf("%d answers of the sink were not asked for", n)
				}
			})
		}
	}
}

// TestAnotherBodyWithTheSameIDIsAnotherRequest, and so are those of another signal and those without an ID of ours.
func TestAnotherBodyWithTheSameIDIsAnotherRequest(t *testing.T) {
	g := newGate()
	srv, _, send := doors(t, g)
	for range 100 {
		g.answers <- nil
	}
	want := int64(0)
	for _, send := range send {
		for _, n := range []int{3, 4, 5} {
			for _, id := range []string{"", "1", someID[1:] + "g", someID + "00"} {
				send(t.Context(), id, n)
				want += int64(n)
			}
		}
	}
	// The body of 3 records comes in four encodings (gRPC does not compress), and each is the first of its kind but one.
	for _, n := range []int{3, 4, 5} {
		for _, name := range []string{"HTTP", "net/http", "uncompressed", "gRPC"} {
			send[name](t.Context(), someID, n)
		}
		want += 3 * int64(n)
	}
	if got := g.items.Load(); got != want {
		t.Errorf("%d records arrived, want %d", got, want)
	}
	body := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(3)))
	m := doorOf(srv).in.seen.Load()
	id, _ := parseID(someID)
	if m.key(id, wire.Logs, body) == m.key(id, wire.Traces, body) || m.key(id, wire.Logs, body) == m.key(id, wire.Logs, body[1:]) {
		t.Error("two requests have one key")
	}
}

// TestStopEndsDetachedWork: nobody's work outlives the receiver.
func TestStopEndsDetachedWork(t *testing.T) {
	g := newGate()
	srv, _, send := doors(t, g)
	for name, send := range send {
		ctx, leave := context.WithCancel(t.Context())
		go send(ctx, idOf(name), 1)
		<-g.enter
		leave()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	srv.receiver.Stop(ctx)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the stop took %s", took)
	}
}

// TestAPanicDoesNotHoldRepeats: what panicked is worked on anew.
func TestAPanicDoesNotHoldRepeats(t *testing.T) {
	var n atomic.Int32
	_, _, send := doors(t, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
		if n.Add(1) == 1 {
			panic("test")
		}
		return nil
	}))
	send["HTTP"](t.Context(), someID, 2)
	if got := send["HTTP"](t.Context(), someID, 2); got != "200" {
		t.Errorf("after a panic: %s", got)
	}
}

// TestWhatIsRememberedIsBounded in number, age and words.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRepeats()
		add := func(n int, err error) {
			k := requestKey{length: 1}
			binary.LittleEndian.PutUint64(k.id[:], uint64(n))
			c, first := m.begin(k)
			if !first {
				t.Fatalf("%d is known", n)
			}
			c.err = err
			m.end(k, c)
		}
		known := func(n int) bool {
			k := requestKey{length: 1}
			binary.LittleEndian.PutUint64(k.id[:], uint64(n))
			return m.calls[k] != nil
		}
		for n := range rememberedMost + 1000 {
			add(n, nil)
		}
		if len(m.calls) != rememberedMost || len(m.order) != rememberedMost || known(999) || !known(1000) {
			t.Errorf("%d requests are known, and %d in order", len(m.calls), len(m.order))
		}
		time.Sleep(rememberedFor + time.Second)
		for n := range rememberedMost {
			add(-1-n, nil)
		}
		if known(rememberedMost) || len(m.calls) > rememberedMost {
			t.Errorf("old requests are known, %d in all", len(m.calls))
		}
		long := &pipeline.Rejected{Err: errors.New(strings.Repeat("x", 1<<20))}
		for n := range 10 {
			add(1<<30+n, lasting(long))
			add(1<<31+n, long)
		}
		if m.words > rememberedWords {
			t.Errorf("%d bytes of words are kept", m.words)
		}
		time.Sleep(rememberedFor + time.Second)
		for n := range rememberedMost {
			add(1<<40+n, nil)
		}
		if m.words != 0 {
			t.Errorf("%d bytes of words are left", m.words)
		}
	})
}

// TestTheMemoryOutlivesAReload.
func TestTheMemoryOutlivesAReload(t *testing.T) {
	g := newGate()
	var settings pipeline.Settings
	srv := start(t, g, func(_ *Config, s *pipeline.Settings) { settings = *s })
	settings.Estates.Open()
	before := doorOf(srv).in.seen.Load()
	srv.receiver.Stop(t.Context())
	next := &intake{set: settings}
	next.inherit()
	if next.seen.Load() != before {
		t.Error("the next graph does not know what was before")
	}
}

// BenchmarkRun is what is around the work for a request of 1,000 logs (BenchmarkTake), without and with an ID.
func BenchmarkRun(b *testing.B) {
	body := compress(b, "zstd", encoded(b, plogotlp.NewExportRequestFromLogs(sampleLogs(1000))))
	for _, named := range []bool{false, true} {
		b.Run(fmt.Sprint("id=", named), func(b *testing.B) {
			in := &intake{timeout: defaultRequestTimeout, repeated: newRepeatedCounter()}
			in.life, in.end = context.WithCancel(context.Background())
			in.seen.Store(newRepeats())
			defer in.end()
			var id [16]byte
			n := uint64(0)
			work := func(context.Context) (int, error) { return 0, nil }
			b.ReportAllocs()
			for b.Loop() {
				n++
				binary.LittleEndian.PutUint64(id[:], n)
				var k requestKey
				if named {
					k = in.seen.Load().key(id, wire.Logs, body)
				}
				if _, err := in.run(in.life, k, work); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
