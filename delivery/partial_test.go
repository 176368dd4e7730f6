package delivery

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

// TestAPartialSuccessOfAPiece: a destination answers 400 to a request with a bad record, and 200 with a rejection to the bad
// record alone. That one is dropped and a dead letter, also when its neighbours are refused meanwhile; no other is.
func TestAPartialSuccessOfAPiece(t *testing.T) {
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprintf("busy=%v", busy), func(t *testing.T) {
			var down atomic.Bool
			down.Store(busy)
			s := newStored(t, func(_ context.Context, _ int, body string) answer.Outcome {
				switch bodies := bodiesOf(body); {
				case len(bodies) == 1 && bodies[0] == "bad":
					return answer.Outcome{Code: "200", Items: 1, Reason: pipeline.DropRejected, Err: errors.New("this one")}
				case slices.Contains(bodies, "bad"):
					return answer.Outcome{Verdict: answer.Rejected, Code: "400", Reason: pipeline.DropRejected, Err: errors.New("not these")}
				case down.Load():
					return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy}
				}
				return answer.Outcome{Code: "200"}
			}).start()
			if err := s.put("", "a", "b", "bad", "d"); err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(5 * time.Second)
			for busy && s.account().Stored.Items != 3 && time.Now().Before(deadline) {
				time.Sleep(5 * time.Millisecond)
			}
			down.Store(false)
			s.empty()
			if got := s.bodies(); got["a"] == 0 || got["b"] == 0 || got["d"] == 0 {
				t.Errorf("arrived: %v", got)
			}
			if a := s.account(); a.Dropped[pipeline.DropRejected].Items != 1 || a.Delivered.Items != 3 {
				t.Errorf("the books say %+v", a)
			}
			s.stop()
			var letters []string
			err := spool.Scan(filepath.Join(s.dir, "exporter_fake", "dead_letters"), func(e spool.Entry) error {
				letters = append(letters, bodiesOf(string(e.Body))...)
				return nil
			})
			if err != nil || strings.Join(letters, " ") != "bad" {
				t.Errorf("dead letters: %q, %v", letters, err)
			}
		})
	}
}
