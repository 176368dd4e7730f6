package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// names is a DNS server that answers every question for an A record with one address, NXDOMAIN, or nothing.
type names struct {
	address atomic.Pointer[string] // "": NXDOMAIN; nil: it is silent
	asked   atomic.Int64
}

func (n *names) set(address string) { n.address.Store(&address) }

// newNames serves on port 53 of an address of its own, since a resolv.conf has no ports.
func newNames(t *testing.T) (n *names, resolver string) {
	t.Helper()
	pid := os.Getpid()
	resolver = fmt.Sprintf("127.53.%d.%d", pid/256%256, pid%256)
	conn, err := net.ListenPacket("udp", resolver+":53")
	if err != nil {
		t.Skipf("cannot serve DNS: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	n = &names{}
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			n.asked.Add(1)
			if answer := n.answer(buf[:size]); answer != nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
	return n, resolver
}

func (n *names) answer(question []byte) []byte {
	var m dnsmessage.Message
	address := n.address.Load()
	if address == nil || m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.RCode, m.Additionals = true, dnsmessage.RCodeSuccess, nil
	switch q := m.Questions[0]; {
	case *address == "":
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0},
			Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(*address).To4())},
		}}
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

// TestDestinationByName (F42): the name does not exist at the start, then it does; it moves to another address while the old
// one dies; the server is silent for a while. Nothing is restarted, and nothing is lost.
func TestDestinationByName(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("a resolv.conf of its own needs root")
	}
	t.Run("HTTP", func(t *testing.T) { destinationByName(t, `otlp_http: {endpoint: "http://%s",`, otlpSinkAt) })
	t.Run("gRPC", func(t *testing.T) {
		destinationByName(t, `otlp_grpc: {endpoint: "%s", tls: {insecure: true},`, grpcSinkAt)
	})
}

func destinationByName(t *testing.T, exporter string, sinkAt func(testing.TB, string) *otlpSink) {
	dir := t.TempDir()
	dns, resolver := newNames(t)
	p := ports(t, 4)
	dns.set("")
	resolv := file(t, dir, "resolv.conf", "nameserver %s\noptions timeout:1 attempts:1\n", resolver)
	cfg := file(t, dir, "dns.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%[1]d}}}
exporters:
  %[2]s sending_queue: {storage: file_storage}}
extensions:
  health_check: {endpoint: 127.0.0.1:%[3]d}
  file_storage: {directory: %[5]s/queues, create_directory: true, min_free_disk_mib: 16}
service:
  extensions: [health_check, file_storage]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[4]d}}}}]}}
  pipelines:
    logs: {receivers: [otlp], exporters: [%[6]s]}
`, p[0], fmt.Sprintf(exporter, fmt.Sprintf("collector.sluice.test:%d", p[1])), p[2], p[3], dir, exporter[:9])
	script := fmt.Sprintf("mount --bind %s /etc/resolv.conf && exec %s --config %s --data-dir %s", resolv, binary(t, "sluice-collector"), cfg, dir)
	collector := begin(t, "sluice-collector", exec.Command("unshare", "-m", "sh", "-c", script))
	time.Sleep(300 * time.Millisecond)
	select {
	case <-collector.done:
		if strings.Contains(collector.out.String(), "unshare") || strings.Contains(collector.out.String(), "mount") {
			t.Skip("cannot have a resolv.conf of its own: ", collector.out)
		}
	default:
	}
	collector.ready(p[2])
	next := 0
	push := func() {
		t.Helper()
		if code, err := pushLogs(p[0], numberedRequest("named", next, 10)); err != nil || code != http.StatusOK {
			t.Fatalf("answered %d, %v", code, err)
		}
		next += 10
	}
	first := sinkAt(t, fmt.Sprintf("127.0.0.1:%d", p[1]))
	second := sinkAt(t, fmt.Sprintf("127.0.0.2:%d", p[1]))
	push()
	eventually(t, 5*time.Second, "a question for the name", func() bool { return dns.asked.Load() > 0 })
	dns.set("127.0.0.1")
	eventually(t, 20*time.Second, "what waited for the name", func() bool { return first.logs.unique("named") == next })

	dns.set("127.0.0.2")
	first.close()
	push()
	eventually(t, 30*time.Second, "it at the new address", func() bool { return second.logs.unique("named") == 10 })

	second.status.Store(503)
	dns.address.Store(nil)
	push()
	time.Sleep(3 * time.Second)
	second.status.Store(0)
	dns.set("127.0.0.2")
	push()
	eventually(t, 30*time.Second, "it after the silence", func() bool { return second.logs.unique("named") == 30 })
	if n := unaccounted(t, p[3]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	collector.terminate()
}
