package otlp

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/metadata"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// asks is a component's configuration that asks for headers.
type asks []string

func (a asks) AsksMetadata() []string { return a }

// TestHeadersThatAreAskedFor arrive with the batch, by each door, and no others do.
func TestHeadersThatAreAskedFor(t *testing.T) {
	for _, include := range []bool{true, false} {
		var sink pipelinetest.Recorder
		ours, theirs := twoDoors(t, &sink, func(c *Config, s *pipeline.Settings) {
			s.View.Config = &pipeline.Config{Instances: []pipeline.Instance{{Config: asks{"X-Tenant", "x-none"}}}}
			c.Protocols.HTTP.Get().IncludeMetadata = include
		})
		body := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(1)))
		for _, s := range []*server{ours, theirs} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http+"/v1/logs", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", typeProtobuf)
			req.Header.Add("X-Tenant", "acme")
			req.Header.Add("x-tenant", "second")
			req.Header.Set("X-Secret", "not asked for")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if res.Body.Close(); res.StatusCode != http.StatusOK {
				t.Fatalf("answered %d", res.StatusCode)
			}
		}
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-tenant", "acme", "x-tenant", "second", "x-secret", "not asked for")
		if _, err := plogotlp.NewGRPCClient(dial(t, ours.grpc)).Export(ctx, plogotlp.NewExportRequestFromLogs(sampleLogs(1))); err != nil {
			t.Fatal(err)
		}
		got := sink.Batches()
		if len(got) != 3 {
			t.Fatalf("%d batches", len(got))
		}
		for i, b := range got {
			want := []string{"acme", "second"}
			if i < 2 && !include {
				want = nil
			}
			if !slices.Equal(b.Origin.Metadata.Values("x-tenant"), want) || strings.Contains(string(b.Origin.Metadata), "not asked") {
				t.Errorf("request %d, include_metadata %v: %q", i, include, b.Origin.Metadata)
			}
			if i > 0 && include && b.Origin.Metadata != got[0].Origin.Metadata {
				t.Error("equal headers make different metadata, so batch would keep them apart")
			}
		}
	}
}

// TestHeadersAreBounded: what is asked for may be 8 KiB.
func TestHeadersAreBounded(t *testing.T) {
	var sink pipelinetest.Recorder
	s := start(t, &sink, func(c *Config, s *pipeline.Settings) {
		s.View.Config = &pipeline.Config{Instances: []pipeline.Instance{{Config: asks{"x-tenant"}}}}
		c.Protocols.HTTP.Get().IncludeMetadata = true
	})
	body := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(1)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http+"/v1/logs", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", typeProtobuf)
	req.Header.Set("X-Tenant", strings.Repeat("x", 9000))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("HTTP answered %d", res.StatusCode)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-tenant", strings.Repeat("x", 9000))
	if _, err := plogotlp.NewGRPCClient(dial(t, s.grpc)).Export(ctx, plogotlp.NewExportRequestFromLogs(sampleLogs(1))); err == nil || !strings.Contains(err.Error(), "8 KiB") {
		t.Errorf("gRPC answered %v", err)
	}
}
