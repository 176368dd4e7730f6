package delivery

import (
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/confmap"

	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/delivery/queue"
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

// TestBatchConfig: the Collector's keys and defaults; what cannot be honoured is said.
func TestBatchConfig(t *testing.T) {
	for name, c := range map[string]struct {
		keys  map[string]any
		want  queue.Batching
		fault string
	}{
		"none":             {map[string]any{"storage": "file_storage"}, queue.Batching{}, ""},
		"empty":            {map[string]any{"storage": "file_storage", "batch": map[string]any{}}, queue.Batching{Timeout: 200 * time.Millisecond, Min: 8192}, ""},
		"the queue's unit": {map[string]any{"storage": "file_storage", "sizer": "bytes", "queue_size": 1 << 20, "batch": map[string]any{"min_size": 4, "max_size": 9, "flush_timeout": "1s"}}, queue.Batching{Timeout: time.Second, Min: 4, Max: 9, Bytes: true}, ""},
		"its own unit":     {map[string]any{"storage": "file_storage", "sizer": "bytes", "batch": map[string]any{"sizer": "items"}}, queue.Batching{Timeout: 200 * time.Millisecond, Min: 8192}, ""},
		"in memory":        {map[string]any{"batch": map[string]any{}}, queue.Batching{}, `"sending_queue::batch" gathers in front of a queue on disk, and this queue is in memory`},
		"no time":          {map[string]any{"storage": "file_storage", "batch": map[string]any{"flush_timeout": "0s"}}, queue.Batching{}, `"sending_queue::batch::flush_timeout" is 0s`},
		"less than least":  {map[string]any{"storage": "file_storage", "batch": map[string]any{"max_size": 5}}, queue.Batching{}, `"sending_queue::batch::max_size" is 5`},
		"over the queue":   {map[string]any{"storage": "file_storage", "sizer": "items", "batch": map[string]any{}}, queue.Batching{}, `"sending_queue::batch::min_size" is 8192; write at most queue_size`},
		"over a record":    {map[string]any{"storage": "file_storage", "batch": map[string]any{"sizer": "bytes", "min_size": 5 << 20}}, queue.Batching{}, `"sending_queue::batch::min_size" is 5242880 bytes; a record`},
		"requests":         {map[string]any{"storage": "file_storage", "batch": map[string]any{"sizer": "requests"}}, queue.Batching{}, `"sending_queue::batch::sizer" is "requests"`},
	} {
		cfg := DefaultConfig()
		if err := confmap.NewFromStringMap(map[string]any{"sending_queue": c.keys}).Unmarshal(&cfg); err != nil {
			t.Fatal(err)
		}
		err := cfg.Validate()
		if c.fault == "" {
			if got := cfg.Queue.batching(); err != nil || got != c.want {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v", name, err)
		}
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
