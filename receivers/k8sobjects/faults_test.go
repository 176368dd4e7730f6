package k8sobjects

import (
	"testing"

	"github.com/sluiceio/sluice/kube/kubetest"
)

// TestGoneInSilence: of events the API server ends a watch from a forgotten version without any error, and ours neither waits for ever nor
// asks again and again. https://github.com/kubernetes/kubernetes/issues/104171
func TestGoneInSilence(t *testing.T) {
	r := newRig(t)
	r.server = kubetest.New(t, kubetest.Options{GoneSilently: true})
	rec := r.start(watchMaps)
	r.watching()
	r.server.Put(configMap("a", "1"))
	r.want("ADDED a")
	r.stop(rec)
	r.server.Put(configMap("b", "1"))
	r.server.Compact()
	r.server.ForgetRequests()
	rec = r.start(watchMaps)
	r.want("ADDED a", "ADDED b")
	r.server.Put(configMap("c", "1"))
	r.want("ADDED a", "ADDED b", "ADDED c")
	if n := len(r.server.Requests()); n > 20 {
		t.Errorf("%d requests", n)
	}
	r.stop(rec)
}
