// Package stdlog keeps a line of a library out of everything that our programs print.
//
// github.com/VictoriaMetrics/metrics, which comes with the log store, looks for the pressure figures of its cgroup
// while its variables are initialised. On hosts with cgroup v1, or without CONFIG_PSI, it then says that it does not
// expose a metric that we do not expose either, before main and for every verb, version included.
//
// This package is the one that does something by being imported, because nothing later can: it must be initialised
// before that one. The language says that it is: of the packages whose imports are initialised, the first by path
// goes next, so that ours goes as soon as log is there, and that one waits for net/http.
package stdlog

import (
	"bytes"
	"io"
	"log"
)

// noise is what marks the line.
const noise = "INFO: metrics: disable exposing PSI metrics"

var _ = quiet(log.Default())

// quiet puts the filter in front of what the logger writes to.
func quiet(l *log.Logger) *log.Logger {
	l.SetOutput(filter{l.Writer()})
	return l
}

type filter struct{ io.Writer }

func (f filter) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(noise)) {
		return len(line), nil
	}
	return f.Writer.Write(line)
}
