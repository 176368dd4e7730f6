//go:build !race

package kube_test

import (
	"runtime"
	"testing"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/kubetest"
)

// TestMemoryOfPods: 10,000 pods, with their labels, annotations and containers, take at most 3 KB each for attributes, and 8 KB where
// discovery uses them too, or kube_state.
func TestMemoryOfPods(t *testing.T) {
	const pods = 10_000
	s := kubetest.New(t, kubetest.Options{})
	s.Put(kubetest.Cluster(1000, pods/1000, 500).All()...)
	path := s.Kubeconfig(t)
	heap := func() uint64 {
		var m runtime.MemStats
		for range 3 {
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for name, c := range map[string]struct {
		need kube.Need
		most uint64
	}{"attributes": {kube.Identity, 3 << 10}, "discovery too": {kube.Identity | kube.Targets, 8 << 10}, "state": {kube.State, 8 << 10}} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			u := use(t, path, "test", &words{})
			w := u.Reserve(kube.Want{Kind: kube.Pods, Need: c.need})
			start(t, u)
			index, err := w.Index()
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the pods are there", func() bool { return index.Synced() })
			n := 0
			index.Range(func(*kube.Entry) bool { n++; return true })
			if n < pods*9/10 {
				t.Fatalf("%d pods", n)
			}
			each := (heap() - before) / uint64(n)
			t.Logf("%d pods: %d B each", n, each)
			if each > c.most {
				t.Errorf("%d B a pod, more than %d", each, c.most)
			}
			runtime.KeepAlive(index)
		})
	}
}
