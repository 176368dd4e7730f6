package kube

import (
	"math/rand/v2"
	"testing"
	"time"
)

func bareIndex() *Index {
	return &Index{
		uids: map[string]*Entry{}, hashes: map[string]*Entry{}, ips: map[string]*Entry{}, ids: map[string]*Entry{}, names: map[string]*Entry{},
		changed: make(chan struct{}),
	}
}

// owner is the uid of an entry's pod, or empty.
func owner(e *Entry) string {
	if e == nil {
		return ""
	}
	return e.Pod().UID
}

// TestIndexMovesKeys: whatever the order of what the watch says, an address and a name are those of the pod that has them now, and what was
// computed from another one is stale.
func TestIndexMovesKeys(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	a := &Pod{Namespace: "shop", Name: "web-0", UID: "a", IPs: []string{"10.0.0.1"}, Created: start, Started: start}
	b := &Pod{Namespace: "shop", Name: "web-1", UID: "b", IPs: []string{"10.0.0.1"}, Created: start.Add(time.Minute), Started: start.Add(time.Minute)}
	again := &Pod{Namespace: "shop", Name: "web-0", UID: "c", IPs: []string{"10.0.0.3"}, Created: start.Add(time.Hour), Started: start.Add(time.Hour)}

	t.Run("the old one is heard of last", func(t *testing.T) {
		i := bareIndex()
		i.put(a)
		i.put(b)
		changed := *a
		changed.Labels = map[string]string{"x": "y"}
		i.put(&changed) // still with its address: the kubelet has not told that it ended
		if got := owner(i.ByIP("10.0.0.1")); got != "b" {
			t.Errorf("the address is %q's, want b's", got)
		}
		i.remove(&changed)
		if got := owner(i.ByIP("10.0.0.1")); got != "b" {
			t.Errorf("after the deletion the address is %q's, want b's", got)
		}
	})
	t.Run("a list in any order", func(t *testing.T) {
		i := bareIndex()
		i.put(b)
		i.put(a)
		if got := owner(i.ByIP("10.0.0.1")); got != "b" {
			t.Errorf("the address is %q's, want b's", got)
		}
		i.put(again)
		i.put(a)
		if got := owner(i.ByName("shop", "web-0")); got != "c" {
			t.Errorf("the name is %q's, want c's", got)
		}
	})
	t.Run("an older one gets its address back", func(t *testing.T) {
		i := bareIndex()
		i.put(a)
		i.put(b)
		ended := *b
		ended.Ended = true
		i.put(&ended)
		i.put(a)
		if got := owner(i.ByIP("10.0.0.1")); got != "a" {
			t.Errorf("the address is %q's, want a's", got)
		}
	})
	t.Run("a name with another uid, after a list", func(t *testing.T) {
		i := bareIndex()
		i.put(a)
		was := i.ByUID("a")
		i.update(a, again) // informers say it so where they missed the deletion
		if was.deleted.IsZero() || len(i.deleted) != 1 {
			t.Error("the pod that was replaced counts as there")
		}
		if got := owner(i.ByName("shop", "web-0")); got != "c" {
			t.Errorf("the name is %q's, want c's", got)
		}
		i.forget(time.Now().Add(2 * keptAfterDeletion))
		if i.ByUID("a") != nil || i.ByIP("10.0.0.1") != nil {
			t.Error("the pod that was replaced is found for ever")
		}
	})
	t.Run("a deletion makes stale", func(t *testing.T) {
		i := bareIndex()
		i.put(a)
		e, version := i.ByUID("a"), i.Version()
		revision := e.Revision.Load()
		i.remove(a)
		if e.Revision.Load() == revision || i.Version() == version || !e.Deleted() {
			t.Error("what was computed before the deletion counts")
		}
	})
	t.Run("a hash is not a uid", func(t *testing.T) {
		i := bareIndex()
		static := &Pod{Namespace: "kube-system", Name: "etcd", UID: "s", ConfigHash: "a", Created: start}
		i.put(static)
		if got := owner(i.ByUID("a")); got != "s" {
			t.Errorf("by the hash: %q", got)
		}
		i.put(a)
		if owner(i.ByUID("a")) != "a" || owner(i.ByUID("s")) != "s" {
			t.Errorf("%q and %q; want a and s", owner(i.ByUID("a")), owner(i.ByUID("s")))
		}
	})
}

// TestIndexRandomly compares with the truth, which is one pod an address, after random changes that come in a random order of the pods,
// each pod's own in theirs.
func TestIndexRandomly(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var told [][]func(*Index) // by pod
		var last *Pod
		const pods = 6
		for n := range pods { // one after the other has the address
			at := time.Unix(int64(n)*10, 0)
			p := &Pod{Namespace: "n", Name: string(rune('a' + n)), UID: string(rune('A' + n)), Created: at}
			with := *p
			with.IPs, with.Started = []string{"10.0.0.1"}, at
			own := []func(*Index){func(i *Index) { i.put(p) }, func(i *Index) { i.put(&with) }}
			last = &with
			if n < pods-1 {
				ended := with
				ended.Ended = true
				switch r.IntN(3) {
				case 0:
					own = append(own, func(i *Index) { i.put(&ended) }, func(i *Index) { i.remove(&ended) })
				case 1:
					own = append(own, func(i *Index) { i.remove(&with) })
				}
			}
			told = append(told, own)
		}
		i := bareIndex()
		for len(told) > 0 {
			n := r.IntN(len(told))
			told[n][0](i)
			if told[n] = told[n][1:]; len(told[n]) == 0 {
				told = append(told[:n], told[n+1:]...)
			}
		}
		if got := owner(i.ByIP("10.0.0.1")); got != last.UID {
			t.Fatalf("seed %d: the address is %q's, want %q's", seed, got, last.UID)
		}
	}
}
