package k8sattributes

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/kube/kubetest/clusters"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// world is a cluster of three nodes, a processor that asks it, and what came out.
type world struct {
	t       *testing.T
	server  *kubetest.Server
	cluster *clusters.Objects
	*Processor
	out *pipelinetest.Recorder
}

const theNode = "node-0001"

func newWorld(t *testing.T, yaml string) *world {
	t.Helper()
	w := &world{t: t, server: kubetest.New(t, kubetest.Options{}), cluster: kubetest.Cluster(3, 30, 5), out: &pipelinetest.Recorder{}}
	w.server.Put(w.cluster.All()...)
	w.start(yaml)
	return w
}

func (w *world) start(yaml string) {
	w.t.Helper()
	c := pipelinetest.Decode(w.t, Default(), yaml)
	c.AuthType, c.KubeconfigFile = "kubeConfig", w.server.Kubeconfig(w.t)
	if err := c.Validate(); err != nil {
		w.t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(w.t, pipeline.KindProcessor, "k8s_attributes")
	s.Signal = pipeline.Logs
	made, err := New(s, c, w.out)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Processor = made.(*Processor)
	if err := w.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.Stop(context.Background()) })
}

func request(t testing.TB, resources ...map[string]any) pipeline.Batch {
	t.Helper()
	ld := plog.NewLogs()
	for _, attributes := range resources {
		r := ld.ResourceLogs().AppendEmpty()
		keys := slices.Sorted(maps.Keys(attributes))
		for _, k := range keys {
			v := r.Resource().Attributes().PutEmpty(k)
			if err := v.FromRaw(attributes[k]); err != nil {
				t.Fatal(err)
			}
		}
		r.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("x")
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: len(resources)}
}

// send passes resources through and returns their attributes.
func (w *world) send(from pipeline.Origin, resources ...map[string]any) (out []map[string]any) {
	w.t.Helper()
	b := request(w.t, resources...)
	b.Origin = from
	before := string(b.Request)
	if err := w.Consume(w.t.Context(), b); err != nil {
		w.t.Fatal(err)
	}
	if string(b.Request) != before {
		w.t.Fatal("the request of the caller was changed")
	}
	got := w.out.Batches()
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(got[len(got)-1].Request)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range ld.ResourceLogs().All() {
		out = append(out, r.Resource().Attributes().AsRaw())
	}
	return out
}

func (w *world) one(from pipeline.Origin, resource map[string]any) map[string]any {
	w.t.Helper()
	return w.send(from, resource)[0]
}

// pod is the first pod of the cluster on the node that an owner of the kind controls; "" for one without.
func (w *world) pod(kind string) *corev1.Pod {
	w.t.Helper()
	for _, p := range w.cluster.PodsOn(theNode) {
		owner := ""
		if len(p.OwnerReferences) > 0 {
			owner = p.OwnerReferences[0].Kind
		}
		if owner == kind && !p.Spec.HostNetwork && p.Status.Phase == corev1.PodRunning {
			return p
		}
	}
	w.t.Fatalf("the cluster has no pod of a %s", kind)
	return nil
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 10 s not yet: %s", what)
		}
	}
}

func (w *world) want(got map[string]any, want map[string]any) {
	w.t.Helper()
	for k, v := range want {
		if got[k] != v {
			w.t.Errorf("%s is %v, want %v (of %v)", k, got[k], v, got)
		}
	}
}

const agent = `
filter: {node: node-0001}
extract:
  metadata: [k8s.namespace.name, k8s.pod.name, k8s.pod.uid, k8s.pod.ip, k8s.node.name, k8s.deployment.name, k8s.deployment.uid, k8s.cronjob.name,
    k8s.daemonset.name, k8s.node.uid, k8s.cluster.uid, service.name, service.namespace, service.instance.id, container.id, container.image.name, container.image.tag]
  labels: [{key: kubernetes.io/metadata.name, tag_name: ns, from: namespace}, {key_regex: "app.kubernetes.io/(.*)", tag_name: "app.$1"}]
`

