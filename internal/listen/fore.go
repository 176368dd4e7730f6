package listen

import (
	"context"
	"net/http"

	"github.com/sluiceio/sluice/internal/listen/http1"
)

const replaced = "the configuration is being replaced; send it again"

// newFore makes the http1 server in front of net/http.
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

// Take implements http1.Handler.
func (v *Serving) Take(h http1.Head) http1.Exchange { return v.plain.Take(h) }

// Leave implements http1.Turn.
func (v *Serving) Leave() { v.site.leave(v) }

// Stopping implements http1.Turn.
func (v *Serving) Stopping() bool { return v.stopped.Load() }

// hurry sets a short deadline for bodies in transit to v.
func (s *site) hurry(v *Serving) {
	if s.fore != nil {
		s.fore.Hurry(func(t http1.Turn) bool { return t == http1.Turn(v) })
	}
}

// shutFore starts the shutdown of the http1 server. Call wait after the other server's shutdown.
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
