package search

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/logstest"
	"github.com/sluiceio/sluice/store/logs/rows"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, logstest.LibraryGoroutines()...) }

// open opens a Searcher in a folder of the test's own.
func open(t *testing.T, series int) *Searcher {
	t.Helper()
	e, err := engine.Open(t.TempDir(), 24*time.Hour, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.MustClose)
	n, err := rows.OpenNames(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return New(e, n, Limits{Series: series, ResultBytes: 64 << 20})
}

// put stores a batch without further ado.
func put(t *testing.T, s *Searcher, b pipeline.Batch) {
	t.Helper()
	e := rows.NewEncoder(s.names, func(chunk *logstorage.LogRows, _ []int64) { s.engine.MustAddRows(chunk) })
	e.Begin(1, time.Now().UnixNano(), time.Now().Add(-24*time.Hour).UnixNano())
	e.Request(b.Request)
	if e.Added() != b.Items {
		t.Fatalf("%d rows of %d", e.Added(), b.Items)
	}
	e.End()
}

// TestPushdown: whatever the library decides, it decides as the stages would. Random selections are run twice, as
// planned and with every stage in Go.
func TestPushdown(t *testing.T) {
	t.Run("all labels are fields", func(t *testing.T) { testPushdown(t, strings.Repeat("n", 100)) })
	t.Run("some are not", func(t *testing.T) { testPushdown(t, strings.Repeat("n", 200)) })
}

func testPushdown(t *testing.T, long string) {
	s := open(t, 100000)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	words := []string{"error", "errors", "a.b", "new\nline", "ünï", "Foo", "foobar", "", " ", "\"", "x=1", "*", "\\", "0123"}
	now := time.Now().Add(-time.Minute)
	for svc := range 4 {
		put(t, s, logstest.Batch(t, func(logs plog.Logs) {
			rl := logs.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", []string{"web", "web-2", "db\nx", "foo"}[svc])
			if svc%2 == 0 {
				rl.Resource().Attributes().PutStr("k8s.pod.name", "p")
			}
			for i := range 150 {
				r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
				r.SetTimestamp(logstest.Time(now.Add(time.Duration(i) * time.Millisecond)))
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
	s.engine.DebugFlush()
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
		q := logql.LineQuery{
			Log: e, From: now.UnixNano(), To: now.Add(time.Minute).UnixNano(), Limit: 5000, Categorize: random.IntN(2) == 0,
		}
		best := s.plan(e, q.From, q.To)
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
	s := open(t, 1000)
	random := rand.New(rand.NewPCG(3, 4))
	now := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, svc := range []string{"a", "b"} {
		put(t, s, logstest.Batch(t, func(logs plog.Logs) {
			rl := logs.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", svc)
			records := rl.ScopeLogs().AppendEmpty().LogRecords()
			for range 300 {
				r := records.AppendEmpty()
				at := now.Add(time.Duration(random.IntN(600)) * time.Second)
				if random.IntN(2) == 0 {
					at = at.Add(time.Duration(random.IntN(3)-1) * time.Nanosecond)
				}
				r.SetTimestamp(logstest.Time(at))
				r.SetSeverityNumber(plog.SeverityNumber(random.IntN(25)))
				r.Body().SetStr(strings.Repeat("x", random.IntN(20)))
			}
		}))
	}
	s.engine.DebugFlush()
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
func flat(t *testing.T, s *Searcher, q logql.LineQuery, p plan) []string {
	t.Helper()
	streams, err := s.lines(t.Context(), q, p)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, st := range streams {
		for _, e := range st.Entries {
			logql.SortLabels(e.Meta)
			out = append(out, fmt.Sprintf("%v %d %q %v %v", st.Labels, e.Time, e.Line, e.Meta, e.Parsed))
		}
	}
	slices.Sort(out) // rows that differ in metadata only have no order
	return out
}
