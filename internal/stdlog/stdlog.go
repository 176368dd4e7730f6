// Package stdlog is about what libraries print by the standard logger, past the log that a user has configured: it gets
// a level and the configured form, and two kinds of lines are kept out.
//
// One is noise: github.com/VictoriaMetrics/metrics, which comes with the log store, looks for the pressure figures of its
// cgroup while its variables are initialised. On hosts with cgroup v1, or without CONFIG_PSI, it then says that it does
// not expose a metric that we do not expose either, before main and for every verb, version included.
//
// The other can hold a secret: net/http prints the bytes that a server sends after its answer, and a server may echo what
// it was sent, with the credentials. It is told without them, once in a while.
//
// This package does something by being imported, because nothing later can: it must be initialised before the library of
// the first line. The language says that it is: of the packages whose imports are initialised, the first by path goes
// next, so that ours goes as soon as log is there, and that one waits for net/http.
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

// quiet puts the filter in front of what the logger writes to.
func quiet(l *log.Logger) *filter {
	f := &filter{to: l.Writer()}
	l.SetOutput(f)
	return f
}

// Use makes the standard logger's lines warnings of a log.
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

// lines is a log as a Writer.
type lines struct{ to *slog.Logger }

func (w lines) Write(line []byte) (int, error) {
	w.to.Warn(string(bytes.TrimSpace(line)), "origin", "standard logger")
	return len(line), nil
}
