package command

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/pipeline"
)

// keeper is a running exporter, as far as an operator's commands know.
type keeper struct{ q *queue.Queue }

func (k keeper) DiskQueue() *queue.Queue { return k.q }

// served is an open queue, as openQueue makes it, of a daemon with an admin socket in data.
func served(t *testing.T) (q *queue.Queue, dir, data string) {
	t.Helper()
	return servedOf(t, queue.Batching{})
}

func servedOf(t *testing.T, batching queue.Batching) (q *queue.Queue, dir, data string) {
	t.Helper()
	q, dir = openQueueOf(t, t.TempDir(), batching)
	data = filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 12))
	stop := serveAdmin(t.Context(), slog.New(slog.DiscardHandler), func() []any { return []any{keeper{}, keeper{q}, 1} }, data)
	t.Cleanup(func() { stop(); q.Close() })
	if info, err := os.Stat(filepath.Join(data, adminFolder)); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("others may open the admin socket: %v, %v", info, err)
	}
	return q, dir, data
}

// TestDropOfARunningQueue drops what nobody sends at that moment, and counts it.
func TestDropOfARunningQueue(t *testing.T) {
	q, dir, data := served(t)
	sent, err := q.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(50 * time.Millisecond)
		sent.Back(nil, &pipeline.Refused{}) // it was on the wire, and is refused
	}()
	code, out, errs := sluice(t, "queue", "drop", dir, "--confirm", "--data-dir", data)
	if code != 0 {
		t.Fatalf("%d: %s", code, errs)
	}
	want(t, out, "dropped 3 records, 3 items", "dead letters are kept: 1 records")
	if s := q.Status(); s.Records != 0 || s.Letters != 1 {
		t.Errorf("left: %+v", s)
	}
	if code, out, errs = sluice(t, "queue", "drop", filepath.Join(dir, "dead_letters"), "--confirm", "--data-dir", data); code != 0 {
		t.Fatalf("%d: %s", code, errs)
	}
	want(t, out, "dead_letters: dropped 1 records")
	if err := q.Put(t.Context(), aLog("after")); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if it, err := q.Take(ctx); err != nil {
		t.Errorf("nothing is sent after a drop: %v", err)
	} else {
		it.Settle()
	}
	if s := q.Status(); s.Records != 0 {
		t.Errorf("left: %+v", s)
	}
}

// TestReplayOfARunningQueue: what the other endpoint takes is settled; the rest stays and is sent as ever.
func TestReplayOfARunningQueue(t *testing.T) {
	q, dir, data := served(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		b, _ := io.ReadAll(z)
		if err := q.Put(t.Context(), aLog("meanwhile")); err != nil {
			t.Error(err)
		}
		if r.Header.Get("X-Key") != "s3cret" || strings.Contains(string(b), "line 1") {
			http.Error(w, "s3cret? I do not like it", http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	code, out, errs := sluice(t, "queue", "replay", dir, "--to", srv.URL, "--header", "X-Key=s3cret", "--confirm", "--data-dir", data)
	if code != ExitFailure {
		t.Errorf("exit code %d", code)
	}
	want(t, out, "sent 2 records, 2 items", "kept 1 records")
	want(t, errs, "record 2 stays", "I do not like it")
	if strings.Contains(out+errs, "s3cret") {
		t.Errorf("a secret is shown: %s%s", out, errs)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for n := range 4 { // line 1, and three that came meanwhile
		it, err := q.Take(ctx)
		if err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
		if b, err := it.Batch(); err != nil || n == 0 != strings.Contains(string(b.Request), "line 1") {
			t.Errorf("record %d is %q, %v", n, b.Request, err)
		}
		it.Settle()
	}
	if s := q.Status(); s.Records != 0 {
		t.Errorf("left: %+v", s)
	}
}

// TestReplayOfAPartFromARunningQueue: --partial reaches the daemon.
func TestReplayOfAPartFromARunningQueue(t *testing.T) {
	q, dir, data := served(t)
	b := aLog("x")
	b.Request, b.Items = append(b.Request, aLog("y").Request...), 2
	q.Bury(b, &pipeline.Rejected{Reason: pipeline.DropRejected, Count: 1, Err: errors.New("one of them")})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	args := []string{"queue", "replay", filepath.Join(dir, "dead_letters"), "--to", srv.URL, "--confirm", "--data-dir", data}
	code, out, errs := sluice(t, args...)
	if code != ExitFailure {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	want(t, errs, "--partial")
	code, out, errs = sluice(t, append(args, "--partial")...)
	if code != 0 {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	want(t, out, "sent 1 records, 2 items")
}

// TestDrain refuses new batches until the queue is empty, or until the command is given up.
func TestDrain(t *testing.T) {
	q, _, data := served(t)
	code, _, errs := sluice(t, "queue", "drain", "--timeout", "300ms", "--data-dir", data)
	if code != ExitFailure {
		t.Errorf("a queue that nobody sends is drained: %d", code)
	}
	want(t, errs, "draining: 3 records, 3 items", "not empty after 300ms")
	for deadline := time.Now().Add(10 * time.Second); q.Shut(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the intake stays closed after the command ended")
		}
	}
	go func() {
		for {
			it, err := q.Take(t.Context())
			if err != nil {
				return
			}
			it.Settle()
		}
	}()
	code, out, errs := sluice(t, "queue", "drain", "--data-dir", data)
	if code != 0 {
		t.Fatalf("%d: %s", code, errs)
	}
	want(t, out, "all queues are empty")
	if _, refused := pipeline.AsRefused(q.Put(t.Context(), aLog("late"))); !refused {
		t.Error("a drained queue takes a batch")
	}
}

// TestDrainWaitsForWhatIsGathered: a batch that came before the drain is stored later, and is sent before the drain ends.
func TestDrainWaitsForWhatIsGathered(t *testing.T) {
	q, _, data := servedOf(t, queue.Batching{Timeout: time.Second, Min: 100})
	go func() {
		for {
			it, err := q.Take(t.Context())
			if err != nil {
				return
			}
			it.Settle()
		}
	}()
	for q.Status().Records > 0 {
		time.Sleep(time.Millisecond)
	}
	stored := make(chan error, 1)
	go func() { stored <- q.Put(t.Context(), aLog("before the drain")) }()
	for !q.Storing() {
		time.Sleep(time.Millisecond)
	}
	if code, _, errs := sluice(t, "queue", "drain", "--data-dir", data); code != 0 {
		t.Fatalf("%d: %s", code, errs)
	}
	select {
	case err := <-stored:
		if _, refused := pipeline.AsRefused(err); err != nil && !refused {
			t.Error(err)
		}
	case <-time.After(100 * time.Millisecond):
		t.Error("the drain ended while a batch was on its way into the queue")
	}
}

// TestSeizeOnce: two commands do not share a lane, and a lane that nobody has is named.
func TestSeizeOnce(t *testing.T) {
	q, _, _ := served(t)
	s, err := q.Seize(t.Context(), []string{"logs"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Seize(t.Context(), []string{"logs"}); err == nil || !strings.Contains(err.Error(), "another command") {
		t.Errorf("seized twice: %v", err)
	}
	if err := s.Release(); err != nil {
		t.Error(err)
	}
	if _, err := q.Seize(t.Context(), []string{"traces"}); err == nil || !strings.Contains(err.Error(), "no lane traces") {
		t.Errorf("got %v", err)
	}
	it, err := q.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := q.Seize(ctx, []string{it.Signal.String()}); !errors.Is(err, context.DeadlineExceeded) && it.Origin.Tenant == "" {
		t.Errorf("seized what is on the wire: %v", err)
	}
	it.Settle()
}
