package k8sattributes

import (
	"sync"

	"github.com/sluiceio/sluice/kube"
)

// result is a resource as it goes on.
type result struct {
	bytes   []byte
	changed bool
	reason  reason // why there is no pod
	key     string // of the pod that is not known
	file    bool   // its lines are in a file, which keeps them

	entry    *kube.Entry // the pod, if there is one
	revision uint64      // of the entry, from before it was read
	bound    bool        // holds only at this version of the index
	version  uint64
	objects  uint64 // version of the other objects
}

// results are found by the bytes that they were made of, compared in full. There are two generations: when the young one is full, it
// becomes the old one, and what is used moves back.
type results struct {
	mu         sync.RWMutex
	young, old map[string]*result
	bytes      int // of the young generation
}

// cacheBytes bounds a generation.
const cacheBytes = 8 << 20

func (c *results) get(key []byte) *result {
	c.mu.RLock()
	r, old := c.young[string(key)], false
	if r == nil {
		r, old = c.old[string(key)], true
	}
	c.mu.RUnlock()
	if r != nil && old {
		c.put(key, r)
	}
	return r
}

func (c *results) put(key []byte, r *result) {
	n := len(key) + len(r.bytes) + 200
	if n > cacheBytes/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || c.bytes+n > cacheBytes {
		c.old, c.young, c.bytes = c.young, map[string]*result{}, 0
	}
	if _, have := c.young[string(key)]; !have {
		c.bytes += n
	}
	c.young[string(key)] = r
}
