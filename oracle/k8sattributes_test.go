package oracle

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/k8sattributesprocessor"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/kube/kubetest/clusters"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/processors/k8sattributes"
)

// kubernetes is a cluster and both processors that ask it.
type kubernetes struct {
	cluster *clusters.Objects
	theirs  processor.Logs
	got     *consumertest.LogsSink
	ours    pipeline.Sink
	sink    *pipelinetest.Recorder
}

func newKubernetes(t testing.TB, cluster *clusters.Objects, config map[string]any, next pipeline.Sink) *kubernetes {
	t.Helper()
	server := kubetest.New(t, kubetest.Options{})
	server.Put(cluster.All()...)
	t.Setenv("KUBECONFIG", server.Kubeconfig(t))
	k := &kubernetes{cluster: cluster, got: &consumertest.LogsSink{}}
	k.sink, _ = next.(*pipelinetest.Recorder)

	all := map[string]any{"auth_type": "kubeConfig", "wait_for_metadata": true}
	for key, v := range config {
		all[key] = v
	}
	factory := k8sattributesprocessor.NewFactory()
	cfg := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(all).Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	var err error
	if k.theirs, err = factory.CreateLogs(t.Context(), processortest.NewNopSettings(factory.Type()), cfg, k.got); err != nil {
		t.Fatal(err)
	}
	if err := k.theirs.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.theirs.Shutdown(context.Background()) })

	c := k8sattributes.Component()
	mine := c.Default()
	if err := confmap.NewFromStringMap(all).Unmarshal(mine); err != nil {
		t.Fatal(err)
	}
	if err := mine.(interface{ Validate() error }).Validate(); err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "k8s_attributes")
	if k.ours, err = c.NewProcessor(s, mine, next); err != nil {
		t.Fatal(err)
	}
	life := k.ours.(interface {
		Start(context.Context) error
		Stop(context.Context) error
	})
	if err := life.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = life.Stop(context.Background()) })
	return k
}

// compare passes a resource through both.
func (k *kubernetes) compare(t *testing.T, peer string, resource map[string]any) (attributes int) {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	if err := rl.Resource().Attributes().FromRaw(resource); err != nil {
		t.Fatal(err)
	}
	rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("x")
	body, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	info := client.Info{}
	origin := pipeline.Origin{}
	if peer != "" {
		info.Addr = &net.TCPAddr{IP: net.ParseIP(peer), Port: 55}
		origin.Peer = net.JoinHostPort(peer, "55")
	}
	if err := k.theirs.ConsumeLogs(client.NewContext(t.Context(), info), ld); err != nil {
		t.Fatal(err)
	}
	logs := k.got.AllLogs()
	want := logs[len(logs)-1].ResourceLogs().At(0).Resource().Attributes().AsRaw()
	k.got.Reset()

	if err := k.ours.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: body, Items: 1, Origin: origin}); err != nil {
		t.Fatal(err)
	}
	batches := k.sink.Batches()
	out, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(batches[len(batches)-1].Request)
	if err != nil {
		t.Fatal(err)
	}
	got := out.ResourceLogs().At(0).Resource().Attributes().AsRaw()
	for key, v := range want {
		if in, had := resource[key]; v == "" && (!had || in != "") {
			delete(want, key) // ours adds nothing that is empty
		}
	}
	if len(want) == len(resource) && len(got) > len(want) {
		return 0 // ours tries the next way where the first that could name a pod finds none
	}
	if want["k8s.cluster.uid"] == nil && want["k8s.pod.name"] != nil {
		delete(got, "k8s.cluster.uid") // contrib forgets it for pods that come before the namespaces
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("from %q, %v:\n%s", peer, resource, difference("", want, got))
	}
	return len(want)
}

var everyMetadata = []any{
	"k8s.namespace.name", "k8s.pod.name", "k8s.pod.uid", "k8s.pod.hostname", "k8s.pod.start_time", "k8s.pod.ip",
	"k8s.deployment.name", "k8s.deployment.uid", "k8s.replicaset.name", "k8s.replicaset.uid", "k8s.daemonset.name", "k8s.daemonset.uid",
	"k8s.statefulset.name", "k8s.statefulset.uid", "k8s.job.name", "k8s.job.uid", "k8s.cronjob.name", "k8s.cronjob.uid",
	"k8s.node.name", "k8s.node.uid", "k8s.cluster.uid", "k8s.container.name", "container.id", "container.image.name",
	"container.image.tag", "container.image.repo_digests",
	"service.namespace", "service.name", "service.version", "service.instance.id",
}

