package loki

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// Grafana's request for structured metadata and parsed labels apart from the stream's.
const (
	encodingHeader = "X-Loki-Response-Encoding-Flags"
	categorizeFlag = "categorize-labels"
)

func wantsCategories(r *http.Request) bool {
	for _, v := range r.Header.Values(encodingHeader) {
		if slices.Contains(strings.Split(strings.ReplaceAll(v, " ", ""), ","), categorizeFlag) {
			return true
		}
	}
	return false
}

type answer struct {
	r     request
	b     []byte
	lines int // or samples
	bytes int
}

func newAnswer(r request) *answer { return &answer{r: r} }

func (a *answer) raw(s string) *answer {
	a.b = append(a.b, s...)
	return a
}

func (a *answer) str(s string) *answer {
	a.b = appendJSONString(a.b, s)
	return a
}

// comma goes before element i of a list.
func (a *answer) comma(i int) *answer {
	if i > 0 {
		a.b = append(a.b, ',')
	}
	return a
}

func (a *answer) labels(ls []logql.Label) *answer {
	a.raw("{")
	for i, l := range ls {
		a.comma(i).str(l.Name).raw(":").str(l.Value)
	}
	return a.raw("}")
}

func (a *answer) names(list []string) []byte {
	a.raw(`{"status":"success","data":[`)
	for i, s := range list {
		a.comma(i).str(s)
	}
	return a.raw("]}").b
}

func (a *answer) begin(resultType string) *answer {
	return a.raw(`{"status":"success","data":{"resultType":"`).raw(resultType).raw(`",`)
}

// end adds the statistics that Grafana shows.
func (a *answer) end() []byte {
	took := a.r.took().Seconds()
	per := func(n int) string { return strconv.FormatFloat(math.Floor(float64(n)/max(took, 1e-6)), 'f', 0, 64) }
	a.raw(`,"stats":{"summary":{"bytesProcessedPerSecond":`).raw(per(a.bytes))
	a.raw(`,"linesProcessedPerSecond":`).raw(per(a.lines))
	a.raw(`,"totalBytesProcessed":`).raw(strconv.Itoa(a.bytes))
	a.raw(`,"totalLinesProcessed":`).raw(strconv.Itoa(a.lines))
	a.raw(`,"execTime":`).raw(strconv.FormatFloat(took, 'f', 6, 64))
	a.raw(`,"queueTime":0,"subqueries":0,"totalEntriesReturned":`).raw(strconv.Itoa(a.lines))
	a.raw(`,"splits":0,"shards":0},"querier":{},"ingester":{},"cache":{}}}}`)
	return a.b
}

func (a *answer) streams(streams []logql.Stream, categorize bool) []byte {
	a.begin("streams")
	if categorize {
		a.raw(`"encodingFlags":["` + categorizeFlag + `"],`)
	}
	a.raw(`"result":[`)
	for i, s := range streams {
		a.comma(i).raw(`{"stream":`).labels(s.Labels).raw(`,"values":[`)
		for j, e := range s.Entries {
			a.comma(j).raw(`["`).raw(strconv.FormatInt(e.Time, 10)).raw(`",`).str(e.Line)
			if categorize {
				a.raw(`,{`)
				if len(e.Meta) > 0 {
					logql.SortLabels(e.Meta)
					a.raw(`"structuredMetadata":`).labels(e.Meta)
				}
				if len(e.Parsed) > 0 {
					logql.SortLabels(e.Parsed)
					a.comma(len(e.Meta)).raw(`"parsed":`).labels(e.Parsed)
				}
				a.raw(`}`)
			}
			a.raw(`]`)
			a.lines++
			a.bytes += len(e.Line)
		}
		a.raw(`]}`)
	}
	return a.raw(`]`).end()
}

// matrix writes the series, without absent values.
func (a *answer) matrix(res logql.Result, steps logql.Steps) []byte {
	sortSeries(res.Series)
	a.begin("matrix").raw(`"result":[`)
	n := 0
	for _, s := range res.Series {
		if !slices.ContainsFunc(s.Values, func(v float64) bool { return !logql.IsAbsent(v) }) {
			continue
		}
		a.comma(n).raw(`{"metric":`).labels(s.Labels).raw(`,"values":[`)
		n++
		k := 0
		for i, v := range s.Values {
			if !logql.IsAbsent(v) {
				a.comma(k).sample(steps.At(i), v)
				k++
			}
		}
		a.raw(`]}`)
	}
	return a.raw(`]`).end()
}

// vector writes one instant: topk by rank, others by labels. A number is a scalar.
func (a *answer) vector(res logql.Result, at int64) []byte {
	if res.Scalar {
		return a.begin("scalar").raw(`"result":`).sample(at, res.Series[0].Values[0]).end()
	}
	sortSeries(res.Series)
	if res.Ranked {
		slices.SortStableFunc(res.Series, func(x, y logql.Series) int {
			switch {
			case x.Values[0] > y.Values[0]:
				return -1
			case x.Values[0] < y.Values[0]:
				return 1
			}
			return 0
		})
	}
	a.begin("vector").raw(`"result":[`)
	n := 0
	for _, s := range res.Series {
		if logql.IsAbsent(s.Values[0]) {
			continue
		}
		a.comma(n).raw(`{"metric":`).labels(s.Labels).raw(`,"value":`).sample(at, s.Values[0]).raw(`}`)
		n++
	}
	return a.raw(`]`).end()
}

// sample writes [seconds, "value"], with milliseconds.
func (a *answer) sample(ns int64, v float64) *answer {
	a.lines++
	a.raw("[")
	a.b = strconv.AppendFloat(a.b, float64(ns/int64(time.Millisecond))/1e3, 'f', -1, 64)
	a.raw(`,"`)
	a.b = strconv.AppendFloat(a.b, v, 'f', -1, 64)
	return a.raw(`"]`)
}

func sortSeries(series []logql.Series) {
	slices.SortStableFunc(series, func(x, y logql.Series) int {
		return slices.CompareFunc(x.Labels, y.Labels, func(a, b logql.Label) int {
			if c := strings.Compare(a.Name, b.Name); c != 0 {
				return c
			}
			return strings.Compare(a.Value, b.Value)
		})
	})
}

// appendJSONString appends s in quotes; invalid UTF-8 becomes U+FFFD.
func appendJSONString(to []byte, s string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				to = append(to, '\\', c)
			case c == '\n':
				to = append(to, '\\', 'n')
			case c == '\t':
				to = append(to, '\\', 't')
			case c == '\r':
				to = append(to, '\\', 'r')
			case c < 0x20 || c == 0x7f:
				to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				to = append(to, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			to = append(to, "\uFFFD"...)
		} else {
			to = append(to, s[i:i+n]...)
		}
		i += n
	}
	return append(to, '"')
}
