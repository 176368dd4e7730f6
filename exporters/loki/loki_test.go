package loki

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// taker takes everything at once.
type taker struct{ e *encoder }

func (k taker) Encode(b pipeline.Batch) (delivery.Requests, error) {
	groups, err := k.e.encode(b, 0)
	return delivery.Requests{Groups: groups}, err
}

func (taker) Attempt(context.Context, *payload.Payload) answer.Outcome {
	return answer.Outcome{Code: "204"}
}

func start(t testing.TB, yaml string) (pipeline.Sink, *ledger.Ledger) {
	t.Helper()
	c := configured(t, yaml)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "loki")
	k, err := New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := k.(pipeline.Stopper).Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return s.Entrance(pipeline.Logs, k), ledger
}

// numbered is n lines that count up from first.
func numbered(t testing.TB, first, n int) pipeline.Batch {
	var b strings.Builder
	b.WriteString(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"timeUnixNano":"%d","body":{"stringValue":"line %06d"}}`, 1_700_000_000_000_000_000+first+i, first+i)
	}
	b.WriteString(`]}]}]}`)
	return batch(t, []byte(b.String()))
}

// Through an outage every line arrives once and in order, in several requests a batch.
func TestOutage(t *testing.T) {
	var mu sync.Mutex
	requests := 0
	var lines []string
	var wrong []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path != "/loki/api/v1/push" || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("X-Scope-OrgID") != "" || r.Header.Get("Content-Encoding") != "" {
			wrong = append(wrong, fmt.Sprint(r.URL, r.Header))
		}
		if requests++; requests%3 != 0 {
			w.WriteHeader([]int{503, 429, 500}[requests%3])
			return
		}
		for _, s := range decoded(t, body).Streams {
			for _, e := range s.Entries {
				lines = append(lines, e.Line)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	sink, ledger := start(t, "endpoint: "+srv.URL+"\nmax_batch_size_bytes: 2000\nretry_on_failure:\n  initial_interval: 1ms\n  max_interval: 2ms\n")
	for i := range 10 {
		if err := sink.Consume(t.Context(), numbered(t, i*100, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) != 1000 || len(wrong) > 0 {
		t.Fatalf("%d lines, wrong requests %v", len(lines), wrong)
	}
	for i, l := range lines {
		if l != fmt.Sprintf("line %06d", i) {
			t.Fatalf("%q at %d", l, i)
		}
	}
	if ledger.Unaccounted() != 0 {
		t.Errorf("%+v", ledger.Read())
	}
}

// TestABadPartCostsOnlyItself: also when the batch goes out in several requests of which some are taken. Nothing arrives
// twice, not even what has no time of its own.
func TestABadPartCostsOnlyItself(t *testing.T) {
	for _, size := range []int{1 << 20, 2000} {
		arrived := map[string]int{}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			var lines []string
			for _, s := range decoded(t, body).Streams {
				for _, e := range s.Entries {
					lines = append(lines, e.Line)
				}
			}
			if slices.Contains(lines, "line 000100") {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			for _, l := range lines {
				arrived[l]++
			}
		}))
		sink, ledger := start(t, fmt.Sprintf("endpoint: %s\nmax_batch_size_bytes: %d\n", srv.URL, size))
		merged := pipeline.Batch{Signal: pipeline.Logs}
		for _, b := range []pipeline.Batch{
			numbered(t, 0, 100), numbered(t, 100, 1),
			numbered(t, 0, 1), // once more, in the request that is rejected: it must not be taken for the one that arrived
			numbered(t, 200, 100),
			batch(t, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"no time"}}]}]}]}`)),
		} {
			merged.Request = append(merged.Request, b.Request...)
			merged.Items += b.Items
		}
		rej, never := pipeline.AsRejected(sink.Consume(t.Context(), merged))
		srv.Close()
		if !never || rej.Len() != 1 || len(arrived) != 201 || ledger.Unaccounted() != 0 {
			t.Errorf("in requests of %d B: %+v, %d lines arrived, %d unaccounted for", size, rej, len(arrived), ledger.Unaccounted())
		}
		for line, times := range arrived {
			if times != 1 && line != "line 000000" { // twice is better than never
				t.Errorf("in requests of %d B: %q arrived %d times", size, line, times)
			}
		}
	}
}

func TestTenants(t *testing.T) {
	tenants := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenants <- r.Header.Get("X-Scope-OrgID")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	for _, c := range []struct{ yaml, origin, want string }{
		{"", "", ""}, {"", "blue", "blue"}, {"tenant_id: red", "blue", "red"}, {"headers: {x-scope-orgid: green}", "", "green"},
	} {
		sink, _ := start(t, "endpoint: "+srv.URL+"\n"+c.yaml)
		b := numbered(t, 0, 1)
		b.Origin.Tenant = c.origin
		if err := sink.Consume(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got := <-tenants; got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestRejectionsSayWhy(t *testing.T) {
	status := 400
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "entry for stream '{}' has timestamp too old: 2020-01-01T00:00:00Z")
	}))
	defer srv.Close()
	sink, _ := start(t, "endpoint: "+srv.URL+"/loki/api/v1/push\nretry_on_failure: {enabled: false}")
	rej, ok := pipeline.AsRejected(sink.Consume(t.Context(), numbered(t, 0, 7)))
	if !ok || rej.Reason != pipeline.DropUndivided && rej.Reason != pipeline.DropTooOld || rej.Count != 0 {
		t.Errorf("%+v", rej)
	}
	for _, status = range []int{401, 403, 404, 429, 500, 503} {
		if _, ok := pipeline.AsRefused(sink.Consume(t.Context(), numbered(t, 0, 7))); !ok {
			t.Errorf("%d is not refused", status)
		}
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	c := Default()
	c.Compression, c.MaxBatchSizeBytes, c.TenantID, c.Labels = "gzip", 1, "a/../b", map[string]string{"a-b": "c"}
	err := c.Validate()
	for _, key := range []string{"endpoint", "compression", "max_batch_size_bytes", "tenant_id", "labels"} {
		if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing is said about %q in %v", key, err)
		}
	}
}

// TestFreshFirstNeedsAWindow: Loki rejects what is older than the newest of a stream by more than its window.
func TestFreshFirstNeedsAWindow(t *testing.T) {
	c := Default()
	c.Endpoint, c.Queue.Storage, c.Queue.Recovery = "http://x", "file_storage", "fresh_first"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `"sending_queue::recovery" is fresh_first`) || !strings.Contains(err.Error(), "max_chunk_age") {
		t.Errorf("without out_of_order: %v", err)
	}
	c.OutOfOrder = true
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// TestLinesTooFarBehindCostOnlyThemselves: lines of a stream are not sorted by time, so lines before one that is too old may
// be good.
func TestLinesTooFarBehindCostOnlyThemselves(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		plain, _ := snappy.Decode(nil, body)
		for _, bad := range []string{"line 000003", "line 000030"} {
			if bytes.Contains(plain, []byte(bad)) {
				http.Error(w, "entry too far behind, entry timestamp is: 2020", http.StatusBadRequest)
				return
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	sink, _ := start(t, "endpoint: "+srv.URL)
	a := pipeline.Read(sink.Consume(t.Context(), numbered(t, 0, 40)), 40)
	if len(a.Rejected) != 1 || fmt.Sprint(a.Rejected[0].Ranges) != "[{3 4} {30 31}]" {
		t.Errorf("%+v", a)
	}
}
