package record

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/sluiceio/sluice/wire"
)

var dockerTestID = strings.Repeat("0123456789abcdef", 4)

func TestResource(t *testing.T) {
	for _, tt := range []struct {
		path, pod, service string
		attributes         map[string]string
		want               map[string]string
	}{
		{
			path: "/var/log/pods/shop_cart-7d9_6f1c/app/3.log", service: "ignored",
			want: map[string]string{
				"log.file.path": "/var/log/pods/shop_cart-7d9_6f1c/app/3.log", "log.file.name": "3.log", "host.name": "h", "service.name": "app",
				"k8s.namespace.name": "shop", "k8s.pod.name": "cart-7d9", "k8s.pod.uid": "6f1c", "k8s.container.name": "app", "k8s.container.restart_count": "3",
			},
		},
		{
			path: "/var/log/nginx/access-20260101.log", attributes: map[string]string{"env": "prod", "host.name": "node", "log.file.name": ""},
			want: map[string]string{"log.file.path": "/var/log/nginx/access-20260101.log", "host.name": "node", "service.name": "access", "env": "prod"},
		},
		{
			path: "/var/lib/docker/containers/" + dockerTestID + "/" + dockerTestID + "-json.log", pod: "/var/log/pods/shop_cart_6f1c/app/0.log",
			want: map[string]string{
				"log.file.path": "/var/log/pods/shop_cart_6f1c/app/0.log", "log.file.name": "0.log", "host.name": "h", "service.name": "app",
				"log.file.path_resolved": "/var/lib/docker/containers/" + dockerTestID + "/" + dockerTestID + "-json.log", "container.id": dockerTestID,
				"k8s.namespace.name": "shop", "k8s.pod.name": "cart", "k8s.pod.uid": "6f1c", "k8s.container.name": "app", "k8s.container.restart_count": "0",
			},
		},
		{
			path: "/var/lib/docker/containers/" + dockerTestID + "/" + dockerTestID + "-json.log.1",
			want: map[string]string{
				"log.file.path": "/var/lib/docker/containers/" + dockerTestID + "/" + dockerTestID + "-json.log.1", "log.file.name": dockerTestID + "-json.log.1",
				"host.name": "h", "service.name": "0123456789ab", "container.id": dockerTestID,
			},
		},
		{
			path: "/var/log/syslog", service: "system",
			want: map[string]string{"log.file.path": "/var/log/syslog", "log.file.name": "syslog", "host.name": "h", "service.name": "system"},
		},
		{
			path: "/tmp/caf\xe9.log",
			want: map[string]string{"log.file.path": "/tmp/caf\uFFFD.log", "log.file.name": "caf\uFFFD.log", "host.name": "h", "service.name": "caf\uFFFD"},
		},
	} {
		e := Origin{Host: "h", Service: tt.service, Attributes: tt.attributes, Version: "1.2"}.Envelope(tt.path, tt.pod)
		b := NewPool(4096).Get(e)
		b.add(0, 1, nil, []byte("x"))
		b.Seal(e)
		got := map[string]string{}
		rs := b.Request().Resources()
		rs.Next()
		for attrs := wire.ResourceAttributes(rs.Resource()); attrs.Next(); {
			got[string(attrs.Key())] = string(attrs.Value().Str())
		}
		if !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v\nwant %v", tt.path, got, tt.want)
		}
		ss := rs.Scopes()
		ss.Next()
		if s := wire.ParseScope(ss.Scope()); string(s.Name) != scopeName || string(s.Version) != "1.2" {
			t.Errorf("scope %s %s", s.Name, s.Version)
		}
	}
}

func TestServiceOf(t *testing.T) {
	for path, want := range map[string]string{
		"/var/log/syslog": "syslog", "/var/log/nginx/access.log": "access", "/var/log/app-2.log": "app", "/var/log/app.log.1": "app",
		"/var/log/nginx/current": "nginx", "/var/log/app.log-20260101": "app", "/var/log/2026.log": "2026.log", "/var/log/messages": "messages", "/var/log/x.log.log": "x.log",
	} {
		if got := serviceOf(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestParsePodPath(t *testing.T) {
	for _, path := range []string{
		"/var/log/pods/ns_pod_uid/app/x.log", "/var/log/pods/ns_pod/app/0.log", "/var/log/pods/ns__uid/app/0.log", "/var/log/other/ns_pod_uid/app/0.log",
		"0.log", "/var/log/pods/ns_pod_uid/app/0.log.1", "/var/log/pods/ns_pod_uid/app/.log",
	} {
		if IsPodLog(path) != (path == "/var/log/pods/ns_pod_uid/app/0.log.1") {
			t.Errorf("%s: a pod's log %t", path, IsPodLog(path))
		}
		if pod, ok := parsePodPath(path); ok {
			t.Errorf("%s is taken for %+v", path, pod)
		}
	}
}

// TestRequestIsOTLP holds the hand-written encoding to package wire and to the oracle, pdata.
func TestRequestIsOTLP(t *testing.T) {
	for _, size := range []int{0, 1, 100, 126, 127, 128, 200, 16_000, 16_383, 70_000, 3_000_000} {
		e := Origin{Host: "h"}.Envelope("/var/log/pods/ns_pod_uid/app/0.log", "")
		b := NewPool(64 << 10).Get(e)
		body := bytes.Repeat([]byte{'x'}, size)
		sets := NewAttributes()
		b.add(0, 11, sets[noStream][0], body)
		b.add(7, 12, sets[stdout][0], body)
		b.add(1<<63, 13, sets[stderr][1], body)
		b.Seal(e)
		if got, info, err := wire.Check(wire.Logs, b.Request(), wire.Limits{}); err != nil || info.Canonicalized || info.Items != 3 || !bytes.Equal(got, b.Request()) {
			t.Fatalf("%d: %+v %v", size, info, err)
		}
		req := plogotlp.NewExportRequest()
		if err := req.UnmarshalProto(b.Request()); err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		records := req.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		if records.Len() != 3 {
			t.Fatalf("%d: %d records", size, records.Len())
		}
		second, third := records.At(1), records.At(2)
		stream, _ := second.Attributes().Get("log.iostream")
		cut, _ := third.Attributes().Get("log.truncated")
		if second.Timestamp() != 7 || second.ObservedTimestamp() != 12 || second.Body().Str() != string(body) || stream.Str() != "stdout" || !cut.Bool() || third.Timestamp() != 1<<63 {
			t.Fatalf("%d: not what was written", size)
		}
	}
}
