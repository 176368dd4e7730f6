package k8sattributes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluiceio/sluice/pipeline"
)

// another is a pod like p.
func another(p *corev1.Pod, name, uid, ip string) *corev1.Pod {
	q := p.DeepCopy()
	q.Name, q.UID, q.ResourceVersion = name, types.UID(uid), ""
	q.CreationTimestamp.Time = time.Now()
	now := q.CreationTimestamp
	q.Status.StartTime = &now
	q.Status.PodIP, q.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	for i := range q.Status.ContainerStatuses {
		q.Status.ContainerStatuses[i].ContainerID = fmt.Sprintf("containerd://%s-%d", uid, i)
	}
	return q
}

// TestReplacedWhileAway: a pod that was replaced by another one of its name while the watch was away is not found for ever.
func TestReplacedWhileAway(t *testing.T) {
	w := newWorld(t, agent)
	p := another(w.pod("ReplicaSet"), "web-0", "uid-1", "10.99.1.1")
	w.server.Put(p)
	eventually(t, "the first", func() bool {
		return w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": "uid-1"})["k8s.pod.name"] != nil
	})
	w.server.Stop()
	w.server.Delete(p)
	w.server.Put(another(p, "web-0", "uid-2", "10.99.1.2"))
	w.server.Compact()
	w.server.Start()
	eventually(t, "the second", func() bool {
		return w.one(pipeline.Origin{}, map[string]any{"k8s.namespace.name": p.Namespace, "k8s.pod.name": "web-0"})["k8s.pod.uid"] == "uid-2"
	})
	if e := w.index.ByUID("uid-1"); e == nil || !e.Deleted() {
		t.Error("the pod that is not there any more counts as there")
	}
}

// TestConnectionOfTheDead: whoever connects from the address of a deleted pod is not that pod, and waits for the one that is; so does the
// next one that gets the address.
func TestConnectionOfTheDead(t *testing.T) {
	w := newWorld(t, agent)
	mine := map[string]any{"service.name": "mine"}
	from := pipeline.Origin{Peer: "10.99.2.1:4"}
	for n := range 3 {
		p := another(w.pod("ReplicaSet"), fmt.Sprint("web-", n), fmt.Sprint("uid-", n), "10.99.2.1")
		time.AfterFunc(300*time.Millisecond, func() { w.server.Put(p) })
		w.want(w.one(from, mine), map[string]any{"k8s.pod.uid": fmt.Sprint("uid-", n)})
		w.server.Delete(p)
		eventually(t, "the deletion", func() bool { return w.index.ByUID(string(p.UID)).Deleted() })
		// What an agent read of it earlier is still its.
		w.want(w.one(pipeline.Origin{}, map[string]any{"k8s.pod.ip": "10.99.2.1"}), map[string]any{"k8s.pod.uid": fmt.Sprint("uid-", n)})
	}
}

// TestAddressOfThePod: a pod that is found by its resource does not get the address of whoever passed the resource on.
func TestAddressOfThePod(t *testing.T) {
	w := newWorld(t, agent)
	p := w.pod("ReplicaSet")
	from := pipeline.Origin{Peer: "10.99.3.1:4"} // of a proxy on another node
	w.want(w.one(from, map[string]any{"host.name": p.Status.PodIP}), map[string]any{"k8s.pod.uid": string(p.UID), "k8s.pod.ip": p.Status.PodIP})
	q := another(p, "proxy", "uid-proxy", "10.99.3.2")
	w.server.Put(q)
	eventually(t, "the proxy", func() bool { return w.index.ByUID("uid-proxy") != nil })
	from.Peer = "10.99.3.2:4"
	if got := w.one(from, map[string]any{"k8s.namespace.name": "else", "k8s.pod.name": "where"}); got["k8s.pod.ip"] != nil {
		t.Errorf("the resource is of another pod: %v", got)
	}
}

// TestManyUnknown: a file is not held longer because thousands of other pods are unknown too.
func TestManyUnknown(t *testing.T) {
	var u unknowns
	u.begin()
	u.since("mine")
	u.first["mine"] = time.Now().Add(-2 * goneAfter)
	for n := range 5 * mostUnknown {
		u.since(fmt.Sprint(n))
	}
	if !u.gone("mine") {
		t.Error("its clock began again")
	}
	if !u.gone("one too many") {
		t.Error("what is not remembered would be held for ever")
	}
	if len(u.first)+len(u.older) > 2*mostUnknown {
		t.Errorf("%d are remembered", len(u.first)+len(u.older))
	}
	u.turned = time.Now().Add(-time.Hour)
	u.since("new")
	if !u.gone("mine") {
		t.Error("its clock began again with the new generation")
	}
}

func running(w *world) {
	<-w.ready
	w.unknowns.mu.Lock()
	w.unknowns.ready = time.Now().Add(-time.Hour)
	w.unknowns.mu.Unlock()
}

