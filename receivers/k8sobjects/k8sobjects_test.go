package k8sobjects

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type rig struct {
	t      *testing.T
	server *kubetest.Server
	out    *pipelinetest.Recorder
	dir    string
	log    words
}

type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) { w.mu.Lock(); defer w.mu.Unlock(); return w.b.Write(p) }
func (w *words) String() string              { w.mu.Lock(); defer w.mu.Unlock(); return w.b.String() }

func newRig(t *testing.T) *rig {
	return &rig{t: t, server: kubetest.New(t, kubetest.Options{}), out: &pipelinetest.Recorder{}, dir: t.TempDir()}
}

func (r *rig) start(yaml string) *Receiver {
	r.t.Helper()
	c := pipelinetest.Decode(r.t, Default(), yaml)
	c.AuthType, c.KubeconfigFile = "kubeConfig", r.server.Kubeconfig(r.t)
	if err := c.Validate(); err != nil {
		r.t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(r.t, pipeline.KindReceiver, "k8sobjects")
	s.DataDir, s.Metrics, s.Log = r.dir, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(&r.log, nil))
	s.View.Config = &pipeline.Config{Service: pipeline.ServiceConfig{Elections: map[pipeline.ID]pipeline.Election{{Type: "k8s_leader_elector"}: {
		AuthType: "kubeConfig", KubeconfigFile: c.KubeconfigFile, LeaseNamespace: "sluice", LeaseName: "objects",
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
	r.t.Helper()
	if err := rec.Stop(context.Background()); err != nil {
		r.t.Error(err)
	}
}

// got is a record that came.
type got struct {
	namespace, resource string
	body                map[string]any
	attributes          map[string]any
}

// change is "ADDED web" of a change, and the name of a pulled object.
func (g got) change() string {
	o := g.body
	kind, _ := o["type"].(string)
	if kind != "" {
		o = o["object"].(map[string]any)
	}
	return strings.TrimSpace(kind + " " + o["metadata"].(map[string]any)["name"].(string))
}

func (r *rig) all() (out []got) {
	r.t.Helper()
	for _, b := range r.out.Batches() {
		if checked, info, err := wire.Check(pipeline.Logs, b.Request, wire.Limits{}); err != nil || info.Items != b.Items || len(checked) != len(b.Request) {
			r.t.Fatalf("%v, %d items of %d", err, info.Items, b.Items)
		}
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b.Request)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, rl := range ld.ResourceLogs().All() {
			namespace, _ := rl.Resource().Attributes().Get("k8s.namespace.name")
			for _, sl := range rl.ScopeLogs().All() {
				for _, l := range sl.LogRecords().All() {
					resource, _ := l.Attributes().Get("k8s.resource.name")
					out = append(out, got{namespace.Str(), resource.Str(), l.Body().Map().AsRaw(), l.Attributes().AsRaw()})
				}
			}
		}
	}
	return out
}

func (r *rig) changes() (out []string) {
	for _, g := range r.all() {
		out = append(out, g.change())
	}
	return out
}

// want waits until exactly these changes came, in this order.
func (r *rig) want(changes ...string) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := r.changes()
		if slices.Equal(got, changes) {
			return
		}
		if time.Now().After(end) || len(got) > len(changes) {
			r.t.Fatalf("got %q, want %q", got, changes)
		}
	}
}

func (r *rig) watching() {
	r.t.Helper()
	for end := time.Now().Add(10 * time.Second); len(r.server.OpenWatches()) == 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatal("no watch is open")
		}
	}
}

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}, Data: map[string]string{"v": value}}
}

const watchMaps = "objects: [{name: configmaps, mode: watch}]"

// TestABodyIsTheObject: as the API server has it, with kind and version, in pull and in watch mode.
func TestABodyIsTheObject(t *testing.T) {
	r := newRig(t)
	pod := kubetest.Cluster(1, 4, 1).Pods[0]
	r.server.Put(pod)
	have := r.server.Get(pod)
	want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(have)
	if err != nil {
		t.Fatal(err)
	}
	gvks, _, _ := scheme.Scheme.ObjectKinds(have)
	want["kind"], want["apiVersion"] = gvks[0].Kind, "v1"
	for _, mode := range []string{"pull", "watch"} {
		r.out = &pipelinetest.Recorder{}
		r.dir = t.TempDir()
		rec := r.start("include_initial_state: true\nobjects: [{name: pods, mode: " + mode + "}]")
		change := pod.Name
		if mode == "watch" {
			change = "ADDED " + change
		}
		r.want(change)
		r.stop(rec)
		g := r.all()[0]
		body := g.body
		if mode == "watch" {
			body = body["object"].(map[string]any)
			if g.attributes["event.name"] != pod.Name || g.attributes["event.domain"] != "k8s" {
				t.Errorf("the attributes are %v", g.attributes)
			}
		}
		if g.namespace != pod.Namespace || g.resource != "pods" {
			t.Errorf("%s of %s", g.resource, g.namespace)
		}
		if !reflect.DeepEqual(normal(body), normal(want)) {
			t.Errorf("%s: got\n%v\nwant\n%v", mode, body, want)
		}
	}
}

