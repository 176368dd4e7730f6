package pipeline

import "sync"

// Estates keeps what components of one graph leave for those of the same name in the next one, during a reload.
type Estates struct {
	mu   sync.Mutex
	left map[string]any // by Settings.Name
}

// NewEstates makes one that is empty.
func NewEstates() *Estates { return &Estates{left: map[string]any{}} }

// Clear forgets what nobody took.
func (e *Estates) Clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.left)
}

// Leave keeps v for the component of the same kind and id in the graph that a reload starts next. It is for state that
// would be costly or wrong to begin anew, and is called in Stop; v must not be used afterwards. When the process ends,
// or the next graph has no such component, v is dropped.
func (s Settings) Leave(v any) {
	s.Estates.mu.Lock()
	defer s.Estates.mu.Unlock()
	s.Estates.left[s.Name()] = v
}

// Inherit is what the component of the same kind and id left when the graph before this one stopped, or nil. It is
// called in Start, and hands it over once.
func (s Settings) Inherit() any {
	s.Estates.mu.Lock()
	defer s.Estates.mu.Unlock()
	v := s.Estates.left[s.Name()]
	delete(s.Estates.left, s.Name())
	return v
}
