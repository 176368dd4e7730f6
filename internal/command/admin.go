package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/spool"
)

// The admin socket is how `queue drop`, `replay` and `drain` reach a running daemon: HTTP over a Unix socket in the data
// directory that only its user can open. An order is a POST; the answer is a line of JSON for each line that the command
// prints.

// order is what a command wants done.
type order struct {
	Folders []string // of lanes or dead letters, absolute
	To      string   // for replay
	Headers []string // NAME=VALUE
	Partial bool     // for replay
}

// said is a line of the answer. The last one has Done.
type said struct {
	Out, Err string `json:",omitempty"` // for stdout and stderr
	Done     bool   `json:",omitempty"`
	Fault    string `json:",omitempty"` // with Done: why it failed
}

const adminFolder, adminSocket = "admin", "socket"

// adminAddress is the address of a data directory's socket. A long one is named through an open folder: the kernel takes
// 107 bytes.
func adminAddress(dataDir string) (address string, done func(), err error) {
	address = filepath.Join(dataDir, adminFolder, adminSocket)
	if len(address) <= 100 {
		return address, func() {}, nil
	}
	d, err := os.Open(filepath.Dir(address))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), adminSocket), func() { d.Close() }, nil
}

// admin serves the socket.
type admin struct {
	log       *slog.Logger
	exporters func() []any // those that run
	srv       *http.Server
}

// serveAdmin opens the socket of a data directory; without it the daemon runs all the same.
func serveAdmin(ctx context.Context, log *slog.Logger, exporters func() []any, dataDir string) (stop func()) {
	a := &admin{log: log, exporters: exporters}
	ln, err := adminListener(ctx, dataDir)
	if err != nil {
		log.Warn("cannot serve the admin socket; `queue drop`, `replay` and `drain` need this process to be stopped", "data_dir", dataDir, "error", err)
		return func() {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /drop", a.serve(a.drop))
	mux.HandleFunc("POST /replay", a.serve(a.replay))
	mux.HandleFunc("POST /drain", a.serve(a.drain))
	a.srv = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	go a.srv.Serve(ln)
	return func() { a.srv.Close() }
}

func adminListener(ctx context.Context, dataDir string) (net.Listener, error) {
	folder := filepath.Join(dataDir, adminFolder)
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.Chmod(folder, 0o700)); err != nil {
		return nil, err
	}
	address, done, err := adminAddress(dataDir)
	if err != nil {
		return nil, err
	}
	defer done()
	return listen.New().Listen(ctx, "unix", address)
}

// A speaker writes the lines of an answer.
type speaker struct {
	w    http.ResponseWriter
	line func(text string) said
}

func (s speaker) Write(b []byte) (int, error) {
	text, err := json.Marshal(s.line(string(b)))
	if err == nil {
		_, err = s.w.Write(append(text, '\n'))
		http.NewResponseController(s.w).Flush()
	}
	return len(b), err
}

func (a *admin) serve(do func(ctx context.Context, o order, out, errs io.Writer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var o order
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			http.Error(w, "the order cannot be read: "+err.Error(), http.StatusBadRequest)
			return
		}
		a.log.Info("an operator's command", "command", "queue "+strings.TrimPrefix(r.URL.Path, "/"), "folders", o.Folders)
		err := do(r.Context(), o, speaker{w, func(t string) said { return said{Out: t} }}, speaker{w, func(t string) said { return said{Err: t} }})
		fmt.Fprint(speaker{w, func(string) said {
			if err != nil {
				return said{Done: true, Fault: err.Error()}
			}
			return said{Done: true}
		}}, "")
	}
}

// queues are those that run.
func (a *admin) queues() (out []*queue.Queue) {
	for _, e := range a.exporters() {
		if k, is := e.(interface{ DiskQueue() *queue.Queue }); is {
			if q := k.DiskQueue(); q != nil {
				out = append(out, q)
			}
		}
	}
	return out
}

