package otlpgrpc

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestASilentConnectionIsLeft: within 20 s, which are grpc's shortest.
func TestASilentConnectionIsLeft(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(_ string, s grpc.ServerStream) error { return answerEmpty(s) })
	proxy := pipelinetest.NewProxy(t, addr)
	sink := start(t, func(c *Config) {
		c.Endpoint, c.Timeout = proxy.Addr, time.Second
		c.Retry.InitialInterval, c.Retry.MaxInterval = 100*time.Millisecond, time.Second
	})
	if err := sink.Consume(t.Context(), one("x")); err != nil {
		t.Fatal(err)
	}
	proxy.Silence()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if err := sink.Consume(ctx, one("y")); err != nil || time.Since(begin) > 25*time.Second {
		t.Errorf("after %s: %v, want delivered within 20s and a repeat", time.Since(begin), err)
	}
}

// TestADestinationThatIsBack is found within 5 s, however long it was away.
func TestADestinationThatIsBack(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	sink := start(t, func(c *Config) {
		c.Endpoint, c.Retry.InitialInterval, c.Retry.MaxInterval = addr, 100*time.Millisecond, time.Second
	})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- sink.Consume(ctx, one("x")) }()
	time.Sleep(20 * time.Second) // grpc's own pauses are 10 s long then
	if ln, err = net.Listen("tcp", addr); err != nil {
		t.Skipf("somebody else has the port now: %v", err)
	}
	srv := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error { return answerEmpty(s) }))
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	back := time.Now()
	if err := <-done; err != nil || time.Since(back) > 5*time.Second {
		t.Errorf("delivered %s after it is back (%v), want within 5s", time.Since(back), err)
	}
}

func answerEmpty(s grpc.ServerStream) error {
	var request []byte
	if err := s.RecvMsg(&request); err != nil {
		return err
	}
	return s.SendMsg([]byte{})
}

func one(body string) pipeline.Batch {
	return pipeline.Batch{Signal: pipeline.Logs, Request: []byte(body), Items: 1}
}
