package tempo

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/store/traces/traceql"
)

const (
	defaultTraces = 20
	maxTraces     = 5_000
	defaultSpans  = 3
	maxSpans      = 10_000
	defaultTags   = 5_000
	maxTags       = 50_000

	// maxAhead is added to now if a request has no end, because clocks and zones differ.
	maxAhead = 24 * time.Hour
)

// intParam parses a number from 1 to most.
func intParam(r *http.Request, name string, otherwise, most int) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest("%s=%s is not a number from 1 to %d", name, text, most)
	}
	return n, nil
}

// windowParam parses start and end, in Unix seconds. The default is everything until now.
func windowParam(r *http.Request) (traceql.Window, error) {
	w := traceql.Window{To: uint64(time.Now().Add(maxAhead).UnixNano())}
	for _, p := range []struct {
		name string
		to   *uint64
	}{{"start", &w.From}, {"end", &w.To}} {
		text := r.FormValue(p.name)
		if text == "" || text == "0" {
			continue
		}
		seconds, err := strconv.ParseUint(text, 10, 33)
		if err != nil {
			return w, badRequest("%s=%s is not a time in seconds since 1970", p.name, text)
		}
		*p.to = seconds * uint64(time.Second)
	}
	if w.To < w.From {
		return w, badRequest("end is before start")
	}
	return w, nil
}

// durationParam parses a duration >= 0.
func durationParam(r *http.Request, name string) (time.Duration, error) {
	text := r.FormValue(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, badRequest("%s=%s is not a duration such as 100ms", name, text)
	}
	return d, nil
}

// queryParam parses q (TraceQL) or tags, and the trace's minDuration and maxDuration.
func queryParam(r *http.Request) (*traceql.Query, error) {
	q, tags := r.FormValue("q"), r.FormValue("tags")
	if q != "" && tags != "" {
		return nil, badRequest("q and tags exclude each other")
	}
	least, err := durationParam(r, "minDuration")
	if err != nil {
		return nil, err
	}
	most, err := durationParam(r, "maxDuration")
	if err != nil {
		return nil, err
	}
	var query *traceql.Query
	if tags != "" {
		query, err = traceql.ParseTags(tags)
	} else {
		query, err = traceql.Parse(q)
	}
	if err != nil {
		return nil, badRequest("%s", err)
	}
	return query.WithTraceDuration(least, most), nil
}

// wantsProtobuf reports whether the client accepts protobuf, as Grafana does for traces.
func wantsProtobuf(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/protobuf")
}
