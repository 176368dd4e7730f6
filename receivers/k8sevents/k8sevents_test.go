package k8sevents

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

func event(n int) *corev1.Event {
	at := metav1.NewTime(time.Unix(1_700_000_000+int64(n), 0))
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("web.%d", n), UID: types.UID(fmt.Sprintf("u%d", n)), CreationTimestamp: at},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web", UID: "pod-1", APIVersion: "v1"},
		Reason:         "BackOff", Message: fmt.Sprint(n), Type: "Warning", Count: 1, LastTimestamp: at, Source: corev1.EventSource{Component: "kubelet", Host: "n1"},
	}
}

type rig struct {
	t      *testing.T
	server *kubetest.Server
	out    *pipelinetest.Recorder
	dir    string
}

func newRig(t *testing.T) *rig { return newRigOn(t, kubetest.Options{}) }

func newRigOn(t *testing.T, o kubetest.Options) *rig {
	return &rig{t, kubetest.New(t, o), &pipelinetest.Recorder{}, t.TempDir()}
}

// start starts a receiver; with elections, one of the replicas.
func (r *rig) start(yaml string) *Receiver {
	r.t.Helper()
	c := pipelinetest.Decode(r.t, Default(), yaml)
	kubeconfig := r.server.Kubeconfig(r.t)
	c.AuthType, c.KubeconfigFile = "kubeConfig", kubeconfig
	s, _ := pipelinetest.Settings(r.t, pipeline.KindReceiver, "k8s_events")
	s.DataDir = r.dir
	s.View.Config = &pipeline.Config{Service: pipeline.ServiceConfig{Elections: map[pipeline.ID]pipeline.Election{{Type: "k8s_leader_elector"}: {
		AuthType: "kubeConfig", KubeconfigFile: kubeconfig, LeaseNamespace: "sluice", LeaseName: "events",
		LeaseDuration: 2 * time.Second, RenewDeadline: time.Second, RetryPeriod: 50 * time.Millisecond,
	}}}}
	made, err := New(s, c, pipeline.OutputsTo(r.out, pipeline.Logs))
	if err != nil {
		r.t.Fatal(err)
	}
	rec := made.(*Receiver)
	if err := rec.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return rec
}

func (r *rig) stop(rec *Receiver) {
	if err := rec.Stop(context.Background()); err != nil {
		r.t.Error(err)
	}
}

// bodies are the messages that came out, in order.
func (r *rig) bodies() (out []string) {
	for _, b := range r.out.Batches() {
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b.Request)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, rl := range ld.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, l := range sl.LogRecords().All() {
					out = append(out, l.Body().AsString())
				}
			}
		}
	}
	return out
}

func (r *rig) put(from, to int) {
	for n := from; n < to; n++ {
		r.server.Put(event(n))
	}
}

// want waits until the messages 1 to n came, each once.
func (r *rig) want(n int) {
	r.t.Helper()
	var all []string
	for i := 1; i <= n; i++ {
		all = append(all, fmt.Sprint(i))
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := r.bodies()
		sorted := slices.Clone(got)
		slices.SortFunc(sorted, func(a, b string) int { return len(a)*1000 - len(b)*1000 + compare(a, b) })
		if slices.Equal(sorted, all) {
			return
		}
		if time.Now().After(end) || len(got) > n {
			r.t.Fatalf("got %v, want 1 to %d, each once", got, n)
		}
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (r *rig) watching() {
	r.t.Helper()
	for end := time.Now().Add(10 * time.Second); len(r.server.OpenWatches()) == 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatal("no watch is open")
		}
	}
}

