package host

import (
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// fileNames leaves out metrics of text files that are named like those of a collector.
type fileNames struct {
	log     *slog.Logger
	leftOut func()          // called for each series
	taken   map[string]bool // names of the collectors' metrics, also of earlier readings
	said    map[string]bool
}

func newFileNames(log *slog.Logger, leftOut func()) *fileNames {
	return &fileNames{
		log: log, leftOut: leftOut, said: map[string]bool{},
		taken: map[string]bool{nameOf(durationDesc): true, nameOf(successDesc): true},
	}
}

func (f *fileNames) filter(p part) []prometheus.Metric {
	if p.of.name != textfile {
		for _, m := range p.metrics {
			f.taken[nameOf(m.Desc())] = true
		}
		return p.metrics
	}
	kept := p.metrics[:0]
	for _, m := range p.metrics {
		name := nameOf(m.Desc())
		if !f.taken[name] {
			kept = append(kept, m)
			continue
		}
		f.leftOut()
		if !f.said[name] && len(f.said) < saidMost {
			f.said[name] = true
			f.log.Warn("a metric of the text files is left out: a collector has one of that name", "metric", name)
		}
	}
	return kept
}

// nameOf reads the name from Desc{fqName: "name", …}: the library does not give it otherwise.
func nameOf(d *prometheus.Desc) string {
	_, rest, _ := strings.Cut(d.String(), `"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}
