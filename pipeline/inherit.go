package pipeline

import "sync"

// Estates keeps what components of one graph leave for those of the same name in the next one, during a reload.
type Estates struct {
	mu   sync.Mutex
	open bool // a reload is under way
	left map[estateKey]any
}

type estateKey struct{ component, what string }

// NewEstates makes one that is empty.
func NewEstates() *Estates { return &Estates{left: map[estateKey]any{}} }

// Open begins a reload: what is left from now on will be asked for.
func (e *Estates) Open() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open = true
}

// Close ends a reload, and forgets what nobody took. A value with a method Forgotten is told.
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

// Leave keeps v for the component of the same kind and id in the graph that a reload starts next; what tells several
// values of a component apart. It is for state that would be costly or wrong to begin anew, and is called in Stop; v must not
// be used afterwards. It reports false, and does nothing, when nobody will come: the process ends.
func (s Settings) Leave(what string, v any) bool {
	e := s.Estates
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open {
		e.left[estateKey{s.Name(), what}] = v
	}
	return e.open
}

// Inherit is what the component of the same kind and id left when the graph before this one stopped, or nil. It is
// called in Start, and hands it over once.
func (s Settings) Inherit(what string) any {
	e := s.Estates
	e.mu.Lock()
	defer e.mu.Unlock()
	key := estateKey{s.Name(), what}
	v := e.left[key]
	delete(e.left, key)
	return v
}
