package kubestate

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
)

// snapshot is the objects of a collection, by resource. A resource without its first list is not in it.
type snapshot map[string][]entry

// entry is an object under its key in the informer, namespace/name. Objects are never changed, so the pointer tells the version.
type entry struct {
	key    string
	object any
}

// change is an object that is not as it was: is nil if it is gone.
type change struct{ was, is any }

// look takes the objects of all watches that have their first list, by key.
func (r *Receiver) look() snapshot {
	out := snapshot{}
	for _, w := range r.watched {
		var all []entry
		synced := false
		for _, watch := range w.watches {
			informer := watch.Informer()
			if informer == nil || !informer.HasSynced() {
				continue
			}
			synced = true
			store := informer.GetStore()
			for _, key := range store.ListKeys() {
				if o, is, err := store.GetByKey(key); is && err == nil {
					all = append(all, entry{key, o})
				}
			}
		}
		if synced {
			slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.key, b.key) })
			out[w.kind.Resource()] = all
		}
	}
	return out
}

// changes are the objects of before that are changed or gone now. Both are sorted.
func changes(before, now []entry) []change {
	var out []change
	i := 0
	for _, b := range before {
		for i < len(now) && now[i].key < b.key {
			i++
		}
		switch {
		case i == len(now) || now[i].key != b.key:
			out = append(out, change{was: b.object})
		case now[i].object != b.object && !sameVersion(now[i].object, b.object):
			out = append(out, change{was: b.object, is: now[i].object})
		}
	}
	return out
}

// sameVersion finds what a new list brought again.
func sameVersion(a, b any) bool {
	x, errX := meta.Accessor(a)
	y, errY := meta.Accessor(b)
	return errX == nil && errY == nil && x.GetUID() == y.GetUID() && x.GetResourceVersion() == y.GetResourceVersion()
}
