package otlp

import (
	"bytes"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"

	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func dial(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestGRPC(t *testing.T) {
	sink := &pipelinetest.Recorder{}
	srv := start(t, sink, nil)
	conn := dial(t, srv.grpc)
	for _, opts := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}, {grpc.UseCompressor("zstd")}} {
		if _, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(5000)), opts...); err != nil {
			t.Error(err)
		}
		if _, err := pmetricotlp.NewGRPCClient(conn).Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(sampleMetrics()), opts...); err != nil {
			t.Error(err)
		}
		if _, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(sampleTraces()), opts...); err != nil {
			t.Error(err)
		}
	}
	want := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(5000)))
	n := 0
	for _, b := range sink.Batches() {
		if b.Signal == wire.Logs {
			n++
			if !bytes.Equal(b.Request, want) || b.Items != 5000 {
				t.Error("the sink got other bytes than were sent")
			}
		}
	}
	if n != 3 || len(sink.Batches()) != 9 {
		t.Errorf("%d requests arrived, %d of them logs; want 9 and 3", len(sink.Batches()), n)
	}
}
