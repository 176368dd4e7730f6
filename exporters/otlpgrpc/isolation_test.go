package otlpgrpc

import (
	"context"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/pipeline"
)

// Servers that answer before they have read the message, and callers that leave and reuse their buffers at once, must never
// cause a request with another request's bytes. Messages exceed the flow-control window, so that grpc still holds them after
// the answer.
func TestNobodySeesAnotherRequestsBytes(t *testing.T) {
	for _, compression := range []string{"none", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			var whole, early, mixed atomic.Int64
			addr := serve(t, func(_ string, s grpc.ServerStream) error {
				switch rand.IntN(4) {
				case 0, 1:
					early.Add(1)
					return status.Error(codes.ResourceExhausted, "later")
				case 2:
					time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond)
				}
				b, err := recv(s)
				if err != nil {
					return err
				}
				if len(b) < 8 || string(b[:8]) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(b[8:])) {
					mixed.Add(1)
				}
				whole.Add(1)
				return s.SendMsg([]byte{})
			})
			sink := start(t, func(c *Config) {
				c.Endpoint, c.MaxInFlight = addr, 8
				_ = c.Compression.UnmarshalText([]byte(compression))
				c.Retry.InitialInterval, c.Retry.MaxInterval = time.Millisecond, 2*time.Millisecond
			})
			var wg sync.WaitGroup
			var left, taken atomic.Int64
			for g := range 8 {
				wg.Go(func() {
					for n := range 24 {
						text := strings.Repeat(fmt.Sprintf("<%d>", g*1000+n), 100+rand.IntN(60_000))
						body := fmt.Appendf(nil, "%08x%s", crc32.ChecksumIEEE([]byte(text)), text)
						patience := 30 * time.Second
						if n%4 > 0 {
							patience = time.Duration(rand.IntN(20_000)) * time.Microsecond
						}
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						err := sink.Consume(ctx, pipeline.Batch{Signal: pipeline.Logs, Request: body, Items: 1})
						cancel()
						for i := range body { // the owner reuses its buffer
							body[i] = 'X'
						}
						if err == nil {
							taken.Add(1)
						} else if _, ok := pipeline.AsRefused(err); ok {
							left.Add(1)
						} else {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if mixed.Load() > 0 {
				t.Errorf("%d requests had bytes of others", mixed.Load())
			}
			if taken.Load() == 0 || left.Load() == 0 || early.Load() == 0 || whole.Load() < taken.Load() {
				t.Errorf("the test met nothing dangerous: %d taken, %d left, %d answered early, %d arrived whole",
					taken.Load(), left.Load(), early.Load(), whole.Load())
			}
		})
	}
}

func TestTLSAndTokenRotation(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // for its certificate
	defer lender.Close()
	dir := t.TempDir()
	ca, token := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	write := func(path string, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: lender.Certificate().Raw}))
	write(token, []byte("old\n"))
	valid := "Bearer old"
	addr := serve(t, func(_ string, s grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(s.Context())
		if got := md.Get("authorization"); len(got) != 1 || got[0] != valid {
			return status.Error(codes.Unauthenticated, "who are you?")
		}
		if _, err := recv(s); err != nil {
			return err
		}
		return s.SendMsg([]byte{})
	}, grpc.Creds(credentials.NewServerTLSFromCert(&lender.TLS.Certificates[0])))
	sink := start(t, func(c *Config) {
		c.Endpoint, c.TLS.Insecure, c.TLS.CAFile = "https://"+addr, false, ca
		c.Credentials, c.Retry.InitialInterval = credential.Config{BearerTokenFile: token}, time.Millisecond
	})
	if err := sink.Consume(t.Context(), batch("x")); err != nil {
		t.Fatal(err)
	}
	write(token, []byte("new\n"))
	valid = "Bearer new"
	if err := sink.Consume(t.Context(), batch("x")); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	strict := start(t, func(c *Config) { c.Endpoint, c.TLS.Insecure = addr, false; once(c) })
	err := strict.Consume(t.Context(), batch("x"))
	if _, ok := pipeline.AsRefused(err); !ok || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}
