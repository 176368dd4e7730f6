package journald

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/sluiceio/sluice/internal/backoff"
)

const (
	restartMin = time.Second
	restartMax = time.Minute

	// readSize buffers journalctl's output; a batch is sent when the buffer is empty.
	readSize = 64 << 10
	// killAfter is how long journalctl may take to exit.
	killAfter = 2 * time.Second
)

// run restarts journalctl whenever it ends, after the last entry read, with backoff while no entries arrive.
func (r *Receiver) run() {
	defer close(r.full)
	pause := backoff.Backoff{Min: restartMin, Max: restartMax}
	for {
		from := string(r.read)
		err := r.follow()
		if r.readingCtx.Err() != nil {
			return
		}
		if string(r.read) != from {
			pause.Reset()
		}
		// At least restartMin/2: full jitter may return 0, and a broken journalctl would be restarted in a tight loop.
		wait := restartMin/2 + pause.Next(0)
		r.restarts.Inc()
		r.settings.Log.Warn("journalctl ended and is started again", "error", err, "in", wait)
		select {
		case <-time.After(wait):
		case <-r.readingCtx.Done():
			return
		}
	}
}

func (r *Receiver) follow() error {
	ctx, cancel := context.WithCancel(r.readingCtx)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.cfg.JournalctlPath, r.cfg.arguments(string(r.read))...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	cmd.Env = append(cmd.Environ(), "SYSTEMD_LESS=", "LC_ALL=C")
	var complaint tail
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	rerr := r.readAll(out)
	cancel()
	err = cmd.Wait()
	if !errors.Is(rerr, io.EOF) && rerr != nil {
		err = rerr
	}
	if len(complaint) > 0 {
		err = errors.Join(err, errors.New(string(bytes.TrimSpace(complaint))))
	}
	return err
}

func (r *Receiver) readAll(out io.Reader) error {
	began := time.Now()
	atEnd := len(r.read) == 0 && r.cfg.StartAt == startAtEnd
	in := bufio.NewReaderSize(out, readSize)
	b := r.take()
	if b == nil {
		return nil
	}
	defer func() { r.give(b) }()
	var e entry
	var first time.Time // when the first entry of the batch was read
	for {
		if b.items > 0 && (b.size >= batchSize || in.Buffered() == 0 && !r.more(in, out, first.Add(r.cfg.Linger))) {
			if !r.hand(&b) {
				return nil
			}
		}
		if err := readEntry(in, &e); err != nil {
			if b.items > 0 {
				r.hand(&b)
			}
			return err
		}
		r.entries.Inc()
		cursor, _ := e.get("__CURSOR")
		r.read = append(r.read[:0], cursor...)
		if atEnd {
			atEnd = false
			at, _ := e.get("__REALTIME_TIMESTAMP")
			if us, ok := decimal(at); ok && us < uint64(began.UnixMicro()) {
				r.cursor.set(string(r.read))
				continue
			}
		}
		if b.items == 0 {
			first = time.Now()
		}
		r.writer.add(b, &e, time.Now())
	}
}

// more waits until a time for the next entry to begin.
func (r *Receiver) more(in *bufio.Reader, out io.Reader, until time.Time) bool {
	pipe, ok := out.(interface{ SetReadDeadline(time.Time) error })
	if !ok || !time.Now().Before(until) || pipe.SetReadDeadline(until) != nil {
		return false
	}
	_, err := in.Peek(1)
	_ = pipe.SetReadDeadline(time.Time{})
	return !errors.Is(err, os.ErrDeadlineExceeded) // another error comes again with the next read
}

func (r *Receiver) take() *batch {
	select {
	case b := <-r.free:
		b.reset()
		return b
	case <-r.readingCtx.Done():
		return nil
	}
}

func (r *Receiver) give(b *batch) {
	if b != nil {
		r.free <- b // never blocks: there is room for every batch
	}
}

// hand passes the batch to the sender and replaces it. If the sender is busy it blocks, and so does journalctl: the journal
// is the queue.
func (r *Receiver) hand(b **batch) bool {
	w := r.writer
	r.truncated.Add(float64(w.truncated))
	r.repaired.Add(float64(w.repaired))
	w.truncated, w.repaired = 0, 0
	w.seal(*b)
	select {
	case r.full <- *b:
	case <-r.readingCtx.Done():
		return false
	}
	next := r.take()
	if next == nil {
		*b = nil
		return false
	}
	*b = next
	return true
}

// tail keeps the end of journalctl's stderr.
type tail []byte

const tailMax = 512

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if n := len(*t) - tailMax; n > 0 {
		*t = append((*t)[:0], (*t)[n:]...)
	}
	return len(p), nil
}
