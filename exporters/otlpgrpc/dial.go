package otlpgrpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver/dns"

	"github.com/sluiceio/sluice/pipeline"
)

// connecting limits the reconnect delay: by default grpc's grows to two minutes.
var connecting = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 500 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
	MinConnectTimeout: 3 * time.Second,
}

// resolveOften lets grpc ask DNS again soon after a connection ended: by default at most each 30 s, so that a destination that
// moved is away for so long. The setting is global and must be made before the first connection.
var resolveOften = sync.OnceFunc(func() { dns.SetMinResolutionInterval(2 * time.Second) })

// dialer returns a function that connects with the Collector's client configuration, without its instrumentation,
// compression and headers. It is lazy: a connection has goroutines, and a graph may only be checked.
func dialer(s pipeline.Settings, c *Config, encoding string) (func() (*grpc.ClientConn, error), error) {
	resolveOften()
	target, secure := strings.CutPrefix(c.Endpoint, "https://")
	target = strings.TrimPrefix(target, "http://")
	tlsConfig, err := c.TLS.LoadTLSConfig(context.Background())
	if err != nil {
		return nil, fmt.Errorf("cannot load the TLS configuration: %w", err)
	}
	creds := insecure.NewCredentials()
	switch {
	case tlsConfig != nil:
		creds = credentials.NewTLS(tlsConfig)
	case secure:
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	agent := c.UserAgent
	if agent == "" {
		agent = "sluice/" + s.Version
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithUserAgent(agent),
		// We retry ourselves. grpc still retries what the server provably did not process.
		grpc.WithDisableRetry(),
		grpc.WithConnectParams(connecting),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.WaitForReady(c.WaitForReady)),
	}
	if encoding != "" {
		opts = append(opts, grpc.WithCompressor(compressed(encoding))) //nolint:staticcheck // see compressed
	}
	if k := c.Keepalive.Get(); k != nil {
		opts = append(opts, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: k.Time, Timeout: k.Timeout, PermitWithoutStream: k.PermitWithoutStream,
		}))
	}
	if c.ReadBufferSize > 0 {
		opts = append(opts, grpc.WithReadBufferSize(c.ReadBufferSize))
	}
	if c.WriteBufferSize > 0 {
		opts = append(opts, grpc.WithWriteBufferSize(c.WriteBufferSize))
	}
	if c.BalancerName != "" {
		opts = append(opts, grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, c.BalancerName)))
	}
	if c.Authority != "" {
		opts = append(opts, grpc.WithAuthority(c.Authority))
	}
	return func() (*grpc.ClientConn, error) {
		conn, err := grpc.NewClient(target, opts...)
		if err != nil {
			return nil, fmt.Errorf("cannot use the endpoint: %w", err)
		}
		return conn, nil
	}, nil
}
