package otlphttp

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/config/configcompression"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

const benchLogs = 1000

// logsRequest is 1,000 distinct log records of about 350 bytes.
func logsRequest() wire.Request {
	rnd := rand.New(rand.NewPCG(1, 2))
	var b []byte
	b, resource := wire.BeginMessage(b, wire.FieldRequestResource)
	b, attrs := wire.BeginMessage(b, wire.FieldResourceXResource)
	b = wire.AppendStringAttribute(b, wire.FieldResourceAttributes, "service.name", "checkout")
	b = wire.EndMessage(b, attrs)
	b, scope := wire.BeginMessage(b, wire.FieldResourceXScope)
	for i := range benchLogs {
		log, log0 := wire.BeginMessage(b, wire.FieldScopeXItem)
		log = wire.AppendFixed64(log, wire.FieldLogTime, uint64(1_700_000_000_000_000_000+i*1000))
		log = wire.AppendUint(log, wire.FieldLogSeverityNumber, 9)
		log = wire.AppendString(log, wire.FieldLogSeverityText, "INFO")
		log, body := wire.BeginMessage(log, wire.FieldLogBody)
		log = wire.AppendString(log, wire.FieldValueString,
			fmt.Sprintf("GET /api/v1/orders/%d HTTP/1.1 %d %dus upstream=10.%d.%d.%d", rnd.IntN(1e6), 200+rnd.IntN(300), rnd.IntN(1e6), rnd.IntN(256), rnd.IntN(256), rnd.IntN(256)))
		log = wire.EndMessage(log, body)
		log = wire.AppendStringAttribute(log, wire.FieldLogAttributes, "http.request.method", "GET")
		log = wire.AppendStringAttribute(log, wire.FieldLogAttributes, "url.path", fmt.Sprintf("/api/v1/orders/%d", rnd.IntN(1e6)))
		log = wire.AppendStringAttribute(log, wire.FieldLogAttributes, "request.id", fmt.Sprintf("%016x%016x", rnd.Uint64(), rnd.Uint64()))
		log = wire.AppendIntAttribute(log, wire.FieldLogAttributes, "http.response.status_code", int64(rnd.IntN(500)))
		log = wire.AppendStringAttribute(log, wire.FieldLogAttributes, "user.id", strconv.Itoa(rnd.IntN(1e7)))
		b = wire.EndMessage(log, log0)
	}
	b = wire.EndMessage(b, scope)
	return wire.EndMessage(b, resource)
}

// sink answers every request with an empty 200 and does as little else as a server can.
func sink(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReaderSize(c, 512<<10)
				for {
					length := 0
					for {
						line, err := r.ReadSlice('\n')
						if err != nil {
							return
						}
						if v, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
							length, _ = strconv.Atoi(strings.TrimSpace(v))
						}
						if len(line) <= 2 {
							break
						}
					}
					if _, err := io.CopyN(io.Discard, r, int64(length)); err != nil {
						return
					}
					if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// BenchmarkConsume sends 1,000 logs of 350 bytes a request. cpu-ns/log is the whole process: exporter, net/http, the
// kernel's loopback and the sink.
func BenchmarkConsume(b *testing.B) {
	request := logsRequest()
	for _, typ := range []configcompression.Type{"none", "snappy", "zstd", "gzip"} {
		b.Run(string(typ), func(b *testing.B) {
			addr := sink(b)
			s := start(b, func(c *Config) { c.Endpoint, c.Compression = "http://"+addr, typ })
			batch := pipeline.Batch{Signal: pipeline.Logs, Request: request, Items: benchLogs}
			b.SetBytes(int64(len(request)))
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				if err := s.Consume(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N)/benchLogs, "cpu-ns/log")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
