package kube

import (
	"fmt"
	"testing"
	"time"
)

// TestIndexForgets: a deleted pod is found for a while, and only so many; one that left what the selectors choose and came back
// stays.
func TestIndexForgets(t *testing.T) {
	i := bareIndex()
	pod := func(n int) *Pod { return &Pod{Namespace: "shop", Name: fmt.Sprint(n), UID: fmt.Sprint("u", n)} }
	gone, back := pod(0), pod(1)
	for _, p := range []*Pod{gone, back} {
		i.put(p)
		i.remove(p)
	}
	i.put(back)
	i.forget(time.Now().Add(keptAfterDeletion / 2))
	if i.ByUID("u0") == nil {
		t.Error("a pod that was just deleted is not found")
	}
	revision := i.ByUID("u0").Revision.Load()
	e := i.ByUID("u0")
	i.forget(time.Now().Add(2 * keptAfterDeletion))
	if i.ByUID("u0") != nil || i.ByName("shop", "0") != nil || e.Revision.Load() == revision {
		t.Error("a pod that was deleted long ago is still found, or what was computed from it counts")
	}
	if i.ByUID("u1") == nil || i.ByName("shop", "1") == nil {
		t.Error("a pod that came back is forgotten")
	}
	for n := range keptDeleted + 100 {
		i.put(pod(n + 2))
		i.remove(pod(n + 2))
	}
	if len(i.deleted) > keptDeleted || len(i.uids) > keptDeleted+1 {
		t.Errorf("%d deleted pods are kept", len(i.deleted))
	}
}
