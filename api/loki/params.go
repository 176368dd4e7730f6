package loki

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// Loki's defaults.
const (
	defaultRange      = time.Hour     // of queries
	defaultIndexRange = 6 * time.Hour // of labels and series
	defaultLimit      = 100
	maxLines          = 5000 // highest limit that a query may ask for
	maxSteps          = 11000
	maxForm           = 1 << 20
)

// params are the parameters in the URL and a posted form.
type params struct {
	form url.Values
	now  time.Time
}

func readParams(w http.ResponseWriter, r *http.Request) (params, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return params{}, badRequest("cannot read the parameters: %v", err)
	}
	return params{form: r.Form, now: time.Now()}, nil
}

// time parses Loki's formats: RFC 3339, seconds with optional fraction, nanoseconds.
func (p params) time(name string, absent time.Time) (time.Time, error) {
	s := p.form.Get(name)
	if s == "" {
		return absent, nil
	}
	t, err := parseTime(s)
	if err != nil {
		return t, badRequest("cannot read %s=%q as a time: want RFC 3339, seconds or nanoseconds", name, s)
	}
	// Nothing is stored outside of these, and adding ranges and offsets of up to 100 years does not overflow.
	if t.Before(firstTime) {
		t = firstTime
	}
	if t.After(lastTime) {
		t = lastTime
	}
	return t, nil
}

var (
	firstTime = time.Unix(0, 0)
	lastTime  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

func parseTime(s string) (time.Time, error) {
	if strings.ContainsAny(s, ".eE") && !strings.Contains(s, "T") {
		v, err := strconv.ParseFloat(s, 64)
		if err == nil && math.Abs(v) < 1e11 {
			whole, frac := math.Modf(v)
			return time.Unix(int64(whole), int64(math.Round(frac*1e6))*1e3), nil
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if len(s) <= 10 {
			return time.Unix(n, 0), nil
		}
		return time.Unix(0, n), nil
	}
	return time.Parse(time.RFC3339Nano, s)
}

var errEndBeforeStart = badRequest("end timestamp must not be before or equal to start time")

// between parses start, end and since. Start defaults to since before end or now, whichever is earlier.
func (p params) between(absent time.Duration) (start, end time.Time, err error) {
	if end, err = p.time("end", p.now); err != nil {
		return start, end, err
	}
	if s := p.form.Get("since"); s != "" {
		d, ok := logql.ParseDuration(s)
		if !ok {
			return start, end, badRequest("cannot read since=%q as a duration", s)
		}
		absent = d
	}
	last := end
	if p.now.Before(end) {
		last = p.now
	}
	start, err = p.time("start", last.Add(-absent))
	if err == nil && start.After(end) {
		err = errEndBeforeStart
	}
	return start, end, err
}

// step parses a duration or seconds. Loki's default makes about 250 steps.
func (p params) step(start, end time.Time) (time.Duration, error) {
	s := p.form.Get("step")
	if s == "" {
		return time.Duration(max(math.Floor(end.Sub(start).Seconds()/250), 1)) * time.Second, nil
	}
	d, err := parseDistance("step", s)
	if err == nil && d <= 0 {
		err = badRequest("zero or negative query resolution step widths are not accepted. Try a positive integer")
	}
	return d, err
}

// parseDistance parses a duration or seconds.
func parseDistance(name, s string) (time.Duration, error) {
	d, ok := logql.ParseDuration(s)
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		ok = !math.IsNaN(v) && math.Abs(v) < 1e9
		d = time.Duration(v * float64(time.Second))
	}
	if !ok {
		return 0, badRequest("cannot read %s=%q as a duration", name, s)
	}
	return d, nil
}

// noInterval refuses interval, which would thin out lines. Metric queries ignore it.
func (p params) noInterval(e logql.Expr) error {
	s := p.form.Get("interval")
	if s == "" {
		return nil
	}
	d, err := parseDistance("interval", s)
	if _, lines := e.(*logql.LogExpr); err != nil || !lines || d == 0 {
		return err
	}
	return badRequest("interval=%q, which thins out lines, is not supported; leave it out, and set limit or select less", s)
}

func (p params) number(name string, absent int) (int, error) {
	s := p.form.Get(name)
	if s == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		return 0, badRequest("%s must be a positive value, not %q", name, s)
	}
	return n, nil
}

func (p params) limit() (int, error) {
	n, err := p.number("limit", defaultLimit)
	if err == nil && n > maxLines {
		err = badRequest("max entries limit per query exceeded, limit > max_entries_limit (%d > %d)", n, maxLines)
	}
	return n, err
}

func (p params) forward() (bool, error) {
	switch s := p.form.Get("direction"); strings.ToLower(s) {
	case "", "backward":
		return false, nil
	case "forward":
		return true, nil
	default:
		return false, badRequest("invalid direction %q; want forward or backward", s)
	}
}

// steps returns the times of a range query.
func (p params) steps(start, end time.Time) (logql.Steps, error) {
	step, err := p.step(start, end)
	if err != nil {
		return logql.Steps{}, err
	}
	n := int64(end.Sub(start) / step)
	if n > maxSteps { // as in Loki, which counts the steps between the points
		return logql.Steps{}, badRequest("exceeded maximum resolution of %d points per time series. "+
			"Try increasing the value of the step parameter", maxSteps)
	}
	return logql.Steps{Start: start.UnixNano(), Step: int64(step), Count: int(n) + 1}, nil
}
