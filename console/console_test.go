package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// listening is the configuration of a receiver that takes OTLP/HTTP.
type listening struct{}

func (listening) HTTPEndpoint() string { return "127.0.0.1:9999" }

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	s, ledger := pipelinetest.Settings(t, pipeline.KindReceiver, "otlp")
	sink := s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
		return pipeline.Reject(2, pipeline.DropInvalid, context.Canceled)
	}))
	sink.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Items: 7})
	pipelinetest.SettingsOf(ledger, pipeline.KindExporter, pipeline.ID{Type: "store"}, pipeline.Logs, pipeline.Traces)
	h := New(Source{
		View: pipeline.View{Ledger: ledger, Config: &pipeline.Config{Instances: []pipeline.Instance{{Config: listening{}}}, Pipelines: []pipeline.PipelineConfig{{
			ID: pipeline.ID{Type: "logs", Name: "<script>x</script>"}, Signal: pipeline.Logs,
			Receivers: []pipeline.ID{{Type: "otlp"}}, Exporters: []pipeline.ID{{Type: "store"}},
		}}}},
		Version: "v9", Stores: func() []Store { return []Store{{Signal: "logs", Bytes: 5, Oldest: time.Unix(1, 0).UTC()}} },
		Ready: func() error { return errors.New("the disk is <full>") },
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestPageSaysWhatRunsAndTrustsNoName(t *testing.T) {
	w := get(t, "/")
	body := w.Body.String()
	for _, want := range []string{"v9", "<code>otlp</code>", "logs/&lt;script&gt;", "/loki/api/v1/query_range", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9999", "Nothing is stored: the disk is &lt;full&gt;"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if !strings.Contains(w.Header().Get("Content-Security-Policy"), "script-src 'self'") {
		t.Error("the page may run foreign scripts")
	}
}

func TestStatus(t *testing.T) {
	var s Status
	if err := json.Unmarshal(get(t, "/status.json").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	var found bool
	for _, c := range s.Components {
		if c.Name == "receiver/otlp" && c.Signal == "logs" {
			found = c.In == 7 && c.Out == 5 && c.Dropped == 2
		}
	}
	var idle []string // exporters that a pipeline feeds are shown from the start, others are not
	for _, c := range s.Components {
		if c.Name == "exporter/store" {
			idle = append(idle, c.Signal)
		}
	}
	if len(idle) != 1 || idle[0] != "logs" {
		t.Errorf("exporter/store is shown for %v, want logs", idle)
	}
	if !found || len(s.Stores) != 1 || s.Stores[0].Bytes != 5 || s.NotReady != "the disk is <full>" {
		t.Errorf("got %+v", s)
	}
}

func TestFilesAreServedAndNothingElse(t *testing.T) {
	for path, want := range map[string]int{"/static/page.js": 200, "/static/page.css": 200, "/static/icon.svg": 200, "/nope": 404} {
		if got := get(t, path).Code; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}
