package listen

import (
	"context"
	"net/http"

	"github.com/sluiceio/sluice/internal/listen/http1"
)

// replaced is what a request is told that no graph takes.
const replaced = "the configuration is being replaced; send it again"

// newFore makes the server of plain requests, which stands in front of the other one.
func (s *site) newFore() *http1.Server {
	h := s.spec.Server
	return http1.New(s.ln, http1.Options{
		Enter: s.turn, Log: s.spec.log,
		Nobody: http1.Reply{ // as http.Error's
			Status: http.StatusServiceUnavailable, Type: "text/plain; charset=utf-8", Body: []byte(replaced + "\n"),
			Fields: [][2]string{{"Retry-After", "1"}, {"X-Content-Type-Options", "nosniff"}},
		},
		HeaderTimeout: h.ReadHeaderTimeout, IdleTimeout: h.IdleTimeout, WriteTimeout: h.WriteTimeout,
	})
}

// turn hands a request to the graph that runs, or to the next one.
func (s *site) turn() http1.Turn {
	v, wait := s.enter()
	if wait != nil {
		v = s.await(context.Background(), wait)
	}
	if v == nil {
		return nil
	}
	return v
}

// Take decides on a request for the component.
func (v *Serving) Take(h http1.Head) http1.Exchange { return v.plain.Take(h) }

// Leave counts a request out.
func (v *Serving) Leave() { v.site.leave(v) }

// Stopping tells whether Stop was called.
func (v *Serving) Stopping() bool { return v.stopped.Load() }

// hurry gives the bodies that are on their way to v a moment.
func (s *site) hurry(v *Serving) {
	if s.fore != nil {
		s.fore.Hurry(func(t http1.Turn) bool { return t == http1.Turn(v) })
	}
}

// shutFore begins to shut the server of plain requests down. The function that it returns waits for the end of that,
// behind the other server's.
func (s *site) shutFore(ctx context.Context) (wait func()) {
	if s.fore == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.fore.Shutdown(ctx)
	}()
	return func() {
		s.fore.Rest().Close()
		<-done
	}
}
