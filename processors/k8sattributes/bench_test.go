package k8sattributes

import (
	"fmt"
	"testing"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// BenchmarkConsume is the cost per resource of ten: warm, by connection, and cold, when the pods have changed each time.
func BenchmarkConsume(b *testing.B) {
	server, cluster := kubetest.New(b, kubetest.Options{}), kubetest.Cluster(3, 30, 5)
	server.Put(cluster.All()...)
	c := pipelinetest.Decode(b, Default(), agent)
	c.AuthType, c.KubeconfigFile = "kubeConfig", server.Kubeconfig(b)
	s, _ := pipelinetest.Settings(b, pipeline.KindProcessor, "k8s_attributes")
	made, err := New(s, c, &pipelinetest.Counter{})
	if err != nil {
		b.Fatal(err)
	}
	p := made.(*Processor)
	if err := p.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = p.Stop(b.Context()) }()
	<-p.ready
	var resources []map[string]any
	pods := cluster.PodsOn(theNode)[:10]
	for i, pod := range pods {
		resources = append(resources, map[string]any{"k8s.pod.uid": string(pod.UID), "k8s.container.name": pod.Spec.Containers[0].Name, "host.name": theNode, "n": fmt.Sprint(i)})
	}
	batch := request(b, resources...)
	for name, origin := range map[string]pipeline.Origin{"warm": {}, "connection": {Peer: "10.64.1.12:34567"}, "cold": {}} {
		b.Run(name, func(b *testing.B) {
			batch.Origin = origin
			b.ReportAllocs()
			for b.Loop() {
				if name == "cold" {
					for _, pod := range pods {
						p.index.ByUID(string(pod.UID)).Touch()
					}
				}
				if err := p.Consume(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10, "ns/resource")
		})
	}
}
