package memorylimiter

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		want []string // every fault, by a part of its text; none means valid
	}{
		{"the Collector's example", Config{CheckInterval: time.Second, LimitMiB: 4000, SpikeLimitMiB: 800}, nil},
		{"percentages", Config{CheckInterval: time.Second, LimitPercentage: 75, SpikeLimitPercentage: 15}, nil},
		{"no spike", Config{CheckInterval: time.Second, LimitMiB: 1}, nil},
		{"MiB go before percentages", Config{CheckInterval: time.Second, LimitMiB: 100, LimitPercentage: 5, SpikeLimitPercentage: 15}, nil},
		{"default", *Default(), []string{"no limit"}},
		{"nothing", Config{}, []string{"check_interval", "no limit"}},
		{"spike above limit", Config{CheckInterval: 1, LimitMiB: 100, SpikeLimitMiB: 100}, []string{"spike_limit_mib"}},
		{"above 100", Config{CheckInterval: 1, LimitPercentage: 101, SpikeLimitPercentage: 102}, []string{"limit_percentage", "spike_limit_percentage"}},
		{"spike percentage above limit", Config{CheckInterval: 1, LimitPercentage: 20, SpikeLimitPercentage: 20}, []string{"spike_limit_percentage"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			if err := c.cfg.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(c.want) {
				t.Fatalf("got %d faults %q, want %d", len(got), got, len(c.want))
			}
			for i := range got {
				if !strings.Contains(got[i], c.want[i]) {
					t.Errorf("fault %d is %q, want it to name %q", i, got[i], c.want[i])
				}
			}
		})
	}
}

func TestMemoryLimitCarriesEveryKey(t *testing.T) {
	c := Config{CheckInterval: 2 * time.Second, LimitMiB: 1, SpikeLimitMiB: 2, LimitPercentage: 3, SpikeLimitPercentage: 4}
	want := pipeline.MemoryLimit{CheckInterval: 2 * time.Second, LimitMiB: 1, SpikeLimitMiB: 2, LimitPercentage: 3, SpikeLimitPercentage: 4}
	if got := c.MemoryLimit(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The graph leaves a processor out of the data path, and of the ledger, when New returns the sink it was given.
func TestNewIsNotInTheWay(t *testing.T) {
	calls := 0
	next := pipeline.SinkFunc(func(context.Context, pipeline.Batch) error { calls++; return nil })
	got, err := New(pipeline.Settings{}, Default(), next)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Consume(t.Context(), pipeline.Batch{}); err != nil || calls != 1 {
		t.Errorf("next was called %d times, err %v; want once", calls, err)
	}
}

func TestComponent(t *testing.T) {
	c := Component()
	if c.Type != "memory_limiter" || c.Kind != pipeline.KindProcessor {
		t.Errorf("got %s %s", c.Kind, c.Type)
	}
	for _, s := range pipeline.Signals {
		if !c.Takes(s) {
			t.Errorf("does not take %s", s)
		}
	}
}
