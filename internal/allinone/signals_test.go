package allinone

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

// TestAnEndpointOfOneSignal is enough for a pipeline of that signal, and not for another.
func TestAnEndpointOfOneSignal(t *testing.T) {
	const file = `
receivers: {otlp: {protocols: {http: {}}}}
exporters: {otlp_http: {metrics_endpoint: "http://localhost:9090/api/v1/otlp/v1/metrics"}}
service:
  pipelines:
    %s: {receivers: [otlp], exporters: [otlp_http]}
`
	for signal, want := range map[string]string{"metrics": "", "logs": `otlp_http has neither "endpoint" nor "logs_endpoint"`} {
		_, _, err := config.Load(t.Context(), read.Sources{Embedded: []read.Text{{Name: "test", YAML: fmt.Appendf(nil, file, signal)}}}, Components(), config.Options{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", signal, err)
		}
	}
}