// TestWays: a pod is found by everything that names it, and has all attributes with the first record.
func TestWays(t *testing.T) {
	w := newWorld(t, agent)
	p := w.pod("ReplicaSet")
	c := p.Status.ContainerStatuses[0]
	id := strings.TrimPrefix(c.ContainerID, "containerd://")
	want := map[string]any{
		"k8s.pod.uid": string(p.UID), "k8s.pod.name": p.Name, "k8s.namespace.name": p.Namespace, "k8s.node.name": theNode, "ns": p.Namespace,
		"service.namespace": p.Namespace, "app.name": p.Labels["app.kubernetes.io/name"],
	}
	for name, in := range map[string]map[string]any{
		"uid":       {"k8s.pod.uid": string(p.UID)},
		"address":   {"k8s.pod.ip": p.Status.PodIP},
		"container": {"container.id": id},
		"name":      {"k8s.namespace.name": p.Namespace, "k8s.pod.name": p.Name},
		"host":      {"host.name": p.Status.PodIP},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.one(pipeline.Origin{}, in)
			w.want(got, want)
			if got["k8s.deployment.uid"] == nil || got["k8s.node.uid"] == nil || got["k8s.cluster.uid"] == nil {
				t.Errorf("an object that is fetched was not there in time: %v", got)
			}
		})
	}
	t.Run("connection", func(t *testing.T) {
		w.want(w.one(pipeline.Origin{Peer: p.Status.PodIP + ":41234"}, map[string]any{"service.name": "mine"}), want)
		if got := w.one(pipeline.Origin{Peer: p.Status.PodIP + ":41234", Relayed: true}, map[string]any{"service.name": "mine"}); got["k8s.pod.uid"] != nil {
			t.Errorf("an agent's address was taken for the pod's: %v", got)
		}
	})
	t.Run("contradiction", func(t *testing.T) {
		got := w.one(pipeline.Origin{Peer: p.Status.PodIP + ":41234"}, map[string]any{"k8s.namespace.name": "elsewhere", "k8s.pod.name": "other"})
		if got["k8s.pod.uid"] != nil {
			t.Errorf("the resource names another pod: %v", got)
		}
	})
}

// TestStaticPod: the uid in the paths of a static pod's logs is not the mirror pod's.
func TestStaticPod(t *testing.T) {
	w := newWorld(t, agent)
	for _, p := range w.cluster.PodsOn(theNode) {
		if hash := p.Annotations["kubernetes.io/config.hash"]; hash != "" {
			got := w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": hash, "k8s.pod.name": p.Name, "k8s.namespace.name": p.Namespace})
			w.want(got, map[string]any{"k8s.pod.uid": hash, "k8s.node.name": theNode})
			return
		}
	}
	t.Fatal("the cluster has no static pod")
}

