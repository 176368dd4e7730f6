// Package history keeps objects with their versions, as etcd and the API server's watch cache do together: one counter
// for all kinds, what changed since a version, what a kind was at a version, and compaction.
package history

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// ErrCompacted is the answer for a version that is no longer kept.
var ErrCompacted = errors.New("the version is compacted")

// Event is a change of one object. Objects are shared: do not change them.
type Event struct {
	Version  int64
	Type     watch.EventType // Added, Modified or Deleted
	Key      string
	Object   runtime.Object // as it is now; of a deletion: as it was, with the version of the deletion
	Previous runtime.Object // nil if added
}

// Store keeps the objects of all kinds. Its methods may be called by several goroutines.
type Store struct {
	mu        sync.Mutex
	version   int64
	compacted int64 // versions below it are gone
	kinds     map[string]*kind
	changed   chan struct{} // closed at each change
}

type kind struct {
	objects map[string]runtime.Object
	log     []Event
	dropped int64 // version of the last event that was compacted
}

// firstVersion is not 1, so that a client that compares versions as text, or takes 0 or 1 for a real one, is found.
const firstVersion = 98

// New makes an empty store.
func New() *Store {
	return &Store{version: firstVersion, compacted: firstVersion, kinds: map[string]*kind{}, changed: make(chan struct{})}
}

func (s *Store) kind(name string) *kind {
	k := s.kinds[name]
	if k == nil {
		k = &kind{objects: map[string]runtime.Object{}}
		s.kinds[name] = k
	}
	return k
}

// Change replaces the object at a key by what change returns for the present one (nil: there is none). Returning the
// present one changes nothing, nil deletes it. The returned object belongs to the store, which writes its version.
func (s *Store) Change(kindName, key string, change func(old runtime.Object) (runtime.Object, error)) (runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kind(kindName)
	old := k.objects[key]
	made, err := change(old)
	if err != nil || made == old {
		return made, err
	}
	event := Event{Version: s.version + 1, Type: watch.Modified, Key: key, Object: made, Previous: old}
	switch {
	case made == nil:
		event.Type, event.Object = watch.Deleted, old.DeepCopyObject()
	case old == nil:
		event.Type = watch.Added
	}
	accessor, err := meta.Accessor(event.Object)
	if err != nil {
		return nil, err
	}
	accessor.SetResourceVersion(strconv.FormatInt(event.Version, 10))
	s.version++
	if made == nil {
		delete(k.objects, key)
	} else {
		k.objects[key] = made
	}
	k.log = append(k.log, event)
	s.wake()
	return event.Object, nil
}

func (s *Store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Get returns the object at a key, or nil.
func (s *Store) Get(kindName, key string) runtime.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kind(kindName).objects[key]
}

// Version is that of the last change.
func (s *Store) Version() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Item is an object and its key.
type Item struct {
	Key    string
	Object runtime.Object
}

// List returns the objects of a kind whose keys begin with prefix, in the order of keys, as they were at a version (0: now), and
// that version. The error is ErrCompacted.
func (s *Store) List(kindName, prefix string, version int64) ([]Item, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kind(kindName)
	if version == 0 {
		version = s.version
	}
	if version < s.compacted {
		return nil, 0, ErrCompacted
	}
	then := map[string]runtime.Object{} // what differs at the version
	for _, e := range slices.Backward(k.log) {
		if e.Version <= version {
			break
		}
		then[e.Key] = e.Previous
	}
	var out []Item
	add := func(key string, o runtime.Object) {
		if o != nil && strings.HasPrefix(key, prefix) {
			out = append(out, Item{key, o})
		}
	}
	for key, o := range k.objects {
		if _, differs := then[key]; !differs {
			add(key, o)
		}
	}
	for key, o := range then {
		add(key, o)
	}
	slices.SortFunc(out, func(a, b Item) int { return strings.Compare(a.Key, b.Key) })
	return out, version, nil
}

// Since returns the events of a kind after a version, the version up to which they are all, and a channel that is closed
// at the next change of any kind. The error is ErrCompacted if events after the version are gone.
func (s *Store) Since(kindName string, version int64) ([]Event, int64, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kind(kindName)
	if version < k.dropped {
		return nil, 0, nil, ErrCompacted
	}
	from, _ := slices.BinarySearchFunc(k.log, version+1, func(e Event, v int64) int { return int(e.Version - v) })
	return slices.Clone(k.log[from:]), s.version, s.changed, nil
}

// Compacted is the oldest version from which one can list and begin to watch.
func (s *Store) Compacted() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.compacted
}

// Compact forgets all history. It counts as a change, as if something else had been written, so that whoever comes with a
// version that it got before finds it gone. What is being watched goes on.
func (s *Store) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.compacted = s.version
	for _, k := range s.kinds {
		if n := len(k.log); n > 0 {
			k.dropped, k.log = k.log[n-1].Version, nil
		}
	}
	s.wake()
}
