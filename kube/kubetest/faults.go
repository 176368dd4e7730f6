package kubetest

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fault is what happens to some requests.
type Fault struct {
	Verb, Resource string        // as in Request.Verb and Request.FullResource; empty: any
	Times          int           // how many requests; 0: all, until the fault is taken away
	Delay          time.Duration // before the answer
	Code           int           // of the answer: 429, 500, 503 ...; 0: the right answer, after the delay
	RetryAfter     time.Duration // of a 429 or 503, in whole seconds
}

// faults are those that are ordered.
type faults struct {
	mu  sync.Mutex
	all []*Fault
}

// Inject orders a fault; remove takes it away.
func (s *Server) Inject(f Fault) (remove func()) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	mine := &f
	s.faults.all = append(s.faults.all, mine)
	return func() { s.faults.remove(mine) }
}

func (f *faults) remove(mine *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = slices.DeleteFunc(f.all, func(o *Fault) bool { return o == mine })
}

// of returns the first fault that concerns a request.
func (f *faults) of(c *call) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, o := range f.all {
		if (o.Verb != "" && o.Verb != c.Verb) || (o.Resource != "" && o.Resource != c.FullResource()) {
			continue
		}
		found := *o
		if o.Times == 1 {
			f.all = slices.Delete(f.all, i, i+1)
		} else if o.Times > 1 {
			o.Times--
		}
		return found, true
	}
	return Fault{}, false
}

// error is the answer of a fault, nil if it only delays.
func (f Fault) error(c *call) error {
	seconds := int(f.RetryAfter / time.Second)
	switch f.Code {
	case 0:
		return nil
	case http.StatusTooManyRequests:
		return apierrors.NewTooManyRequests("Too many requests, please try again later.", seconds)
	case http.StatusInternalServerError:
		return apierrors.NewInternalError(errOrdered)
	case http.StatusServiceUnavailable:
		err := apierrors.NewServiceUnavailable("apiserver is shutting down")
		err.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: int32(seconds)}
		return err
	}
	return apierrors.NewGenericServerResponse(f.Code, c.Verb, c.groupResource(), c.Name, "", seconds, true)
}

// CutWatches cuts the connections of all open watches.
func (s *Server) CutWatches() { s.cuts.send() }

// SendBookmarks sends a bookmark on every open watch whose client takes bookmarks.
func (s *Server) SendBookmarks() { s.marks.send() }

// Compact forgets the history of all objects: a list or watch from a version that a client has gets 410 Gone. Open watches
// go on.
func (s *Server) Compact() { s.store.Compact() }

// StreamLists switches streaming lists (sendInitialEvents) on and off. Off, they are refused with 422 Invalid, as by a server
// without the gate WatchList.
func (s *Server) StreamLists(on bool) { s.streaming.Store(on) }

// connection is the key of a request's connection in its context.
type connection struct{}

// cut closes the connection of a request, and so whatever else it carries: what a client sees when a proxy goes.
func cut(r *http.Request) {
	if c, is := r.Context().Value(connection{}).(net.Conn); is {
		_ = c.Close()
	}
}

// signal is an event that many wait for, again and again.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that is closed at the next send.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) send() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

var errOrdered = errors.New("the test ordered this error")
