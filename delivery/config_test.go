package delivery

import (
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/internal/backoff"
)

func TestConfigNamesEveryFault(t *testing.T) {
	c := Config{MaxInFlight: -1, Queue: QueueConfig{Enabled: true, Sizer: "boxes"}, Retry: RetryConfig{Enabled: true, RandomizationFactor: 2, MaxElapsedTime: -1}}
	c.Credentials = credential.Config{BearerTokenFile: "x", BasicAuth: credential.BasicAuthConfig{Username: "y"}}
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, key := range []string{
		"max_in_flight", "sending_queue::num_consumers", "sending_queue::queue_size", "sending_queue::sizer",
		"retry_on_failure::initial_interval", "retry_on_failure::multiplier", "retry_on_failure::randomization_factor",
		"retry_on_failure::max_elapsed_time", "bearer_token_file", "password_file",
	} {
		if !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing is said about %q", key)
		}
	}
	good := DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Errorf("the default is faulty: %v", err)
	}
}

func TestBackoff(t *testing.T) {
	cfg := DefaultRetryConfig()
	bounds := []time.Duration{200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}
	low, high := make([]time.Duration, len(bounds)), make([]time.Duration, len(bounds))
	for n := range 400 {
		b := cfg.backoff()
		for i := range bounds {
			w := b.Next(0)
			if n == 0 || w < low[i] {
				low[i] = w
			}
			high[i] = max(high[i], w)
		}
	}
	for i, bound := range bounds {
		bound *= time.Millisecond
		if high[i] > bound || high[i] < bound*8/10 || low[i] > bound*2/10 {
			t.Errorf("wait %d is between %s and %s; full jitter fills 0 to %s", i, low[i], high[i], bound)
		}
	}
	b := cfg.backoff()
	if w := b.Next(7 * time.Second); w < 7*time.Second || w > 7200*time.Millisecond {
		t.Errorf("asked for 7s, waits %s", w)
	}
	if w := b.Next(1e9 * time.Second); w > backoff.MaxAsked+cfg.MaxInterval {
		t.Errorf("asked for 30 years, waits %s", w)
	}
}