// each calls f for the lanes of each queue among the folders, and letters for their dead letters.
func (a *admin) each(ctx context.Context, folders []string, lanes func(*queue.Queue, *queue.Seized) error, letters func(dir string, l *spool.Log) error) error {
	for _, q := range a.queues() {
		dir, err := filepath.Abs(q.Dir())
		if err != nil {
			return err
		}
		var names []string
		for _, folder := range folders {
			switch name := filepath.Base(folder); {
			case filepath.Dir(folder) != dir:
				continue
			case name != queue.LettersDir:
				names = append(names, name)
			case q.Letters() != nil:
				if err := letters(folder, q.Letters()); err != nil {
					return err
				}
			}
			folders = slices.DeleteFunc(slices.Clone(folders), func(f string) bool { return f == folder })
		}
		if len(names) == 0 {
			continue
		}
		s, err := q.Seize(ctx, names)
		if err != nil {
			return err
		}
		if err := errors.Join(lanes(q, s), s.Release()); err != nil {
			return err
		}
	}
	if len(folders) > 0 {
		return fmt.Errorf("this daemon does not have %s; name the data directory of the one that has it with --data-dir", strings.Join(folders, ", "))
	}
	return nil
}

func (a *admin) drop(ctx context.Context, o order, out, _ io.Writer) error {
	return a.each(ctx, o.Folders, func(q *queue.Queue, s *queue.Seized) error {
		got, err := s.Drop(ctx)
		fmt.Fprintf(out, "%s: dropped %s\n", q.Dir(), totals(got))
		a.log.Warn("an operator dropped what a queue held; it is counted as operator", "queue", q.Dir(), "records", got.Records, "items", got.Count)
		return err
	}, func(dir string, l *spool.Log) error {
		fmt.Fprintf(out, "%s: dropped %s\n", dir, totals(l.DropOldest(math.MaxInt64)))
		return l.SaveCursor()
	})
}

func (a *admin) replay(ctx context.Context, o order, out, errs io.Writer) error {
	r := &replay{to: o.To, headers: o.Headers, partial: o.Partial, out: out, err: errs, pause: time.Second}
	if err := r.prepare(); err != nil {
		return err
	}
	err := a.each(ctx, o.Folders, func(q *queue.Queue, s *queue.Seized) error {
		if err := r.seized(ctx, s); err != nil {
			return endedEarly(q.Dir(), err)
		}
		return nil
	}, func(dir string, l *spool.Log) error {
		if err := r.log(ctx, l); err != nil {
			return endedEarly(dir, err)
		}
		return l.SaveCursor()
	})
	return r.report(err)
}

// drain closes the intake of all queues, and waits until they are empty. It stays closed then, until a reload or a restart;
// when the command goes away before, it opens again.
func (a *admin) drain(ctx context.Context, _ order, out, errs io.Writer) error {
	shut := func(closed bool) {
		for _, q := range a.queues() {
			q.CloseIntake(closed)
		}
	}
	if len(a.queues()) == 0 {
		return errors.New("this daemon has no queue on disk; name the data directory of the one that has with --data-dir")
	}
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	said := time.Time{}
	for {
		shut(true)
		var left queue.Status
		storing := false
		for _, q := range a.queues() {
			storing = q.Storing() || storing // before Status, which has it afterwards
			s := q.Status()
			left.Records, left.Items, left.Bytes = left.Records+s.Records, left.Items+s.Items, left.Bytes+s.Bytes
		}
		if left.Records == 0 && !storing {
			fmt.Fprintln(out, "all queues are empty; this daemon takes nothing for them until it is reloaded or restarted")
			a.log.Info("all queues are drained; their intake stays closed until a reload or a restart")
			return nil
		}
		if now := time.Now(); now.Sub(said) >= 2*time.Second {
			said = now
			fmt.Fprintf(errs, "draining: %d records, %d items, %s are left\n", left.Records, left.Items, size(uint64(left.Bytes)))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			shut(false)
			a.log.Warn("a drain was given up; the queues take batches again", "records", left.Records)
			return ctx.Err()
		}
	}
}

const drainLook = 100 * time.Millisecond
