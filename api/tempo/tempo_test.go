package tempo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/traces"
	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/store/traces/tracestest"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write what the cases answer into testdata; read the diff")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a store whose clock stands at Epoch, closed with the test, and the API over it.
func open(t testing.TB, o traces.Options) (*traces.Store, http.Handler, *ledger.Ledger) {
	t.Helper()
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	o.Now = tracestest.NewClock().Now
	st, err := traces.Open(s, t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st, New(s, st), ledger
}

func put(t testing.TB, st *traces.Store, text string) {
	t.Helper()
	if err := st.Append(t.Context(), tracestest.BatchOf(t, tracestest.SpanText(t, text))); err != nil {
		t.Fatal(err)
	}
}

// TestCases runs testdata/*.txtar over a store.
func TestCases(t *testing.T) {
	tracestest.Cases(t, *update, func(t *testing.T) tracestest.Store {
		st, h, ledger := open(t, traces.Options{})
		return tracestest.Store{Sink: pipeline.SinkFunc(st.Append), Handler: h, Ledger: ledger}
	})
}

// reader is a store that has only an error.
type reader struct {
	Reader
	begin, read error
}

func (r reader) Begin(ctx context.Context) (context.Context, func(), error) {
	return ctx, func() {}, r.begin
}

func (r reader) Trace(context.Context, traceql.ID) (traceql.Trace, error) {
	return traceql.Trace{}, r.read
}

// TestStatus: the status says whose fault an error is, at the beginning and later.
func TestStatus(t *testing.T) {
	for code, err := range map[int]error{
		http.StatusGatewayTimeout:      fmt.Errorf("waited: %w", context.DeadlineExceeded),
		http.StatusServiceUnavailable:  fmt.Errorf("the store: %w", fs.ErrClosed),
		statusClientGone:               context.Canceled,
		http.StatusInternalServerError: errors.New("the disk is broken"),
		http.StatusNotFound:            nil,
	} {
		for _, r := range []reader{{begin: err}, {read: err}} {
			s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
			if w := tracestest.Ask(New(s, r), "/tempo/api/traces/1", ""); w.Code != code {
				t.Errorf("%v: %d %s, want %d", err, w.Code, w.Body, code)
			}
		}
	}
}

// TestTraceLargerThanTheLimit is answered in part where that can be said, and refused where it cannot.
func TestTraceLargerThanTheLimit(t *testing.T) {
	st, h, _ := open(t, traces.Options{MaxTraceBytes: 30_000})
	for i := range 5 {
		put(t, st, fmt.Sprintf("span 1/%x - op server -%ds 1s noise=%s", i+1, i, tracestest.Noise(9000, i)))
	}
	v2 := tracestest.Ask(h, "/tempo/api/v2/traces/1", "")
	if v2.Code != 200 || !strings.Contains(v2.Body.String(), `"status":"PARTIAL","message":"the trace is larger`) {
		t.Errorf("v2 answers %d %.100s", v2.Code, v2.Body)
	}
	if n := strings.Count(v2.Body.String(), `"spanId"`); n != 3 {
		t.Errorf("v2 has %d spans, want 3", n)
	}
	trace, rest := tracestest.OpenEnvelope(t, tracestest.Ask(h, "/tempo/api/v2/traces/1", "application/protobuf").Body.Bytes())
	if len(tracestest.SpanIDs(trace)) != 3 || !strings.Contains(rest, "field 3: \"\\x01\"") || !strings.Contains(rest, "larger than 30000") {
		t.Errorf("v2 protobuf: %d spans, %s", len(tracestest.SpanIDs(trace)), rest)
	}
	if v1 := tracestest.Ask(h, "/tempo/api/traces/1", ""); v1.Code != 422 {
		t.Errorf("v1 answers %d", v1.Code)
	}
}
