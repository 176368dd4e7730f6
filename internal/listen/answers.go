package listen

import (
	"net/http"
	"sync"
	"time"
)

// stopGrace is how long a client may take for its answer after Stop: a stalled one would hold up the component's stop, and in a
// reload all receivers.
const stopGrace = time.Second

// Answers are the HTTP requests that are being answered. The zero value is ready.
type Answers struct {
	mu       sync.Mutex
	open     map[*http.ResponseController]struct{}
	stopping bool
}

// Watch serves h, until Stop at the client's leisure. writeTimeout is the server's.
func (a *Answers) Watch(h http.Handler, writeTimeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		a.mu.Lock()
		if a.open == nil {
			a.open = map[*http.ResponseController]struct{}{}
		}
		a.open[c] = struct{}{}
		if a.stopping {
			_ = c.SetWriteDeadline(time.Now().Add(stopGrace))
		}
		a.mu.Unlock()
		defer func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.open, c)
			if a.stopping { // the connection may serve the next graph
				var by time.Time
				if writeTimeout > 0 {
					by = time.Now().Add(writeTimeout)
				}
				_ = c.SetWriteDeadline(by)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// Stop gives the clients a second to take their answers.
func (a *Answers) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopping = true
	for c := range a.open {
		_ = c.SetWriteDeadline(time.Now().Add(stopGrace))
	}
}
