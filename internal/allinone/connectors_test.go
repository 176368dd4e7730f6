package allinone

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

func load(t *testing.T, text string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := config.Load(t.Context(), read.Sources{Config: []string{file}}, Components(), config.Options{})
	return err
}

// TestNoQueueOnDiskBehindAChoiceByAnswer: it takes everything, so failover would never choose another level. Behind the last
// level it is what catches all.
func TestNoQueueOnDiskBehindAChoiceByAnswer(t *testing.T) {
	const text = `
extensions: {file_storage: {}}
receivers: {otlp: {protocols: {http: {}}}}
processors: {batch: {}}
connectors:
  failover: {priority_levels: [[metrics/near], [metrics/far]]}
  forward: {}
exporters:
  otlp_http/near: {endpoint: "http://127.0.0.1:1", NEAR}
  prometheus_remote_write: {endpoint: "http://127.0.0.1:1", BEHIND}
  otlp_http/far: {endpoint: "http://127.0.0.1:1", sending_queue: {storage: file_storage}}
service:
  extensions: [file_storage]
  pipelines:
    metrics: {receivers: [otlp], exporters: [failover]}
    metrics/near: {receivers: [failover], processors: [batch], exporters: [otlp_http/near, forward]}
    metrics/behind: {receivers: [forward], exporters: [prometheus_remote_write]}
    metrics/far: {receivers: [failover], exporters: [otlp_http/far]}
`
	for _, c := range []struct{ near, behind, want string }{
		{"", "", ""},
		{"sending_queue: {storage: file_storage}", "", "otlp_http/near, whose queue on disk (sending_queue::storage) takes everything"},
		{"", "remote_write_queue: {storage: file_storage}", "prometheus_remote_write, whose queue on disk (remote_write_queue::storage)"},
	} {
		err := load(t, strings.NewReplacer("NEAR", c.near, "BEHIND", c.behind).Replace(text))
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q in it", err, c.want)
		}
	}
}

// TestConnectorsInAFile: keys of the Collector's connectors, as files have them.
func TestConnectorsInAFile(t *testing.T) {
	const text = `
receivers: {otlp: {protocols: {http: {include_metadata: true}}}}
connectors:
  routing:
    default_pipelines: [logs/b]
    error_mode: ignore
    table:
      - {context: request, condition: 'request["X-Tenant"] == "a"', pipelines: [logs/a]}
      - {statement: 'route() where resource.attributes["x"] == "1"', pipelines: [logs/a, logs/b], action: copy}
  failover:
    priority_levels: [[logs/c], [logs/d]]
    retry_interval: 5m
    retry_gap: 1m
    max_retries: 10
    sending_queue: {enabled: false, queue_size: 5}
  count: {logs: {errors: {conditions: ['severity_number >= 17'], attributes: [{key: x, default_value: 1}]}}}
exporters: {debug: {}}
service:
  pipelines:
    logs: {receivers: [otlp], exporters: [routing]}
    logs/a: {receivers: [routing], exporters: [count]}
    logs/b: {receivers: [routing], exporters: [failover]}
    logs/c: {receivers: [failover], exporters: [debug]}
    logs/d: {receivers: [failover], exporters: [debug]}
    metrics: {receivers: [count], exporters: [debug]}
`
	if err := load(t, text); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"enabled: false", "enabled: true", "there is no queue here"},
		{"error_mode: ignore", "match_once: true", "the first route that holds takes the record"},
		{"retry_gap: 1m", "condition: {error: {contains: x}}", "every refusal goes to the next level"},
	} {
		if err := load(t, strings.Replace(text, c.old, c.new, 1)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q in it", err, c.want)
		}
	}
}
