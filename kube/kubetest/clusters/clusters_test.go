package clusters_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluiceio/sluice/kube/kubetest/clusters"
)

func TestClustersAreTheSameEachTime(t *testing.T) {
	if !reflect.DeepEqual(clusters.New(4, 25, 10), clusters.New(4, 25, 10)) {
		t.Error("two clusters of one size differ")
	}
}

func TestClustersHoldTogether(t *testing.T) {
	c := clusters.New(20, 25, 40)
	if len(c.Nodes) != 20 || len(c.Pods) != 500 || len(c.Services) != 40 {
		t.Fatalf("%d nodes, %d pods, %d services", len(c.Nodes), len(c.Pods), len(c.Services))
	}
	known, uids, ips := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, o := range c.All() {
		m := o.(metav1.ObjectMetaAccessor).GetObjectMeta()
		uid := string(m.GetUID())
		if uid == "" || uids[uid] {
			t.Errorf("%T %s/%s: uid %q is none or another's", o, m.GetNamespace(), m.GetName(), uid)
		}
		uids[uid] = true
		for _, owner := range m.GetOwnerReferences() {
			if !uids[string(owner.UID)] {
				t.Errorf("%T %s/%s is owned by %s %s, which is not there before it", o, m.GetNamespace(), m.GetName(), owner.Kind, owner.Name)
			}
		}
	}
	owners := map[string]int{}
	for _, p := range c.Pods {
		key := p.Namespace + "/" + p.Name
		if known[key] {
			t.Errorf("two pods are %s", key)
		}
		known[key] = true
		if ip := p.Status.PodIP; !p.Spec.HostNetwork && ips[ip] {
			t.Errorf("two pods have %s", ip)
		} else if !p.Spec.HostNetwork {
			ips[ip] = true
		}
		kind := "none"
		if len(p.OwnerReferences) > 0 {
			kind = p.OwnerReferences[0].Kind
		}
		owners[kind]++
		for _, s := range p.Status.ContainerStatuses {
			if !strings.HasPrefix(s.ContainerID, "containerd://") || len(s.ContainerID) != len("containerd://")+64 || !strings.Contains(s.ImageID, "@sha256:") {
				t.Errorf("%s: %s %s", key, s.ContainerID, s.ImageID)
			}
		}
		if kind == "Node" && (p.Annotations["kubernetes.io/config.mirror"] == "" || p.Annotations["kubernetes.io/config.hash"] == string(p.UID) || !p.Spec.HostNetwork) {
			t.Errorf("%s is no mirror pod: %v", key, p.Annotations)
		}
	}
	for _, kind := range []string{"ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Node", "none"} {
		if owners[kind] == 0 {
			t.Errorf("no pod is owned by %s: %v", kind, owners)
		}
	}
	endpoints := 0
	for i, s := range c.Services {
		chosen := 0
		for _, p := range c.Pods {
			if p.Namespace == s.Namespace && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.Labels)) {
				chosen++
			}
		}
		if n := len(c.EndpointSlices[i].Endpoints); n != chosen || n == 0 {
			t.Errorf("%s chooses %d pods and has %d endpoints", s.Name, chosen, n)
		}
		endpoints += chosen
	}
	if endpoints != owners["ReplicaSet"] {
		t.Errorf("%d endpoints of %d pods", endpoints, owners["ReplicaSet"])
	}
	text, err := json.Marshal(c.PodsOn("node-0003")[10])
	if err != nil || len(text) < 4000 || len(text) > 10000 {
		t.Errorf("a pod has %d bytes, %v; in clusters it has 5 to 9 KB", len(text), err)
	}
	var back corev1.Pod
	if err := json.Unmarshal(text, &back); err != nil {
		t.Error(err)
	}
}

func TestSlicesHaveAHundredEndpoints(t *testing.T) {
	c := clusters.New(10, 50, 1)
	if len(c.EndpointSlices) < 2 || len(c.EndpointSlices[0].Endpoints) != 100 {
		t.Errorf("%d slices", len(c.EndpointSlices))
	}
}

// TestManyPodsHaveNamesOfTheirOwn: suffixes of five letters meet among thousands.
func TestManyPodsHaveNamesOfTheirOwn(t *testing.T) {
	names := map[string]bool{}
	for _, p := range clusters.New(1000, 5, 100).Pods {
		names[p.Namespace+"/"+p.Name] = true
	}
	if len(names) != 5000 {
		t.Errorf("5000 pods have %d names", len(names))
	}
}
