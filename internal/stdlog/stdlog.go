// Package stdlog gives what libraries print through the standard logger a level and the configured form, and drops
// two kinds of lines.
//
// One is noise: on hosts with cgroup v1, or without CONFIG_PSI, github.com/VictoriaMetrics/metrics logs before main
// that it does not expose a metric.
//
// The other can hold a secret: net/http prints bytes that a server sends after its answer, which may echo
// credentials. It is logged without them, once a minute.
//
// Importing the package has an effect, because it must be initialised before that library. It is: Go initialises
// ready packages in the order of their paths; ours needs only log, the library needs net/http.
package stdlog

import (
	"bytes"
	"io"
	"log"
	"log/slog"
	"sync"
	"time"
)

const (
	noise       = "INFO: metrics: disable exposing PSI metrics"
	unsolicited = "Unsolicited response received on idle HTTP channel"
	interval    = time.Minute
)

var std = quiet(log.Default())

func quiet(l *log.Logger) *filter {
	f := &filter{to: l.Writer()}
	l.SetOutput(f)
	return f
}

// Use sends the standard logger's lines to a log, as warnings.
func Use(to *slog.Logger) {
	log.SetFlags(0)
	std.use(lines{to})
}

type filter struct {
	mu   sync.Mutex
	to   io.Writer
	told time.Time // when an unsolicited response was told last
}

func (f *filter) use(w io.Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = w
}

func (f *filter) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if bytes.Contains(line, []byte(noise)) {
		return len(line), nil
	}
	if at := bytes.Index(line, []byte(unsolicited)); at >= 0 {
		if time.Since(f.told) < interval {
			return len(line), nil
		}
		f.told = time.Now()
		_, err := f.to.Write(append(bytes.Clone(line[:at+len(unsolicited)]), '\n'))
		return len(line), err
	}
	return f.to.Write(line)
}

type lines struct{ to *slog.Logger }

func (w lines) Write(line []byte) (int, error) {
	w.to.Warn(string(bytes.TrimSpace(line)), "origin", "standard logger")
	return len(line), nil
}