// TestFollows: what was computed never outlives a change of the pod, or of its address.
func TestFollows(t *testing.T) {
	w := newWorld(t, agent)
	p := w.pod("ReplicaSet").DeepCopy()
	in := map[string]any{"k8s.pod.ip": p.Status.PodIP}
	w.want(w.one(pipeline.Origin{}, in), map[string]any{"k8s.pod.uid": string(p.UID)})

	p.Labels["app.kubernetes.io/version"] = "9"
	w.server.Put(p)
	eventually(t, "the new label", func() bool { return w.one(pipeline.Origin{}, in)["app.version"] == "9" })

	w.server.Delete(p)
	q := p.DeepCopy()
	q.Name, q.UID, q.ResourceVersion = "later", "uid-later", ""
	w.server.Put(q)
	eventually(t, "the pod that has the address now", func() bool { return w.one(pipeline.Origin{}, in)["k8s.pod.uid"] == "uid-later" })
	w.want(w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": string(p.UID)}), map[string]any{"k8s.pod.name": p.Name})

	w.server.CutWatches()
	w.server.Compact()
	q.Labels["app.kubernetes.io/version"] = "10"
	w.server.Put(q)
	eventually(t, "a label after 410 Gone", func() bool { return w.one(pipeline.Origin{}, in)["app.version"] == "10" })
}

// TestPushedWaits: a request of a pod that was made a moment ago waits for the watch, and the next one of a pod that never comes
// does not wait again. A file's lines never wait here.
func TestPushedWaits(t *testing.T) {
	w := newWorld(t, agent)
	p := w.pod("ReplicaSet").DeepCopy()
	p.Name, p.UID, p.ResourceVersion, p.Status.PodIP = "new", "uid-new", "", "10.99.0.1"
	p.Status.PodIPs = []corev1.PodIP{{IP: "10.99.0.1"}}
	time.AfterFunc(200*time.Millisecond, func() { w.server.Put(p) })
	pushed := pipeline.Origin{Peer: "10.99.0.1:5"}
	w.want(w.one(pushed, map[string]any{"service.name": "mine"}), map[string]any{"k8s.pod.uid": "uid-new"})

	begin := time.Now()
	for range 3 {
		w.one(pipeline.Origin{Peer: "10.99.0.2:5"}, map[string]any{"service.name": "mine"})
	}
	if took := time.Since(begin); took < waitForPod || took > 2*waitForPod {
		t.Errorf("three requests of an unknown pod took %s, want %s", took, waitForPod)
	}
}

// TestFilesWait: the lines of an unknown pod stay in their file, those of other files in the request go on, and it is not for ever.
func TestFilesWait(t *testing.T) {
	w := newWorld(t, agent)
	p := w.pod("ReplicaSet")
	<-w.ready
	w.unknowns.ready = time.Now().Add(-time.Hour) // it runs for long
	unknown := map[string]any{"k8s.pod.uid": "uid-new", "log.file.path": "/var/log/pods/a/b/0.log"}
	known := map[string]any{"k8s.pod.uid": string(p.UID), "log.file.path": "/var/log/pods/c/d/0.log"}
	b := request(t, known, unknown, known)
	begin := time.Now()
	a := pipeline.Read(w.Consume(t.Context(), b), b.Items)
	if took := time.Since(begin); took > waitForPod/2 {
		t.Errorf("the request waited %s", took)
	}
	if want := (pipeline.Ranges{{From: 1, To: 2}}); !slices.Equal(a.Refused, want) || a.Refusal.After != askAgain || w.out.Items() != 2 {
		t.Errorf("refused %v, %d went on; want %v and 2", a.Refused, w.out.Items(), want)
	}
	if a := pipeline.Read(w.Consume(t.Context(), request(t, unknown)), 1); a.Refused.Len() != 1 || w.out.Items() != 2 {
		t.Errorf("a request of the unknown pod alone: %+v", a)
	}
	q := p.DeepCopy()
	q.Name, q.UID, q.ResourceVersion = "new", "uid-new", ""
	w.server.Put(q)
	eventually(t, "the pod is known", func() bool { return w.Consume(t.Context(), request(t, unknown)) == nil })

	never := map[string]any{"k8s.pod.uid": "never", "log.file.path": "/var/log/pods/e/f/0.log"}
	if w.Consume(t.Context(), request(t, never)) == nil {
		t.Error("the lines of a pod that may still come went on")
	}
	for key := range w.unknowns.first {
		w.unknowns.first[key] = time.Now().Add(-goneAfter - time.Second)
	}
	if err := w.Consume(t.Context(), request(t, never)); err != nil {
		t.Errorf("after %s: %v", goneAfter, err)
	}
}

// TestKeeps: what a resource says of itself stays, an empty value does not count, and everything else of it is copied.
func TestKeeps(t *testing.T) {
	w := newWorld(t, agent)
	p := w.pod("ReplicaSet")
	got := w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": string(p.UID), "service.name": "mine", "k8s.node.name": "", "other": int64(7)})
	w.want(got, map[string]any{"service.name": "mine", "k8s.node.name": theNode, "other": int64(7)})
	got = w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": string(p.UID), "service.name": "web", "k8s.container.name": "web", "log.file.path": "/x"})
	if got["service.name"] == "web" {
		t.Error("the tail's name for want of a better one stayed")
	}
}

// TestExcluded: nothing of a pod that asks for it.
func TestExcluded(t *testing.T) {
	w := newWorld(t, agent+"exclude: {pods: [{name: ^nobody$}]}\n")
	p := w.pod("ReplicaSet").DeepCopy()
	p.Annotations = map[string]string{ignoreAnnotation: "true"}
	w.server.Put(p)
	eventually(t, "the pod is excluded", func() bool {
		return len(w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": string(p.UID)})) == 1
	})
}

// TestPassthrough asks nothing of the API server.
func TestPassthrough(t *testing.T) {
	w := newWorld(t, "passthrough: true")
	w.want(w.one(pipeline.Origin{Peer: "10.1.2.3:99"}, map[string]any{"a": "b"}), map[string]any{"k8s.pod.ip": "10.1.2.3", "a": "b"})
	if n := len(w.server.Requests()); n != 0 {
		t.Errorf("%d requests to the API server", n)
	}
}

// TestWithoutServer: the start does not fail; batches wait for the first list, and not for ever.
func TestWithoutServer(t *testing.T) {
	w := &world{t: t, server: kubetest.New(t, kubetest.Options{}), cluster: kubetest.Cluster(3, 30, 5), out: &pipelinetest.Recorder{}}
	w.server.Put(w.cluster.All()...)
	w.server.Authorize([]rbacv1.PolicyRule{})
	w.start(agent + "wait_for_metadata_timeout: 300ms\n")
	p := w.pod("ReplicaSet")
	begin := time.Now()
	if got := w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": string(p.UID)}); len(got) != 1 {
		t.Errorf("from where? %v", got)
	}
	if took := time.Since(begin); took < 200*time.Millisecond || took > 5*time.Second {
		t.Errorf("the first batch waited %s, want 300ms", took)
	}
	w.server.Authorize([]rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}})
	eventually(t, "attributes, once the right is there", func() bool {
		return w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": string(p.UID)})["k8s.pod.name"] == p.Name
	})
}

// TestAgentAsksLittle: an agent watches its pods and its node; everything else is fetched by name.
func TestAgentAsksLittle(t *testing.T) {
	w := newWorld(t, agent)
	w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": "x"})
	for _, r := range w.server.Requests() {
		if (r.Verb == "list" || r.Verb == "watch") && r.Resource != "pods" && r.Resource != "nodes" {
			t.Errorf("%+v", r)
		}
	}
}
