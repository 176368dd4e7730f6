package journald

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/sluiceio/sluice/internal/backoff"
)

const (
	restartMin = time.Second
	restartMax = time.Minute

	// readSize is the buffer in front of journalctl; a batch is handed over when it is empty.
	readSize = 64 << 10
	// killAfter is how long journalctl may take to end when it is told to.
	killAfter = 2 * time.Second
)

// run keeps journalctl running. When it ends, for whatever reason, it is started again behind the last entry that was
// read, after a pause that grows as long as nothing comes.
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
		// A full half of the bound: full jitter may wait nothing, and a journalctl that cannot run would be run all
		// the time.
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

// follow is one life of journalctl.
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

// readAll makes batches of what journalctl writes until it ends.
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
	for {
		if b.items > 0 && (in.Buffered() == 0 || b.size >= batchSize) {
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
		if first := atEnd; first {
			atEnd = false
			at, _ := e.get("__REALTIME_TIMESTAMP")
			if us, ok := decimal(at); ok && us < uint64(began.UnixMicro()) {
				r.cursor.set(string(r.read))
				continue
			}
		}
		r.writer.add(b, &e, time.Now())
	}
}

// take waits for an empty batch; nil when reading has ended.
func (r *Receiver) take() *batch {
	select {
	case b := <-r.free:
		b.reset()
		return b
	case <-r.readingCtx.Done():
		return nil
	}
}

// give takes a batch back, if there is one.
func (r *Receiver) give(b *batch) {
	if b != nil {
		r.free <- b // there is room for each
	}
}

// hand gives the batch to the sender and puts an empty one in its place. While the sender is busy this waits, the pipe
// fills, and journalctl waits: the journal is the queue.
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

// tail keeps the end of what is written to it: journalctl's last words.
type tail []byte

const tailMax = 512

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if n := len(*t) - tailMax; n > 0 {
		*t = append((*t)[:0], (*t)[n:]...)
	}
	return len(p), nil
}