func field(kv ...string) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(kv); i += 2 {
		out[kv[i]] = kv[i+1]
	}
	return out
}

func ways(list ...[]string) []any {
	var out []any
	for _, names := range list {
		var sources []any
		for _, n := range names {
			if n == "connection" {
				sources = append(sources, field("from", "connection"))
				continue
			}
			sources = append(sources, field("from", "resource_attribute", "name", n))
		}
		out = append(out, map[string]any{"sources": sources})
	}
	return out
}

// TestKubernetesAttributes: every pod of a cluster, found in every way, has the attributes that contrib gives it.
func TestKubernetesAttributes(t *testing.T) {
	extract := map[string]any{
		"metadata": everyMetadata, "otel_annotations": true,
		"labels": []any{
			field("key", "app.kubernetes.io/name"), field("tag_name", "l.$1", "key_regex", "app.kubernetes.io/(.*)"),
			field("key_regex", "kubernetes.*", "from", "namespace"), field("tag_name", "zone", "key", "topology.kubernetes.io/zone", "from", "node"),
			field("key_regex", ".*", "from", "deployment"), field("key_regex", ".*", "from", "statefulset"), field("key_regex", ".*", "from", "daemonset"), field("key_regex", ".*", "from", "job"),
		},
		"annotations": []any{field("key_regex", "(prometheus.io)/(.*)", "tag_name", "a.$2"), field("key_regex", ".*", "from", "namespace"), field("key_regex", ".*", "from", "node")},
	}
	configs := map[string]map[string]any{
		"defaults":     {},
		"everything":   {"extract": extract, "pod_association": ways([]string{"k8s.pod.uid"}, []string{"k8s.pod.ip"}, []string{"container.id"}, []string{"k8s.pod.name", "k8s.namespace.name"}, []string{"connection"})},
		"two keys":     {"extract": map[string]any{"metadata": everyMetadata}, "pod_association": ways([]string{"k8s.pod.uid", "k8s.pod.ip"}, []string{"k8s.pod.name"}, []string{"host.name"})},
		"one node":     {"extract": extract, "filter": map[string]any{"node": "node-0001"}, "pod_association": ways([]string{"k8s.pod.uid"}, []string{"connection"})},
		"one of them":  {"filter": map[string]any{"namespace": "team-01"}, "pod_association": ways([]string{"k8s.pod.uid"}, []string{"connection"})},
		"only ready":   {"filter": map[string]any{"fields": []any{field("key", "status.phase", "value", "Running")}, "labels": []any{field("key", "app.kubernetes.io/name", "op", "exists")}}, "pod_association": ways([]string{"k8s.pod.uid"})},
		"by some name": {"extract": map[string]any{"metadata": []any{"service.name", "k8s.pod.name", "k8s.deployment.name"}}, "exclude": map[string]any{"pods": []any{field("name", "-0001-")}}, "pod_association": ways([]string{"k8s.pod.uid"})},
		"passthrough":  {"passthrough": true},
	}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			k := newKubernetes(t, odd(kubetest.Cluster(3, 30, 5)), config, &pipelinetest.Recorder{})
			attributes := 0
			for _, p := range k.cluster.Pods {
				uid, ip := string(p.UID), p.Status.PodIP
				k.compare(t, "", map[string]any{"k8s.pod.uid": uid})
				attributes += k.compare(t, "", map[string]any{"k8s.pod.uid": uid, "k8s.pod.ip": ip})
				if own := name != "one node" || p.Spec.NodeName == "node-0001"; own { // an agent fetches the namespaces of its own pods in time
					k.compare(t, "", map[string]any{"k8s.pod.name": p.Name, "k8s.namespace.name": p.Namespace})
				}
				if !p.Spec.HostNetwork && p.Status.Phase == corev1.PodRunning && ip != "" { // ended pods have lost their address
					k.compare(t, "", map[string]any{"k8s.pod.ip": ip})
					k.compare(t, "", map[string]any{"host.name": ip})
					if name != "one node" || p.Spec.NodeName == "node-0001" { // ours waits for what an agent does not know
						k.compare(t, ip, map[string]any{"a": "b"})
					}
				}
				for _, c := range p.Status.ContainerStatuses {
					k.compare(t, "", map[string]any{"k8s.pod.uid": uid, "k8s.container.name": c.Name})
					k.compare(t, "", map[string]any{"k8s.pod.uid": uid, "k8s.container.name": c.Name, "k8s.container.restart_count": fmt.Sprint(c.RestartCount), "service.name": "", "k8s.node.name": "mine"})
					k.compare(t, "", map[string]any{"k8s.pod.uid": uid, "container.id": strings.TrimPrefix(c.ContainerID, "containerd://")})
				}
			}
			if _, pass := config["passthrough"]; !pass && attributes < 5*len(k.cluster.Pods)/3 {
				t.Errorf("only %d attributes", attributes)
			}
			k.compare(t, "", map[string]any{"k8s.pod.uid": "unknown"})
			k.compare(t, "10.255.0.1", map[string]any{"k8s.namespace.name": "team-01", "k8s.node.name": "node-0001"})
			k.compare(t, "", map[string]any{})
		})
	}
}