// normal is a value as text in which nil and what is not there are the same, and the keys are sorted.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e != nil {
				out[k] = normal(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = normal(v[i])
		}
		return out
	}
	return fmt.Sprint(v)
}

// TestNoGapNoDouble: over cut watches, 410 Gone, an API server that restarts, and a restart of ours, each change comes once.
func TestNoGapNoDouble(t *testing.T) {
	r := newRig(t)
	r.server.Put(configMap("before", ""))
	rec := r.start(watchMaps)
	r.watching()
	r.server.Put(configMap("a", "1"))
	r.server.Put(configMap("a", "2"))
	r.server.Delete(configMap("before", ""))
	want := []string{"ADDED a", "MODIFIED a", "DELETED before"}
	r.want(want...)

	r.server.CutWatches()
	r.server.Put(configMap("b", "1"))
	want = append(want, "ADDED b")
	r.want(want...)

	r.stop(rec)
	r.server.Put(configMap("b", "2"))
	rec = r.start(watchMaps)
	want = append(want, "MODIFIED b")
	r.want(want...)

	// The version that was reached is gone: what is newer comes as added.
	r.stop(rec)
	r.server.Put(configMap("c", "1"), configMap("d", "1"))
	r.server.Compact()
	rec = r.start(watchMaps)
	want = append(want, "ADDED c", "ADDED d")
	r.want(want...)

	r.server.Restart(50 * time.Millisecond)
	r.server.Put(configMap("c", "2"))
	want = append(want, "MODIFIED c")
	r.want(want...)
	r.stop(rec)
}

// TestPositionsDamaged: whatever the file holds, what comes from now on is read, each change once.
func TestPositionsDamaged(t *testing.T) {
	for name, version := range map[string]string{"of another cluster": "99999999999", "no version": "abc", "huge": "99999999999999999999999"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			rec := r.start(watchMaps)
			r.watching()
			r.stop(rec)
			path, positions := filepath.Join(r.dir, "positions.json"), map[string]string{}
			text, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(text, &positions)
			}
			if err != nil || len(positions) != 1 {
				t.Fatal(positions, err)
			}
			for key := range positions {
				positions[key] = version
			}
			text, _ = json.Marshal(positions)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			rec = r.start(watchMaps)
			r.watching()
			time.Sleep(50 * time.Millisecond)
			r.server.Put(configMap("a", "1"))
			r.want("ADDED a")
			r.stop(rec)
		})
	}
}

// TestWhileThePipelineRefuses nothing is lost, and nothing comes twice.
func TestWhileThePipelineRefuses(t *testing.T) {
	r := newRig(t)
	var away atomic.Bool
	r.out.Answer = func(context.Context, pipeline.Batch) error {
		if away.Load() {
			return pipeline.Refuse(0, errors.New("away"))
		}
		return nil
	}
	rec := r.start(watchMaps)
	r.watching()
	away.Store(true)
	for i := range 10 {
		r.server.Put(configMap(fmt.Sprint(i), ""))
	}
	time.Sleep(3 * gather)
	r.stop(rec)
	away.Store(false)
	rec = r.start(watchMaps)
	var want []string
	for i := range 10 {
		want = append(want, "ADDED "+fmt.Sprint(i))
	}
	r.want(want...)
	r.stop(rec)
}

// TestAChangeOfTheLeader: each change comes once, and the next leader waits for the interval of the last pull.
func TestAChangeOfTheLeader(t *testing.T) {
	r := newRig(t)
	const config = "k8s_leader_elector: k8s_leader_elector\nobjects: [{name: configmaps, mode: watch}, {name: nodes, interval: 1h}]"
	r.server.Put(kubetest.Cluster(1, 0, 0).Nodes[0])
	first := r.start(config)
	r.watching()
	r.want("node-0000")
	r.server.Put(configMap("a", "1"))
	r.want("node-0000", "ADDED a")
	r.stop(first)
	r.server.Put(configMap("a", "2"))
	second := r.start(config)
	r.want("node-0000", "ADDED a", "MODIFIED a")
	r.server.Put(configMap("a", "3"))
	r.want("node-0000", "ADDED a", "MODIFIED a", "MODIFIED a")
	r.stop(second)
}

