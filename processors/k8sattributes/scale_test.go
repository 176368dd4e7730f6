package k8sattributes

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestFiveHundredPods: on 20 nodes, all attributes are there within two seconds of the start, and again after every pod's label has changed, after
// 410 Gone, and after a restart of the API server.
func TestFiveHundredPods(t *testing.T) {
	w := &world{t: t, server: kubetest.New(t, kubetest.Options{}), cluster: kubetest.Cluster(20, 25, 50), out: &pipelinetest.Recorder{}}
	w.server.Put(w.cluster.All()...)
	const bar = 2 * time.Second
	complete := func(what, version string, begin time.Time) {
		bar := bar
		if what == "410 Gone" {
			bar += time.Second // client-go pauses for 0.8 to 1.6 s before it lists anew: 1.0 to 1.8 s in all on an idle machine
		}
		t.Helper()
		for _, p := range w.cluster.Pods {
			for {
				got := w.one(pipeline.Origin{}, map[string]any{"k8s.pod.uid": string(p.UID)})
				if got["k8s.pod.name"] == p.Name && got["ns"] == p.Namespace && (version == "" || got["version"] == version) {
					break
				}
				if time.Since(begin) > bar {
					t.Fatalf("%s: after %s %s has only %v", what, bar, p.Name, got)
				}
				time.Sleep(time.Millisecond)
			}
		}
		t.Logf("%s: %s", what, time.Since(begin))
	}
	change := func(version string) time.Time {
		for _, p := range w.cluster.Pods {
			p.Labels["version"] = version
			w.server.Put(p)
		}
		return time.Now()
	}
	begin := time.Now()
	w.start(`
extract:
  metadata: [k8s.pod.name]
  labels: [{key: version, tag_name: version}, {key: kubernetes.io/metadata.name, tag_name: ns, from: namespace}]`)
	complete("start", "", begin)
	complete("labels", "2", change("2"))
	w.server.CutWatches()
	w.server.Compact()
	complete("410 Gone", "3", change("3"))
	w.server.Restart(50 * time.Millisecond)
	complete("restart", "4", change("4"))
}

// said is a log that can be read while it is written.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.b.Write(p) }
func (s *said) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.b.String(), text)
}

// TestEachRight: without one of the rights, the log names its resource, and everything else is there.
func TestEachRight(t *testing.T) {
	rights := map[string]rbacv1.PolicyRule{
		"pods":             {APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"}},
		"namespaces":       {APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}},
		"nodes":            {APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list", "watch"}},
		"replicasets.apps": {APIGroups: []string{"apps"}, Resources: []string{"replicasets"}, Verbs: []string{"get"}},
		"deployments.apps": {APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"}},
	}
	needs := map[string]string{"pods": "k8s.pod.name", "namespaces": "ns", "nodes": "k8s.node.uid", "replicasets.apps": "k8s.deployment.uid", "deployments.apps": "d"}
	for missing := range rights {
		t.Run(missing, func(t *testing.T) {
			w := &world{t: t, server: kubetest.New(t, kubetest.Options{}), cluster: kubetest.Cluster(3, 30, 5), out: &pipelinetest.Recorder{}}
			w.server.Put(w.cluster.All()...)
			var rules []rbacv1.PolicyRule
			for name, rule := range rights {
				if name != missing {
					rules = append(rules, rule)
				}
			}
			w.server.Authorize(rules)
			log := &said{}
			c := pipelinetest.Decode(t, Default(), `
filter: {node: node-0001}
wait_for_metadata_timeout: 500ms
extract:
  metadata: [k8s.pod.name, k8s.node.uid, k8s.deployment.uid]
  labels: [{key: kubernetes.io/metadata.name, tag_name: ns, from: namespace}, {key: app.kubernetes.io/name, tag_name: d, from: deployment}]`)
			c.AuthType, c.KubeconfigFile = "kubeConfig", w.server.Kubeconfig(t)
			s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "k8s_attributes")
			s.Log = slog.New(slog.NewTextHandler(log, nil))
			made, err := New(s, c, w.out)
			if err != nil {
				t.Fatal(err)
			}
			w.Processor = made.(*Processor)
			if err := w.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = w.Stop(context.Background()) }()
			p := w.pod("ReplicaSet")
			in := map[string]any{"k8s.pod.uid": string(p.UID), "k8s.namespace.name": p.Namespace, "k8s.node.name": theNode}
			eventually(t, "the missing right is named", func() bool { w.one(pipeline.Origin{}, in); return log.has("resource=" + missing) })
			time.Sleep(50 * time.Millisecond) // a namespace that no pod has is fetched when it is asked for
			got := w.one(pipeline.Origin{}, in)
			for right, attribute := range needs {
				gone := right == missing || missing == "pods" && right != "nodes" && right != "namespaces" || missing == "replicasets.apps" && right == "deployments.apps"
				if have := got[attribute] != nil; have == gone {
					t.Errorf("without %s: %s is %v (%v)", missing, attribute, got[attribute], got)
				}
			}
		})
	}
}
