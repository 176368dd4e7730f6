package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A fate is what a hostile destination did with one numbered record.
type fate struct {
	taken    int
	excused  int       // so many of them nobody can blame: an answer that was lost, a kill, damage
	rejected bool      // at least once, alone or with others
	alone    bool      // rejected in a request of its own
	open     int       // requests with it that were not answered yet
	last     time.Time // when the last request that took it was answered
	copies   int       // that its client sent again, and that may be stored beside it
	group    int       // records of the request in which it was seen first
	life     int       // of the daemon in which it was taken, or rejected alone, last
}

// records is a book of fates by the text of the record.
type records struct {
	mu     sync.Mutex
	of     map[string]*fate
	groups int
	life   int // of the daemon
}

func (b *records) fate(key string) *fate {
	f := b.of[key]
	if f == nil {
		f = &fate{group: -1}
		b.of[key] = f
	}
	return f
}

// excuse allows each of the records once more. repeated: its client had no answer.
func (b *records) excuse(keys []string, repeated bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range keys {
		f := b.fate(k)
		f.excused++
		if repeated {
			f.copies++
		}
	}
}

// killed excuses what may come again after a kill: what was on the wire, what was settled in the last moments, and
// what was taken of records of which something is left. all excuses everything: a cursor was damaged.
func (b *records) killed(all bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := map[int]bool{}
	for _, f := range b.of {
		if f.life != b.life || time.Since(f.last) < 400*time.Millisecond { // something of it is left, or was a moment ago
			left[f.group] = true
		}
	}
	for _, f := range b.of {
		if f.taken > 0 && (all || f.open > 0 || left[f.group] && f.life == b.life) {
			f.excused += 1 + f.copies
		}
	}
	b.life++
}

// A hostile destination takes OTLP/HTTP, and answers what it likes.
type hostile struct {
	t     testing.TB
	port  int
	book  *records
	mood  atomic.Int64 // percent of requests that meet a fault; over 100: all are answered 503
	asked [numFaults]atomic.Int64
}

const (
	faultNone = iota
	fault503
	fault429
	fault400
	fault413
	faultPartial
	faultResetBefore
	faultResetAfter
	faultStallBefore
	faultStallAfter
	faultBroken
	faultSlow
	numFaults
)

func newHostile(t testing.TB, book *records) *hostile {
	t.Helper()
	h := &hostile{t: t, book: book}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.port = l.Addr().(*net.TCPAddr).Port
	srv := &http.Server{Handler: h}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return h
}

// bad records are rejected by every request with one of them.
func bad(n int) bool { return n%211 == 17 }

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := plain(r)
	if err != nil {
		return // it broke off
	}
	keys, err := keysOf(r.URL.Path, body)
	if err != nil {
		h.t.Errorf("a request cannot be read: %v", err)
		w.WriteHeader(400)
		return
	}
	h.begin(keys)
	what := faultNone
	switch mood := h.mood.Load(); {
	case mood > 100:
		what = fault503
	case rand.Int64N(100) < mood:
		what = 1 + rand.IntN(numFaults-1)
	}
	var good, poison []string
	for _, k := range keys {
		if bad(numberOf(k)) {
			poison = append(poison, k)
		} else {
			good = append(good, k)
		}
	}
	if (what == faultNone || what == faultSlow) && len(poison) > 0 {
		what = fault400
	}
	if what == fault413 && len(keys) < 20 || (what == fault400 || what == fault413) && len(poison) == 0 && h.tookAny(keys) {
		what = fault503 // it does not reject what it has
	}
	h.asked[what].Add(1)
	takes := func() bool { return len(poison) == 0 } // also a request without an answer is a whole one
	switch what {
	case fault503, fault429:
		w.WriteHeader(map[int]int{fault503: 503, fault429: 429}[what])
		h.end(keys, nil, false)
	case fault400, fault413:
		h.reject(keys, len(keys) == 1)
		h.end(keys, nil, false)
		http.Error(w, "not these", map[int]int{fault400: 400, fault413: 413}[what])
	case faultPartial:
		h.reject(poison, len(keys) == len(poison))
		h.end(keys, good, false)
		w.Header().Set("Content-Type", "application/x-protobuf")
		b, _ := proto.Marshal(&collogs.ExportLogsServiceResponse{PartialSuccess: &collogs.ExportLogsPartialSuccess{RejectedLogRecords: int64(len(poison)), ErrorMessage: "not all"}})
		_, _ = w.Write(b)
	case faultResetBefore, faultStallBefore:
		h.stall(r, what == faultStallBefore)
		h.end(keys, nil, false)
		panic(http.ErrAbortHandler)
	case faultResetAfter, faultStallAfter:
		took := keys
		if !takes() {
			took = nil
		}
		h.take(took, true)
		h.stall(r, what == faultStallAfter)
		h.end(keys, nil, false)
		panic(http.ErrAbortHandler)
	case faultBroken:
		if !takes() {
			h.reject(keys, len(keys) == 1)
			h.end(keys, nil, false)
			http.Error(w, "not these", 400)
			return
		}
		h.take(keys, true)
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.Header().Set("Content-Length", "20")
		w.WriteHeader(200)
		_, _ = w.Write([]byte{0x0a})
		_ = http.NewResponseController(w).Flush()
		if rand.IntN(2) == 0 {
			h.stall(r, true)
		}
		h.end(keys, nil, false)
		panic(http.ErrAbortHandler)
	default:
		h.take(keys, false)
		if what == faultSlow {
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		}
		h.end(keys, nil, false)
		if r.Context().Err() != nil { // it waits no longer
			h.book.excuse(keys, false)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}
}

