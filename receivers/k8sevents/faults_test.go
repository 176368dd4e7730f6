package k8sevents

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestGoneInSilence: for events the API server ends a watch from a forgotten version without any error, and ours neither waits for ever
// nor asks again and again. https://github.com/kubernetes/kubernetes/issues/104171
func TestGoneInSilence(t *testing.T) {
	r := newRigOn(t, kubetest.Options{GoneSilently: true})
	rec := r.start("{}")
	r.watching()
	r.put(1, 4)
	r.want(3)
	r.stop(rec)
	r.put(4, 20)
	r.server.Compact()
	r.server.ForgetRequests()
	rec = r.start("{}")
	r.want(19)
	r.put(20, 22)
	r.want(21)
	if n := len(r.server.Requests()); n > 20 {
		t.Errorf("%d requests", n)
	}
	r.stop(rec)
}

// TestPositionsDamaged: whatever the file holds, what comes from now on is read, each event once.
func TestPositionsDamaged(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "cut": `{"":"1`, "null": "null", "a list": "[]", "no version": `{"":"abc"}`, "of another cluster": `{"":"99999999999"}`,
		"negative": `{"":"-5"}`, "huge": `{"":"99999999999999999999999"}`, "a number": `{"":5}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.Put(event(9999))
			if err := os.WriteFile(filepath.Join(r.dir, "positions.json"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			rec := r.start("{}")
			r.watching()
			time.Sleep(50 * time.Millisecond)
			r.put(1, 4)
			r.want(3)
			r.stop(rec)
			r.put(4, 6)
			rec = r.start("{}")
			r.want(5)
			r.stop(rec)
		})
	}
}

// TestRandomCuts: over random cuts, restarts of ours, compactions and bookmarks each event comes once.
func TestRandomCuts(t *testing.T) {
	r := newRig(t)
	rec := r.start("{}")
	r.watching()
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	n := 1
	for range 40 {
		some := rnd.IntN(40)
		r.put(n, n+some)
		n += some
		switch rnd.IntN(6) {
		case 0:
			r.server.CutWatches()
		case 1:
			r.server.Compact()
		case 2:
			r.stop(rec)
			rec = r.start("{}")
		case 3:
			r.server.SendBookmarks()
		case 4:
			r.server.CutWatches()
			r.server.Compact()
		}
	}
	r.want(n - 1)
	r.stop(rec)
}

// TestNamespaces: one that stands twice would be read twice.
func TestNamespaces(t *testing.T) {
	for yaml, want := range map[string]string{
		"namespaces: [shop, shop]": `"namespaces[1]" is "shop" again`,
		"namespaces: ['']":         `"namespaces[0]" is empty`,
	} {
		if err := pipelinetest.Decode(t, Default(), yaml).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", yaml, err, want)
		}
	}
}

// TestLeaseFaults: a leader whose Lease cannot be written for a moment, or for so long that it steps down, reads each event
// once.
func TestLeaseFaults(t *testing.T) {
	r := newRig(t)
	a := r.start("k8s_leader_elector: k8s_leader_elector")
	r.watching()
	n := 1
	for _, down := range []time.Duration{500 * time.Millisecond, 2500 * time.Millisecond, 100 * time.Millisecond} {
		remove := r.server.Inject(kubetest.Fault{Verb: "update", Resource: "leases.coordination.k8s.io", Code: 500})
		r.put(n, n+5) // delivered, and not noted in the Lease
		r.want(n + 4)
		time.Sleep(down)
		r.put(n+5, n+10)
		remove()
		r.want(n + 9)
		n += 10
	}
	r.stop(a)
	r.put(n, n+3)
	b := r.start("k8s_leader_elector: k8s_leader_elector")
	r.want(n + 2)
	r.stop(b)
}
