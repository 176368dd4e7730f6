package delivery

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
)

// TestUnusableStorage: a disk that cannot be used does not keep the exporter from starting. It refuses, says why, and opens the
// queue once it can.
func TestUnusableStorage(t *testing.T) {
	s := newStored(t, func(context.Context, int, string) answer.Outcome { return answer.Outcome{Code: "200"} })
	s.dir = filepath.Join(s.dir, "mount")
	if err := os.WriteFile(s.dir, []byte("a file in the folder's place, as root may write anywhere else"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.startClosed = true
	s.start()
	a := pipeline.Read(s.sink.Consume(t.Context(), logsOf("early")), 1)
	if a.Refusal == nil || s.k.Ready() == nil || s.k.Report().Trouble == nil {
		t.Errorf("answer %+v, ready %v, trouble %v; want a refusal, and why", a, s.k.Ready(), s.k.Report().Trouble)
	}
	if err := os.Remove(s.dir); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(4 * openAgain); s.k.Ready() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(s.k.Ready())
		}
	}
	if err := s.sink.Consume(t.Context(), logsOf("late")); err != nil {
		t.Error(err)
	}
	s.stop()
}