// TestSelection: by label, namespace, group and type of change; and a pull comes again.
func TestSelection(t *testing.T) {
	r := newRig(t)
	rec := r.start(`objects:
- {name: configmaps, mode: watch, namespaces: [shop], label_selector: "tier in (front)", exclude_watch_type: [DELETED]}
- {name: events, group: events.k8s.io, mode: watch}`)
	for len(r.server.OpenWatches()) < 2 {
		time.Sleep(5 * time.Millisecond)
	}
	front, other := configMap("front", "1"), configMap("other", "1")
	front.Labels = map[string]string{"tier": "front"}
	elsewhere := front.DeepCopy()
	elsewhere.Namespace = "else"
	r.server.Put(other, elsewhere, front)
	r.server.Delete(front)
	r.server.Put(other, front)
	r.want("ADDED front", "ADDED front")
	r.stop(rec)

	r = newRig(t)
	r.server.Put(configMap("a", "1"), configMap("b", "1"))
	rec = r.start("objects: [{name: configmaps, interval: 1s}]")
	r.want("a", "b", "a", "b")
	r.stop(rec)
}

// TestRights are those of the README: without one the log names it, and the other objects come.
func TestRights(t *testing.T) {
	r := newRig(t)
	r.server.Put(configMap("a", "1"))
	r.server.Authorize([]rbacv1.PolicyRule{{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"configmaps"}}})
	rec := r.start("objects: [{name: configmaps}, {name: nodes}, {name: wheels}]")
	r.want("a")
	for end := time.Now().Add(10 * time.Second); strings.Count(r.log.String(), "level=WARN") < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log says %s", r.log.String())
		}
	}
	r.stop(rec)
	for _, want := range []string{"no right to read objects", "resource=nodes", `has no resource \"wheels\"`} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, r.log.String())
		}
	}
}

func TestFaults(t *testing.T) {
	c := pipelinetest.Decode(t, Default(), `
error_mode: loud
objects:
- {mode: poll, interval: 1ms, label_selector: "=", field_selector: "a", namespaces: [""]}
- {name: pods, exclude_watch_type: [GONE], resource_version: "5"}
- {name: pods}
- {name: pods}`)
	err := c.Validate()
	for _, want := range []string{`"error_mode"`, `"objects[0]::name"`, `"objects[0]::mode"`, `"objects[0]::interval"`, `"objects[0]::label_selector"`, `"objects[0]::field_selector"`,
		`"objects[0]::namespaces"`, `"objects[1]::exclude_watch_type"`, `"objects[1]::resource_version"`, `has "GONE"`, `"objects[3]" is the same as "objects[2]"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if Default().Validate() == nil {
		t.Error("no objects are no fault")
	}
}

// TestDeep: what is too deep for OTLP is text, and the rest of the object as it is.
func TestDeep(t *testing.T) {
	object := strings.Repeat(`{"a":`, 40) + `{"b":[1,"x"]}` + strings.Repeat("}", 40)
	req := newWriter("1").request([]record{{change: "ADDED", object: []byte(object)}}, "pods", time.Unix(1, 0))
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(req)
	if err != nil {
		t.Fatal(err)
	}
	v := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Map().AsRaw()["object"]
	depth := 0
	for m, is := v.(map[string]any); is; m, is = v.(map[string]any) {
		v = m["a"]
		depth++
	}
	if want := strings.Repeat(`{"a":`, 40-depth) + `{"b":[1,"x"]}` + strings.Repeat("}", 40-depth); v != want || depth != deepest+1 {
		t.Errorf("%d maps, and then %v", depth, v)
	}
}

// FuzzObject: whatever is JSON becomes a valid record.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,-2.5,1e400,null,{"b":"\ud800"}],"c":{"d":true}}`, `[1]`, `5`, `{"a":`, strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200),
		strings.Repeat(`{"a":[`, 14) + `{"a":{"b":{"c":[5,{"d":null}]}}}` + strings.Repeat("]}", 14)} {
		f.Add([]byte(s))
	}
	w := newWriter("1")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, change := range []string{"", "ADDED"} {
			req := w.request([]record{{change: change, object: b, kind: "K"}}, "pods", time.Unix(1, 0))
			if _, info, err := wire.Check(pipeline.Logs, req, wire.Limits{}); err != nil || info.Items != 1 || info.RepairedStrings != 0 {
				t.Errorf("%q: %v", b, err)
			}
		}
	})
}
