package kubetest_test

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/sluiceio/sluice/kube/kubetest"
)

// BenchmarkStreamingList is a list of 10,000 pods as protobuf, client included.
func BenchmarkStreamingList(b *testing.B) {
	s := kubetest.New(b, kubetest.Options{})
	s.Put(kubetest.Cluster(1000, 10, 500).All()...)
	c := client(b, s, runtime.ContentTypeProtobuf)
	yes := true
	for b.Loop() {
		w, err := c.CoreV1().Pods("").Watch(context.Background(), metav1.ListOptions{SendInitialEvents: &yes, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for e := range w.ResultChan() {
			if e.Type == watch.Bookmark {
				break
			}
			n++
		}
		w.Stop()
		if n != 10000 {
			b.Fatalf("%d pods", n)
		}
	}
}
