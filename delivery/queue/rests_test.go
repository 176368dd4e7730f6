package queue

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/spool/spooltest"
)

// refuseRest takes the oldest record, of ten items, and gives four back.
func refuseRest(t *testing.T, q *Queue) {
	t.Helper()
	it, err := q.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := it.Batch(); err != nil {
		t.Fatal(err)
	}
	q.o.Books.Delivered(it.Signal, 6, 60)
	it.Back(&pipeline.Batch{Signal: it.Signal, Request: []byte("<rest>"), Items: 4}, nil)
}

func ten() pipeline.Batch {
	return pipeline.Batch{Signal: pipeline.Logs, Request: []byte(strings.Repeat("<whole>", 10)), Items: 10}
}

// TestARestOutlivesAStop: what a destination took of a record is not sent again after a stop, and the books agree.
func TestARestOutlivesAStop(t *testing.T) {
	fs := spooltest.NewFS()
	first := open(t, fs)
	for range 2 {
		if err := first.Put(t.Context(), ten()); err != nil {
			t.Fatal(err)
		}
	}
	refuseRest(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second stop before it is sent
		s, books := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
		q := openFor(t, fs, s)
		if got := stored(books); got != 14 {
			t.Errorf("%d items are stored at the start, want 4 of the first record and 10 of the second", got)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, books := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	q := openFor(t, fs, s)
	it, err := q.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := it.Batch()
	if err != nil || string(b.Request) != "<rest>" || it.Items != 4 || !it.MaybeSent || it.Body() != nil {
		t.Errorf("%q, %d items, %v; want what was left", b.Request, it.Items, err)
	}
	it.Settle()
	if got, _ := drain(t, q); len(got) != 1 || got[0] != string(ten().Request) {
		t.Errorf("behind it: %q", got)
	}
	if got := stored(books); got != 0 {
		t.Errorf("%d items are stored in the end", got)
	}
	// Killed now: the file is still there, its record is settled.
	for _, l := range q.all() {
		if err := l.log.SaveCursor(); err != nil {
			t.Fatal(err)
		}
	}
	after := fs.Crash(spooltest.KeepAll)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	s, books = pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	q = openFor(t, after, s)
	if got := stored(books); got != 0 {
		t.Errorf("%d items are stored after a kill, want none", got)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if names(t, fs) || names(t, after) {
		t.Error("the file of rests is there though nothing is left")
	}
}

// TestAFailedOpenKeepsTheRests: a lane cannot be opened for a while. What was left of its records is still known when it can.
func TestAFailedOpenKeepsTheRests(t *testing.T) {
	fs := spooltest.NewFS()
	q := open(t, fs)
	if err := q.Put(t.Context(), ten()); err != nil {
		t.Fatal(err)
	}
	refuseRest(t, q)
	o := q.o
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	lock, err := fs.Lock("q/logs/lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); err == nil {
		t.Fatal("a lane was opened that another process has")
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, fs)
	if got, _ := drain(t, q); len(got) != 1 || got[0] != "<rest>" {
		t.Errorf("got %q, want what was left", got)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestADamagedFileOfRests: the record is sent whole.
func TestADamagedFileOfRests(t *testing.T) {
	fs := spooltest.NewFS()
	q := open(t, fs)
	if err := q.Put(t.Context(), ten()); err != nil {
		t.Fatal(err)
	}
	refuseRest(t, q)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	files := fs.Files()
	whole := bytes.Clone(files["q/"+restsFile])
	for at := range whole {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x10
		if _, err := parseRests(damaged); err == nil {
			t.Fatalf("byte %d is changed, and nobody sees it", at)
		}
		if _, err := parseRests(whole[:at]); err == nil {
			t.Fatalf("cut at byte %d, and nobody sees it", at)
		}
	}
	fs.SetFile("q/"+restsFile, whole[:len(whole)-1])
	s, books := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	q = openFor(t, fs, s)
	defer q.Close()
	if got, _ := drain(t, q); len(got) != 1 || got[0] != string(ten().Request) {
		t.Errorf("got %q, want the whole record", got)
	}
	if got := stored(books); got != 0 {
		t.Errorf("%d items are stored in the end", got)
	}
}

// stored is the number of items of logs that the books say are stored.
func stored(l *ledger.Ledger) (n int64) {
	for _, s := range l.Read() {
		n += s.Stored.Items
	}
	return n
}

func names(t *testing.T, fs *spooltest.FS) bool {
	t.Helper()
	entries, err := fs.ReadDir("q")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name == restsFile {
			return true
		}
	}
	return false
}

// TestARestIsDroppedAsARest: what a full queue drops of a record that the destination took in part before a stop is what was left of it.
func TestARestIsDroppedAsARest(t *testing.T) {
	fs := spooltest.NewFS()
	first := open(t, fs)
	for range 20 {
		if err := first.Put(t.Context(), ten()); err != nil {
			t.Fatal(err)
		}
	}
	take := func() *Item {
		it, err := first.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	for range 10 { // so that four may be out at once
		take().Settle()
	}
	var out []*Item
	for range 4 {
		out = append(out, take())
	}
	for _, it := range out {
		it.Back(&pipeline.Batch{Signal: it.Signal, Request: []byte("<rest>"), Items: 4}, nil)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s, books := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	q := openWith(t, fs, s, func(o *Options) { o.Sizer, o.Size, o.OnFull = "requests", 5, DropOldest })
	defer q.Close()
	if got := stored(books); got != 4*4+6*10 {
		t.Errorf("%d items are stored at the start", got)
	}
	if err := q.Put(t.Context(), ten()); err != nil {
		t.Fatal(err)
	}
	delivered := int64(0)
	for q.Status().Items > 0 {
		it, err := q.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		delivered += int64(it.Items)
		it.Settle()
	}
	for _, a := range books.Read() {
		if a.Signal != pipeline.Logs {
			continue
		}
		if dropped := a.Dropped[pipeline.DropQueueOldest].Items; delivered+dropped != 4*4+7*10 || dropped < 12 || a.Stored != (pipeline.Amount{}) {
			t.Errorf("%d delivered, %d dropped, %+v stored in the end; want %d in all", delivered, dropped, a.Stored, 4*4+7*10)
		}
	}
}
