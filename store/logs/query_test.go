package logs

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/logs/logql"
)

// many makes a batch of n rows of one service, one every step from start on; fill decorates them.
func many(t testing.TB, n int, start time.Time, step time.Duration, fill func(i int, r plog.LogRecord)) pipeline.Batch {
	return batch(t, func(logs plog.Logs) {
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "svc")
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for i := range n {
			r := records.AppendEmpty()
			r.SetTimestamp(pcommonTime(start.Add(time.Duration(i) * step)))
			fill(i, r)
		}
	})
}

// get sends a query and returns status and body.
func get(ctx context.Context, s *Store, path string, params ...string) (int, string) {
	form := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/loki/api/v1/"+path+"?"+form.Encode(), nil)
	s.Handler().ServeHTTP(w, r.WithContext(ctx))
	return w.Code, w.Body.String()
}

// TestVisible: a query that follows an append sees its rows at once, and one right after another append within a
// second and a half.
func TestVisible(t *testing.T) {
	s := open(t, Options{})
	for i := 1; i <= 2; i++ {
		put(t, s, lines(t, "svc", time.Now(), "x"))
		want := `"` + strconv.Itoa(i) + `"]`
		for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			_, body := get(t.Context(), s, "query", "query", `sum(count_over_time({service_name="svc"}[1h]))`)
			if strings.Contains(body, want) {
				break
			}
			if i == 1 || time.Since(start) > 5*time.Second {
				t.Fatalf("after %v: %s", time.Since(start), body)
			}
		}
	}
}

// TestLimits: too much is an answer of 400 that says what to do, at once and without the memory it would take.
func TestLimits(t *testing.T) {
	s := open(t, Options{MaxResultBytes: 4 << 20})
	now := time.Now().Add(-time.Minute)
	put(t, s, many(t, 1500, now, time.Millisecond, func(i int, r plog.LogRecord) {
		r.Attributes().PutInt("n", int64(i))
		r.Body().SetStr(strings.Repeat("x", 4000))
	}))
	s.lib.DebugFlush()
	hour := strconv.FormatInt(now.Add(-time.Hour).UnixNano(), 10)
	f := func(code int, want, path string, params ...string) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, body := get(t.Context(), s, path, params...)
		runtime.ReadMemStats(&after)
		if got != code || !strings.Contains(body, want) {
			t.Errorf("%s %v: %d %.300s; want %d %s", path, params, got, body, code, want)
		}
		if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 100<<20 {
			t.Errorf("%s %v took %d MiB", path, params, grown>>20)
		}
	}
	f(400, "maximum of series (1000) reached", "query", "query", `count_over_time({service_name="svc"}[1h])`)
	f(400, "maximum of series (1000) reached", "query", "query", `topk(5, sum by (n) (count_over_time({service_name="svc"}[1h])))`)
	f(200, `"1500"`, "query", "query", `sum(count_over_time({service_name="svc"}[1h]))`)
	f(200, `"999"`, "query", "query", `count(sum by (n) (count_over_time({service_name="svc"} | n < 999 [1h])))`)
	f(400, "use a longer step", "query_range", "query", `sum by (n) (count_over_time({service_name="svc"} | n < 500 [1h]))`,
		"start", hour, "step", "1s")
	f(200, "matrix", "query_range", "query", `sum(count_over_time({service_name="svc"}[20y]))`, "start", "1", "end", "4000000000", "step", "1000000")
	f(200, "matrix", "query_range", "query", `sum by (n) (rate({service_name="svc"} | n < 3 [1s]))`, "start", hour, "step", "1s")
	f(400, "exceeded maximum resolution", "query_range", "query", `sum(rate({service_name="svc"}[1s]))`, "start", "0", "step", "1s")
	f(400, "need more than 4194304 bytes", "query_range", "query", `{service_name="svc"}`, "limit", "5000")
	f(200, "streams", "query_range", "query", `{service_name="svc"}`, "limit", "500")
	f(200, "streams", "query_range", "query", `{service_name="svc"}`, "limit", "500", "direction", "forward", "start", "0")
}