// TestNoGapNoDouble: over cut watches, 410 Gone, an API server that restarts, and a restart of ours, each event comes once. What was
// before the first start does not come.
func TestNoGapNoDouble(t *testing.T) {
	r := newRig(t)
	r.server.Put(event(9999))
	rec := r.start("{}")
	r.watching()
	r.put(1, 4)
	r.want(3)
	r.server.CutWatches()
	r.put(4, 6)
	r.want(5)

	r.stop(rec)
	r.put(6, 8)
	rec = r.start("{}")
	r.want(7)

	r.stop(rec)
	r.put(8, 1500)
	r.server.Compact()
	rec = r.start("{}")
	r.want(1499)
	r.server.Restart(50 * time.Millisecond)
	r.put(1500, 1502)
	r.want(1501)
	changed := event(1501)
	changed.Count, changed.Message = 2, "1502" // the same event happened again
	r.server.Put(changed)
	r.want(1502)
	r.stop(rec)
}

// TestRecord has the Collector's names.
func TestRecord(t *testing.T) {
	r := newRig(t)
	rec := r.start("namespaces: [shop]")
	r.watching()
	r.put(1, 2)
	r.want(1)
	r.stop(rec)
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(r.out.Batches()[0].Request)
	if err != nil {
		t.Fatal(err)
	}
	rl := ld.ResourceLogs().At(0)
	l := rl.ScopeLogs().At(0).LogRecords().At(0)
	for k, want := range map[string]string{"k8s.object.kind": "Pod", "k8s.object.name": "web", "k8s.object.uid": "pod-1", "k8s.node.name": "n1", "k8s.object.api_version": "v1"} {
		if v, _ := rl.Resource().Attributes().Get(k); v.AsString() != want {
			t.Errorf("%s is %q, want %q", k, v.AsString(), want)
		}
	}
	for k, want := range map[string]string{"k8s.event.reason": "BackOff", "k8s.namespace.name": "shop", "k8s.event.count": "1", "k8s.event.uid": "u1", "k8s.event.name": "web.1"} {
		if v, _ := l.Attributes().Get(k); v.AsString() != want {
			t.Errorf("%s is %q, want %q", k, v.AsString(), want)
		}
	}
	if l.SeverityNumber() != plog.SeverityNumberWarn || l.SeverityText() != "Warning" || l.Timestamp().AsTime().Unix() != 1_700_000_001 {
		t.Errorf("%v %v %v", l.SeverityNumber(), l.SeverityText(), l.Timestamp())
	}
}

// TestLeaders: of two replicas one reads; when it stops, the other goes on where it was: each event comes once.
func TestLeaders(t *testing.T) {
	r := newRig(t)
	a := r.start("k8s_leader_elector: k8s_leader_elector")
	r.watching()
	r.put(1, 4)
	r.want(3)
	b := r.start("k8s_leader_elector: k8s_leader_elector")
	r.put(4, 6)
	r.want(5)
	r.stop(a)
	r.put(6, 9)
	r.want(8)
	r.stop(b)
	r.put(9, 11) // nobody reads
	c := r.start("k8s_leader_elector: k8s_leader_elector")
	r.want(10)
	r.stop(c)
}

// TestRefused: while the pipeline refuses, nothing is lost and nothing passes the place.
func TestRefused(t *testing.T) {
	r := newRig(t)
	var refuse atomic.Bool
	refuse.Store(true)
	r.out.Answer = func(context.Context, pipeline.Batch) error {
		if refuse.Load() {
			return pipeline.Refuse(time.Millisecond, fmt.Errorf("full"))
		}
		return nil
	}
	rec := r.start("{}")
	r.watching()
	r.put(1, 4)
	time.Sleep(2 * gather)
	r.stop(rec) // with what is not delivered
	r.put(4, 6)
	refuse.Store(false)
	rec = r.start("{}")
	r.want(5)
	r.stop(rec)
}

// TestRights: list and watch are enough; without watch the log says so, and it goes on once the right is there.
func TestRights(t *testing.T) {
	r := newRig(t)
	rule := func(verbs ...string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: verbs}}
	}
	r.server.Authorize(rule("list"))
	rec := r.start("{}")
	time.Sleep(200 * time.Millisecond)
	r.put(1, 2)
	r.server.Authorize(rule("list", "watch"))
	r.want(1)
	r.stop(rec)
}
