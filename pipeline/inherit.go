package pipeline

import "sync"

// Estates passes state from a graph's components to their successors during a reload.
type Estates struct {
	mu   sync.Mutex
	open bool // a reload is under way
	left map[estateKey]any
}

type estateKey struct{ component, what string }

// NewEstates makes empty Estates.
func NewEstates() *Estates { return &Estates{left: map[estateKey]any{}} }

// Open begins a reload.
func (e *Estates) Open() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open = true
}

// Close ends a reload and drops what nobody took, calling its method Forgotten, if any.
func (e *Estates) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open = false
	for _, v := range e.left {
		if f, is := v.(interface{ Forgotten() }); is {
			f.Forgotten()
		}
	}
	clear(e.left)
}

// Leave keeps v for the component's successor in a reload; what distinguishes several values. It is for state that
// is costly or wrong to rebuild. Call it in Stop, and do not use v afterwards. It returns false and keeps nothing
// when the process ends.
func (s Settings) Leave(what string, v any) bool {
	e := s.Estates
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open {
		e.left[estateKey{s.Name(), what}] = v
	}
	return e.open
}

// Inherit takes what the predecessor left, or nil. Call it in Start.
func (s Settings) Inherit(what string) any {
	e := s.Estates
	e.mu.Lock()
	defer e.mu.Unlock()
	key := estateKey{s.Name(), what}
	v := e.left[key]
	delete(e.left, key)
	return v
}