// TestHoldSignals: items are counted as the signal has them, and a resource without any does not keep the rest.
func TestHoldSignals(t *testing.T) {
	w := newWorld(t, agent)
	running(w)
	late := map[string]any{"k8s.pod.uid": "uid-late", "log.file.path": "/a"}
	md := pmetric.NewMetrics()
	td := ptrace.NewTraces()
	items := 0
	for i, n := range []int{2, 3, 0, 4} {
		rm, rs := md.ResourceMetrics().AppendEmpty(), td.ResourceSpans().AppendEmpty()
		if i == 1 || i == 2 {
			a := late
			if i == 2 {
				a = map[string]any{"k8s.pod.uid": "uid-empty", "log.file.path": "/a"}
			}
			_ = rm.Resource().Attributes().FromRaw(a)
			_ = rs.Resource().Attributes().FromRaw(a)
		}
		sum := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		sum.SetName("m")
		points := sum.SetEmptyGauge().DataPoints()
		spans := rs.ScopeSpans().AppendEmpty().Spans()
		for range n {
			points.AppendEmpty().SetIntValue(1)
			spans.AppendEmpty().SetName("s")
			items++
		}
	}
	metrics, _ := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	traces, _ := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	for signal, request := range map[pipeline.Signal][]byte{pipeline.Metrics: metrics, pipeline.Traces: traces} {
		before := w.out.Items()
		a := pipeline.Read(w.Consume(t.Context(), pipeline.Batch{Signal: signal, Request: request, Items: items}), items)
		if want := (pipeline.Ranges{{From: 2, To: 5}}); !slices.Equal(a.Refused, want) || w.out.Items()-before != 6 {
			t.Errorf("%v: refused %v, %d went on; want %v and 6", signal, a.Refused, w.out.Items()-before, want)
		}
	}
	empty := map[string]any{"k8s.pod.uid": "uid-empty", "log.file.path": "/a"}
	nothing := pmetric.NewMetrics()
	_ = nothing.ResourceMetrics().AppendEmpty().Resource().Attributes().FromRaw(empty)
	b, _ := (&pmetric.ProtoMarshaler{}).MarshalMetrics(nothing)
	if err := w.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Metrics, Request: b}); err != nil {
		t.Errorf("a resource without items: %v", err)
	}
}

// TestHoldAndTheNext: what the next one refuses or rejects of the rest is said of the right items.
func TestHoldAndTheNext(t *testing.T) {
	w := newWorld(t, agent)
	running(w)
	known := func(n int) map[string]any {
		return map[string]any{"k8s.pod.uid": string(w.pod("ReplicaSet").UID), "log.file.path": fmt.Sprint("/k", n)}
	}
	late := func(n int) map[string]any {
		return map[string]any{"k8s.pod.uid": fmt.Sprint("late", n), "log.file.path": fmt.Sprint("/l", n)}
	}
	b := request(t, known(0), late(1), known(2), late(3), late(4), known(5), known(6))
	w.out.Answer = func(_ context.Context, b pipeline.Batch) error { // of 0 2 5 6: 2 is refused, 5 is rejected
		g := pipeline.NewGather(b.Items)
		g.Refuse(pipeline.Ranges{{From: 1, To: 2}}, pipeline.Refuse(3*time.Second, errors.New("full")))
		g.Reject(pipeline.Rejected{Ranges: pipeline.Ranges{{From: 2, To: 3}}, Err: errors.New("bad")})
		return g.Err()
	}
	a := pipeline.Read(w.Consume(t.Context(), b), b.Items)
	if want := (pipeline.Ranges{{From: 1, To: 5}}); !slices.Equal(a.Refused, want) {
		t.Errorf("refused %v, want %v", a.Refused, want)
	}
	if len(a.Rejected) != 1 || !slices.Equal(a.Rejected[0].Ranges, pipeline.Ranges{{From: 5, To: 6}}) {
		t.Errorf("rejected %+v, want 5", a.Rejected)
	}
}

// TestManyAtOnce: a thousand goroutines, while pods change, and a stop in the middle.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t, agent)
	running(w)
	p := w.pod("ReplicaSet")
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for n := range 1000 {
		all.Go(func() {
			b := request(t, map[string]any{"k8s.pod.ip": p.Status.PodIP, "n": int64(n % 20)})
			b.Origin.Peer = fmt.Sprintf("10.99.4.%d:1", n%250)
			for i := 0; i < 5 && ctx.Err() == nil; i++ {
				_ = w.Consume(ctx, b)
			}
		})
	}
	for n := range 20 {
		q := another(p, fmt.Sprint("p", n%5), fmt.Sprint("u", n), fmt.Sprintf("10.99.4.%d", n))
		w.server.Put(q)
		if n%2 == 0 {
			w.server.Delete(q)
		}
	}
	time.AfterFunc(100*time.Millisecond, cancel)
	begin := time.Now()
	all.Wait()
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it ended after %s", took)
	}
}
