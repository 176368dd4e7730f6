package prometheus

import (
	"net/http"
	"sync"
	"time"
)

// stopGrace is how long a scraper may take for its answer once the exporter stops: a stalled one would hold up the stop,
// and in a reload all receivers.
const stopGrace = time.Second

// scrapes are those that are being answered.
type scrapes struct {
	mu       sync.Mutex
	open     map[*http.ResponseController]struct{}
	stopping bool
}

// watch serves h, until stop at leisure.
func (s *scrapes) watch(h http.Handler, writeTimeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		s.mu.Lock()
		if s.open == nil {
			s.open = map[*http.ResponseController]struct{}{}
		}
		s.open[c] = struct{}{}
		if s.stopping {
			_ = c.SetWriteDeadline(time.Now().Add(stopGrace))
		}
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.open, c)
			if s.stopping { // the connection may serve the next graph
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

func (s *scrapes) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for c := range s.open {
		_ = c.SetWriteDeadline(time.Now().Add(stopGrace))
	}
}