// TestCancel: a query ends when its caller goes, when its time is over, and when the store closes.
func TestCancel(t *testing.T) {
	s := open(t, Options{})
	put(t, s, lines(t, "svc", time.Now(), "x"))
	for begin := time.Now(); ; { // a row shows up a moment after it was put; without one the query below has nothing to wait in
		if _, body := get(t.Context(), s, "query", "query", `count_over_time({service_name="svc"}[1h])`); strings.Contains(body, `"1"]`) {
			break
		} else if time.Since(begin) > 10*time.Second {
			t.Fatalf("the row does not show up: %s", body)
		}
	}
	started := make(chan struct{})
	slow := s.answer(func(ctx context.Context, _ request) ([]byte, error) {
		close(started)
		err := s.blocks(ctx, libraryQuery{text: "*", to: time.Now().UnixNano()}, func(int, *logstorage.DataBlock) error {
			<-ctx.Done()
			return nil
		})
		return nil, err
	})
	run := func(ctx context.Context) (int, string) {
		started = make(chan struct{})
		w := httptest.NewRecorder()
		slow.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
		return w.Code, w.Body.String()
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if code, body := run(ctx); code != statusClientGone {
		t.Errorf("caller gone: %d %s", code, body)
	}
	s.options.QueryTimeout = 50 * time.Millisecond
	if code, body := run(t.Context()); code != http.StatusGatewayTimeout || !strings.Contains(body, "took too long") {
		t.Errorf("time over: %d %s", code, body)
	}
	s.options.QueryTimeout = time.Minute
	time.AfterFunc(50*time.Millisecond, func() { _ = s.Close() })
	if code, body := run(t.Context()); code != http.StatusServiceUnavailable || !strings.Contains(body, "closed") {
		t.Errorf("store closed: %d %s", code, body)
	}
	if code, _ := get(t.Context(), s, "labels"); code != http.StatusServiceUnavailable {
		t.Errorf("a closed store answers %d", code)
	}
}

// TestWaitForSlot: queries over the limit wait, and leave with their caller.
func TestWaitForSlot(t *testing.T) {
	s := open(t, Options{MaxQueries: 1})
	s.slots <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if code, body := get(ctx, s, "labels"); code != http.StatusGatewayTimeout {
		t.Errorf("without a slot: %d %s", code, body)
	}
	<-s.slots
	if code, _ := get(t.Context(), s, "labels"); code != http.StatusOK {
		t.Errorf("with a slot: %d", code)
	}
}

// TestPushdown: whatever the library decides, it decides as the stages would. Random selections are run twice, as
// planned and with every stage in Go.
func TestPushdown(t *testing.T) {
	t.Run("all labels are fields", func(t *testing.T) { testPushdown(t, strings.Repeat("n", 100)) })
	t.Run("some are not", func(t *testing.T) { testPushdown(t, strings.Repeat("n", 200)) })
}

func testPushdown(t *testing.T, long string) {
	s := open(t, Options{MaxSeries: 100000})
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	words := []string{"error", "errors", "a.b", "new\nline", "ünï", "Foo", "foobar", "", " ", "\"", "x=1", "*", "\\", "0123"}
	now := time.Now().Add(-time.Minute)
	for svc := range 4 {
		put(t, s, batch(t, func(logs plog.Logs) {
			rl := logs.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", []string{"web", "web-2", "db\nx", "foo"}[svc])
			if svc%2 == 0 {
				rl.Resource().Attributes().PutStr("k8s.pod.name", "p")
			}
			for i := range 150 {
				r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
				r.SetTimestamp(pcommonTime(now.Add(time.Duration(i) * time.Millisecond)))
				r.Body().SetStr(pick(words...) + pick(words...) + pick(words...))
				if i%2 == 0 {
					r.Attributes().PutStr("a", pick("1", "2", "x y", "web", ""))
				}
				if i%3 == 0 {
					r.Attributes().PutInt("b", int64(random.IntN(3)))
				}
				if i%5 == 0 {
					r.Attributes().PutStr(long, pick("1", "2"))
				}
			}
		}))
	}
	s.lib.DebugFlush()
	regexps := []string{"err.*", "(?i)FOO", "foo|bar", "o+b", "^foo", "bar$", "foo\\b", "foo\\Bbar", ".+", ".*", "", "[^a]", "new.line", "(a|b)\\.b", "\\*", "1|2", "0.23", "x y|web"}
	matchers := func() string {
		op := pick("=", "!=", "=~", "!~")
		value := pick(append(words, "1", "2", "web")...)
		if op == "=~" || op == "!~" {
			value = pick(regexps...)
		}
		return pick("a", "b", "service_name", "k8s_pod_name", "none", "detected_level", long, "__error__") + op + strconv.Quote(value)
	}
	stage := func() string {
		switch random.IntN(6) {
		case 0:
			return pick("|= ", "!= ") + strconv.Quote(pick(words...)) + pick("", " or "+strconv.Quote(pick(words...)))
		case 1:
			return pick("|~ ", "!~ ") + strconv.Quote(pick(regexps...)) + pick("", " or "+strconv.Quote(pick(regexps...)))
		case 2:
			return "| " + matchers() + pick(" and ", " or ") + matchers()
		case 3:
			return "| b " + pick(">", "!=", "<=") + " 1 " + pick("and ", "or ") + matchers()
		case 4:
			return "| drop " + pick("a=~\".*\"", "service_name!=\"web\"", "none, b=\"1\"") // before != a bare name would take it
		}
		return "| " + matchers()
	}
	for range 400 {
		query := "{service_name=~\".+\", service_name" + pick("=~", "!~") + strconv.Quote(pick(regexps...)) + "}"
		for range random.IntN(4) {
			query += " " + stage()
		}
		e, err := logql.ParseLog(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		plain := plan{filter: "*", rest: &logql.LogExpr{}}
		for _, m := range e.Selector {
			plain.rest.Stages = append(plain.rest.Stages, &logql.LabelFilter{Cond: m})
		}
		plain.rest.Stages = append(plain.rest.Stages, e.Stages...)
		q := lineQuery{from: now.UnixNano(), to: now.Add(time.Minute).UnixNano(), limit: 5000, categorize: random.IntN(2) == 0}
		best := s.plan(e, q.from, q.to)
		planned := flat(t, s, q, best)
		if reference := flat(t, s, q, plain); !reflect.DeepEqual(planned, reference) {
			t.Fatalf("%s\nplanned as %s\nfinds %d lines, the stages alone %d", query, best.filter, len(planned), len(reference))
		}
		sum := func(p plan) []logql.Series {
			c := s.newCounter(&logql.RangeExpr{Func: "bytes_over_time", Log: e, Range: time.Minute}, logql.Fold{By: []string{"a", "service_name"}},
				logql.Steps{Start: now.Add(time.Minute).UnixNano(), Count: 1})
			c.plan = p
			out, err := s.count(t.Context(), c)
			if err != nil {
				if !strings.Contains(err.Error(), "pipeline error") {
					t.Fatal(err)
				}
				return nil
			}
			return out
		}
		if planned, reference := sum(best), sum(plain); !reflect.DeepEqual(planned, reference) {
			t.Fatalf("%s\nplanned as %s\ncounts %v, the stages alone %v", query, best.filter, planned, reference)
		}
	}
}

// TestParts: what the library counts in parts is what counting row by row gives.
func TestParts(t *testing.T) {
	s := open(t, Options{})
	random := rand.New(rand.NewPCG(3, 4))
	now := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, svc := range []string{"a", "b"} {
		put(t, s, batch(t, func(logs plog.Logs) {
			rl := logs.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", svc)
			records := rl.ScopeLogs().AppendEmpty().LogRecords()
			for range 300 {
				r := records.AppendEmpty()
				at := now.Add(time.Duration(random.IntN(600)) * time.Second)
				if random.IntN(2) == 0 {
					at = at.Add(time.Duration(random.IntN(3)-1) * time.Nanosecond)
				}
				r.SetTimestamp(pcommonTime(at))
				r.SetSeverityNumber(plog.SeverityNumber(random.IntN(25)))
				r.Body().SetStr(strings.Repeat("x", random.IntN(20)))
			}
		}))
	}
	s.lib.DebugFlush()
	for range 200 {
		query := []string{"count_over_time", "rate", "bytes_over_time", "bytes_rate"}[random.IntN(4)] +
			`({service_name=~".+"} != "xxxxxxxxxxxxxxxx" [` + []string{"1s", "7s", "1m", "90s", "10m"}[random.IntN(5)] + "]" +
			[]string{"", " offset 1m", " offset -13s"}[random.IntN(3)] + ")"
		e, err := logql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		fold := logql.Fold{By: [][]string{nil, {"service_name"}, {"detected_level", "service_name"}, {"k8s_pod_name"}}[random.IntN(4)]}
		steps := logql.Steps{
			Start: now.Add(time.Duration(random.IntN(600)-60) * time.Second).UnixNano(),
			Step:  int64([]time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute}[random.IntN(4)]),
			Count: 1 + random.IntN(100),
		}
		c := s.newCounter(e.(*logql.RangeExpr), fold, steps)
		part := c.partsOf()
		if part == 0 {
			t.Fatalf("%s by %v is not counted in parts", query, fold.By)
		}
		parts, err := s.countParts(t.Context(), c, part)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.countRows(t.Context(), s.newCounter(e.(*logql.RangeExpr), fold, steps))
		if err != nil {
			t.Fatal(err)
		}
		bits := func(all []logql.Series) (out []string) { // Absent is a NaN, which equals nothing
			for _, x := range all {
				for _, v := range x.Values {
					out = append(out, fmt.Sprint(x.Labels, math.Float64bits(v)))
				}
			}
			return out
		}
		if !slices.Equal(bits(parts), bits(rows)) {
			t.Fatalf("%s by %v at %+v in parts of %d:\n%v\nrow by row\n%v", query, fold.By, steps, part, parts, rows)
		}
	}
}

// flat is the answer of a line query as text.
func flat(t *testing.T, s *Store, q lineQuery, p plan) []string {
	t.Helper()
	streams, err := s.lines(t.Context(), q, p)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, st := range streams {
		for _, e := range st.entries {
			logql.SortLabels(e.meta)
			out = append(out, fmt.Sprintf("%v %d %q %v %v", st.labels, e.ns, e.line, e.meta, e.parsed))
		}
	}
	slices.Sort(out) // rows that differ in metadata only have no order
	return out
}

// TestTogether runs appends, queries of every kind, checkpoints and removals at once and then closes.
func TestTogether(t *testing.T) {
	s := open(t, Options{CheckpointBytes: 64 << 10})
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	var appended sync.Map
	for w := range 2 {
		wg.Go(func() {
			n := 0
			for ctx.Err() == nil {
				put(t, s, lines(t, "svc"+strconv.Itoa(w), time.Now(), strings.Repeat("x", 200), "y"))
				put(t, s, lines(t, "old", time.Now().Add(-48*time.Hour), "z"))
				n += 2
			}
			appended.Store(w, n)
		})
	}
	for _, q := range [][]string{
		{"query_range", "query", `{service_name=~"svc.*"} |= "x"`}, {"query", "query", `sum(rate({service_name=~".+"}[1m]))`},
		{"labels"}, {"series"}, {"index/volume", "query", `{}`}, {"detected_fields", "query", `{service_name="svc0"}`},
	} {
		wg.Go(func() {
			for ctx.Err() == nil {
				if code, body := get(t.Context(), s, q[0], q[1:]...); code != http.StatusOK {
					t.Errorf("%v: %d %s", q, code, body)
				}
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := s.DropOldest(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			_, _ = s.Oldest()
			_ = s.DiskBytes()
			time.Sleep(20 * time.Millisecond)
		}
	})
	wg.Wait()
	want := 0
	appended.Range(func(_, n any) bool {
		want += n.(int)
		return true
	})
	if n := len(rowsOf(t, s, `{service_name=~"svc.*"}`)); n != want || want == 0 {
		t.Errorf("%d rows of %d", n, want)
	}
}
