package rejects

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
)

// TestAnswer: which items, why, and one line of the log for each reason.
func TestAnswer(t *testing.T) {
	var log bytes.Buffer
	teller := Teller{
		Log: slog.New(slog.NewTextHandler(&log, nil)), What: "spans",
		Words: map[pipeline.Reason]string{pipeline.DropTooOld: "are older than a day"},
	}
	var l List
	if err := teller.Answer(5, &l); err != nil {
		t.Errorf("an empty list is answered %v", err)
	}
	example := func(text string) func() string { return func() string { return text } }
	for range 2 {
		l.Reset()
		l.Add(pipeline.DropTooOld, 1, 10, example("first"))
		l.Add(pipeline.DropTooOld, 2, 10, example("second"))
		l.Add(pipeline.DropInvalid, 3, 5, example("third"))
		l.Add(pipeline.DropTooOld, 6, 10, example("fourth"))
		if l.Items() != 4 || l.Bytes() != 35 {
			t.Errorf("%d items, %d bytes", l.Items(), l.Bytes())
		}
		a := pipeline.Read(teller.Answer(10, &l), 10)
		if a.Refusal != nil || a.RejectedItems() != 4 || a.Taken() != 6 || len(a.Rejected) != 2 {
			t.Fatalf("answer %+v", a)
		}
		for _, r := range a.Rejected {
			if r.Reason == pipeline.DropTooOld {
				if r.Ranges.Len() != 3 || r.Ranges[0] != (pipeline.Range{From: 1, To: 3}) {
					t.Errorf("ranges %v", r.Ranges)
				}
				if got := r.Err.Error(); got != "spans are older than a day: 3, such as first" {
					t.Errorf("the sender reads %q", got)
				}
			}
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "example=first") {
		t.Errorf("%d lines for two reasons twice:\n%s", n, log.String())
	}
	// A whole batch.
	l.Reset()
	l.Add(pipeline.DropTooOld, 0, 10, example("x"))
	if r, is := pipeline.AsRejected(teller.Answer(1, &l)); !is || r.Reason != pipeline.DropTooOld {
		t.Errorf("a batch of which nothing is kept is answered %v", r)
	}
}