// stall waits until the client has gone.
func (h *hostile) stall(r *http.Request, yes bool) {
	if yes {
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
	}
}

func (h *hostile) begin(keys []string) {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	h.book.groups++
	for _, k := range keys {
		f := h.book.fate(k)
		f.open++
		if f.group < 0 {
			f.group = h.book.groups
		}
	}
}

func (h *hostile) tookAny(keys []string) bool {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	for _, k := range keys {
		if h.book.fate(k).taken > 0 {
			return true
		}
	}
	return false
}

func (h *hostile) take(keys []string, unsure bool) {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	for _, k := range keys {
		f := h.book.fate(k)
		f.taken++
		f.life = h.book.life
		if unsure {
			f.excused++
		}
	}
}

func (h *hostile) reject(keys []string, alone bool) {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	for _, k := range keys {
		f := h.book.fate(k)
		f.rejected = true
		f.alone = f.alone || alone
		if alone {
			f.life = h.book.life
		}
	}
}

func (h *hostile) end(keys, taken []string, unsure bool) {
	h.take(taken, unsure)
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	for _, k := range keys {
		f := h.book.fate(k)
		f.open--
		f.last = time.Now()
	}
}

func keyOf(source string, n int) string { return fmt.Sprintf("source=%s seq=%d end", source, n) }

func numberOf(key string) int {
	m := numbered.FindStringSubmatch(key)
	if m == nil {
		return -1
	}
	n, _ := strconv.Atoi(m[2])
	return n
}

// keysOf are the texts of a request's records.
func keysOf(path string, body []byte) (keys []string, err error) {
	switch path {
	case "/v1/logs":
		var req collogs.ExportLogsServiceRequest
		err = proto.Unmarshal(body, &req)
		for _, r := range req.ResourceLogs {
			for _, s := range r.ScopeLogs {
				for _, rec := range s.LogRecords {
					keys = append(keys, rec.GetBody().GetStringValue())
				}
			}
		}
	case "/v1/traces":
		var req coltrace.ExportTraceServiceRequest
		err = proto.Unmarshal(body, &req)
		for _, r := range req.ResourceSpans {
			for _, s := range r.ScopeSpans {
				for _, sp := range s.Spans {
					keys = append(keys, sp.Name)
				}
			}
		}
	case "/v1/metrics":
		var req colmetrics.ExportMetricsServiceRequest
		err = proto.Unmarshal(body, &req)
		for _, r := range req.ResourceMetrics {
			for _, s := range r.ScopeMetrics {
				for _, m := range s.Metrics {
					keys = append(keys, m.Name)
				}
			}
		}
	default:
		return nil, fmt.Errorf("unknown path %s", path)
	}
	return keys, err
}

// numberedOf is a request of a signal ("logs", "traces", "metrics"), and the texts of its records.
func numberedOf(signal, source string, first, n int) (body []byte, keys []string) {
	for i := range n {
		keys = append(keys, keyOf(source, first+i))
	}
	now := uint64(time.Now().UnixNano())
	var m proto.Message
	switch signal {
	case "logs":
		var recs []*logs.LogRecord
		for _, k := range keys {
			recs = append(recs, &logs.LogRecord{TimeUnixNano: now, Body: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: k}}})
		}
		m = &collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: recs}}}}}
	case "traces":
		var spans []*trace.Span
		for i, k := range keys {
			id := []byte(fmt.Sprintf("%08d%08d", first+i, len(source)))
			spans = append(spans, &trace.Span{TraceId: id, SpanId: id[:8], Name: k, StartTimeUnixNano: now, EndTimeUnixNano: now})
		}
		m = &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: spans}}}}}
	default:
		var ms []*metrics.Metric
		for i, k := range keys {
			p := &metrics.NumberDataPoint{TimeUnixNano: now, Value: &metrics.NumberDataPoint_AsInt{AsInt: int64(first + i)}}
			ms = append(ms, &metrics.Metric{Name: k, Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: []*metrics.NumberDataPoint{p}}}})
		}
		m = &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: ms}}}}}
	}
	body, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return body, keys
}

// framed reads what `queue export` writes, and hands out each request.
func framed(r io.Reader, each func(request []byte) error) error {
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		b := make([]byte, int(head[0])<<24|int(head[1])<<16|int(head[2])<<8|int(head[3]))
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		if err := each(b); err != nil {
			return err
		}
	}
}