// odd adds what people write.
func odd(c *clusters.Objects) *clusters.Objects {
	p := c.Pods[1]
	p.Annotations = map[string]string{"resource.opentelemetry.io/service.name": "mine", "resource.opentelemetry.io/a.b": "c", "resource.opentelemetry.io/": "x", "prometheus.io/port": "9"}
	p.Spec.Containers[0].Image = "registry.example:5000/team/web@sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"
	c.Pods[2].Spec.Containers[0].Image = "web:1.2@sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"
	c.Pods[3].Spec.Containers[0].Image = "not an image"
	c.Pods[4].Spec.Containers[0].Image = "nginx"
	for i := range 6 {
		c.Pods[i].Labels["app.kubernetes.io/version"] = ""
	}
	return c
}

// BenchmarkKubernetesAttributes is the cost per log of both processors, warm: requests of ten pods with ten logs each, as a tail makes
// them. What contrib's needs besides, decoding and encoding, is not in it; "copy" is, and has to be taken off.
func BenchmarkKubernetesAttributes(b *testing.B) {
	k := newKubernetes(b, kubetest.Cluster(3, 30, 5), map[string]any{
		"extract":         map[string]any{"metadata": everyMetadata, "labels": []any{field("tag_name", "l.$1", "key_regex", "app.kubernetes.io/(.*)"), field("key", "kubernetes.io/metadata.name", "from", "namespace")}},
		"pod_association": ways([]string{"k8s.pod.uid"}, []string{"k8s.pod.ip"}, []string{"connection"}),
	}, &pipelinetest.Counter{})
	const pods, each = 10, 10
	ld := plog.NewLogs()
	for _, p := range k.cluster.Pods[:pods] {
		rl := ld.ResourceLogs().AppendEmpty()
		a := rl.Resource().Attributes()
		a.PutStr("log.file.path", "/var/log/pods/"+p.Namespace+"_"+p.Name+"_"+string(p.UID)+"/web/0.log")
		a.PutStr("k8s.pod.uid", string(p.UID))
		a.PutStr("k8s.container.name", p.Spec.Containers[0].Name)
		a.PutStr("host.name", p.Spec.NodeName)
		for range each {
			l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
			l.Body().SetStr(strings.Repeat("a line of a log ", 12))
			l.Attributes().PutStr("log.iostream", "stdout")
		}
	}
	body, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		b.Fatal(err)
	}
	per := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(pods*each), "ns/log")
		b.ReportMetric(0, "ns/op")
	}
	copied := plog.NewLogs()
	b.Run("copy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ld.CopyTo(copied)
		}
		per(b)
	})
	b.Run("contrib", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ld.CopyTo(copied)
			if err := k.theirs.ConsumeLogs(b.Context(), copied); err != nil {
				b.Fatal(err)
			}
			k.got.Reset()
		}
		per(b)
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := k.ours.Consume(b.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: body, Items: pods * each}); err != nil {
				b.Fatal(err)
			}
		}
		per(b)
	})
}
