package e2e

import (
	"context"
	"net"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

// grpcSinkAt is a foreign OTLP/gRPC endpoint for logs, with grpc-go's server.
func grpcSinkAt(t testing.TB, address string) *otlpSink {
	t.Helper()
	s := &otlpSink{logs: newTally(), names: map[string]int{}}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	srv := grpc.NewServer()
	collogs.RegisterLogsServiceServer(srv, grpcLogs{s: s})
	go srv.Serve(l)
	s.close = srv.Stop
	t.Cleanup(s.close)
	return s
}

type grpcLogs struct {
	collogs.UnimplementedLogsServiceServer
	s *otlpSink
}

// Export implements the service. A status of the sink that is not 0 becomes UNAVAILABLE.
func (g grpcLogs) Export(_ context.Context, req *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	if code := g.s.status.Load(); code != 0 {
		return nil, status.Errorf(codes.Unavailable, "as if HTTP %d", code)
	}
	g.s.requests.Add(1)
	g.s.logRecords(req)
	return &collogs.ExportLogsServiceResponse{}, nil
}
