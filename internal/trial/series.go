package trial

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/prom"
)

// seriesSuffix is of a wanted part that has the metrics of an exporter as Prometheus' series, a sample a line. Their order does
// not matter.
const seriesSuffix = ".series"

// What stands in place of a value: of a sample that ends its series, and of a native histogram, which is not written out.
const (
	stale  = "stale"
	native = "histogram"
)

// readSeries brings the lines of a part into the form of seriesOf.
func readSeries(text []byte) (out []string, err error) {
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, lineError{i, fmt.Errorf(`not a sample: write name{label="value"} 1`)}
		}
		l, err := parser.NewParser(parser.Options{}).ParseMetric(strings.TrimSpace(line[:at]))
		if err != nil {
			return nil, lineError{i, fmt.Errorf("not a series: %w", err)}
		}
		value := line[at+1:]
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			value = number64(f)
		} else if !slices.Contains([]string{stale, native, anything}, value) {
			return nil, lineError{i, fmt.Errorf("%q is not a value; write a number, %s, %s or %s", value, stale, native, anything)}
		}
		out = append(out, sampleLine(l, value))
	}
	return out, nil
}

func number64(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func sampleLine(l labels.Labels, value string) string {
	name := l.Get(model.MetricNameLabel)
	rest := labels.NewBuilder(l).Del(model.MetricNameLabel).Labels()
	if rest.IsEmpty() {
		return name + " " + value
	}
	return name + rest.String() + " " + value
}

// seriesOf lists the samples of a request, as prometheus_remote_write sends them by default, but for target_info.
func seriesOf(request wire.Request) (out []string) {
	cfg := prom.DefaultConfig()
	cfg.TargetInfo, cfg.CacheBytes = false, -1
	_, err := prom.New(cfg).Walk(request, prom.SinkFunc(func(s *prom.Sample) error {
		b := labels.NewBuilder(labels.EmptyLabels())
		for c := s.Labels.Cursor(); c.Next(); {
			b.Set(string(c.Name), string(c.Value))
		}
		value := number64(s.Value)
		switch {
		case s.Stale:
			value = stale
		case s.Histogram != nil:
			value = native
		}
		out = append(out, sampleLine(b.Labels(), value))
		return nil
	}))
	if err != nil {
		panic("BUG: a walk that takes everything fails: " + err.Error())
	}
	slices.Sort(out)
	return out
}

// addedByScrapes reports whether a sample is one of those that every scrape adds; who does not list them does not want to
// know of them.
func addedByScrapes(line string) bool {
	name := line[:strings.IndexAny(line, "{ ")]
	return name == "up" || strings.HasPrefix(name, "scrape_")
}

// reportSeries says how samples differ from the wanted ones.
func reportSeries(want, got []string) (lines []string) {
	left := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(left, func(g string) bool {
			series, any := strings.CutSuffix(w, " "+anything)
			return g == w || any && g[:strings.LastIndexByte(g, ' ')] == series
		})
		if i < 0 {
			lines = append(lines, "want "+w)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, g := range left {
		if !addedByScrapes(g) {
			lines = append(lines, "got  "+g)
		}
	}
	if len(lines) > mostLines {
		lines = append(lines[:mostLines], "... and more")
	}
	return lines
}

const mostLines = 20
