package source

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sluiceio/sluice/pipeline"
)

// TestASubmitterRepeatsWhatIsRefused: it waits as long as it is asked to, within bounds, says so seldom, and ends with its
// context.
func TestASubmitterRepeatsWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		refused := prometheus.NewCounter(prometheus.CounterOpts{Name: "refused"})
		o := NewSubmitter(pipeline.Settings{Log: slog.New(slog.NewTextHandler(&out, nil))}, nil, refused)
		waited := func(ctx context.Context, err error) time.Duration {
			backoff, begin := o.Backoff(), time.Now()
			o.Pause(ctx, err, &backoff)
			return time.Since(begin)
		}
		busy := errors.New("busy")
		if d := waited(t.Context(), errors.New("plain")); d > repeatMin {
			t.Errorf("the first pause took %s", d)
		}
		if d := waited(t.Context(), pipeline.Refuse(20*time.Second, busy)); d < 20*time.Second || d > 21*time.Second {
			t.Errorf("asked for 20s it waited %s", d)
		}
		if n := strings.Count(out.String(), "\n"); n != 1 {
			t.Errorf("%d lines within a minute:\n%s", n, out.String())
		}
		if d := waited(t.Context(), pipeline.Refuse(time.Hour, busy)); d != patienceMax {
			t.Errorf("asked for an hour it waited %s", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if d := waited(ctx, pipeline.Refuse(time.Minute, context.Canceled)); d != 0 {
			t.Errorf("with its context ended it waited %s", d)
		}
		if n := strings.Count(out.String(), "\n"); n != 1 {
			t.Errorf("the end of a context is in the log:\n%s", out.String())
		}
		if n := testutil.ToFloat64(refused); n != 4 {
			t.Errorf("%g refusals counted", n)
		}
	})
}
