package kubetest

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// seen is a request in the list of all, which grows while it is answered.
type seen struct {
	request                           Request // as it was asked
	code, objects, bookmarks, written atomic.Int64
	open                              atomic.Bool
}

func (s *seen) now() Request {
	r := s.request
	r.Code, r.Objects, r.Bookmarks, r.Bytes, r.Open = int(s.code.Load()), s.objects.Load(), s.bookmarks.Load(), s.written.Load(), s.open.Load()
	return r
}

// record is the list of all requests.
type record struct {
	mu  sync.Mutex
	all []*seen
}

func (r *record) add(request Request) *seen {
	s := &seen{request: request}
	s.open.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, s)
	return s
}

// Requests returns every request so far, oldest first.
func (s *Server) Requests() []Request {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	out := make([]Request, 0, len(s.record.all))
	for _, r := range s.record.all {
		out = append(out, r.now())
	}
	return out
}

// ForgetRequests empties the list of requests and the counts; open watches are forgotten too.
func (s *Server) ForgetRequests() {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	s.record.all = nil
}

// OpenWatches returns the watches that are being answered with events.
func (s *Server) OpenWatches() []Request {
	return slices.DeleteFunc(s.Requests(), func(r Request) bool { return r.Verb != "watch" || !r.Open || r.Code != http.StatusOK })
}

// Asked is what requests are counted by.
type Asked struct {
	Verb      string
	Resource  string // as in RBAC rules: "pods", "nodes/metrics", "deployments.apps"; of other paths the path with the query
	Namespace string
	Labels    string
	Fields    string
}

// Count is what was asked and sent.
type Count struct {
	Requests, Open         int
	Objects, Bytes, Failed int64
}

// Counts sums the requests up.
func (s *Server) Counts() map[Asked]Count {
	out := map[Asked]Count{}
	for _, r := range s.Requests() {
		asked := Asked{r.Verb, r.FullResource(), r.Namespace, r.Labels, r.Fields}
		if r.Resource == "" {
			asked.Resource = r.Path
		}
		c := out[asked]
		c.Requests++
		c.Objects += r.Objects
		c.Bytes += r.Bytes
		if r.Open {
			c.Open++
		}
		if r.Code >= http.StatusBadRequest {
			c.Failed++
		}
		out[asked] = c
	}
	return out
}

// counting writes an answer and counts it.
type counting struct {
	http.ResponseWriter
	seen *seen
}

func (w counting) WriteHeader(code int) {
	w.seen.code.Store(int64(code))
	w.ResponseWriter.WriteHeader(code)
}

func (w counting) Write(b []byte) (int, error) {
	w.seen.code.CompareAndSwap(0, http.StatusOK)
	n, err := w.ResponseWriter.Write(b)
	w.seen.written.Add(int64(n))
	return n, err
}

func (w counting) Unwrap() http.ResponseWriter { return w.ResponseWriter }
