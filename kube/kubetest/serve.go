package kubetest

import (
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	defer s.calls.Done()
	c := parse(r)
	c.User = s.access.authenticate(r)
	form, fits := negotiate(c.Accept)
	if !fits {
		form = jsonForm()
	}
	c.form, c.Partial = form, form.partial
	c.seen = s.record.add(c.Request)
	defer c.seen.open.Store(false)
	out := counting{w, c.seen}
	if err := s.answer(out, c, fits); err != nil {
		c.form.fail(out, err)
	}
}

// answer writes the answer, or returns the error to be written.
func (s *Server) answer(w http.ResponseWriter, c *call, fits bool) error {
	if f, is := s.faults.of(c); is {
		select {
		case <-time.After(f.Delay):
		case <-c.http.Context().Done():
			panic(http.ErrAbortHandler)
		}
		if err := f.error(c); err != nil {
			return err
		}
	}
	if c.User == "" {
		return apierrors.NewUnauthorized("Unauthorized")
	}
	if act := c.action(); !act.open() && !s.access.allowed(c.User, act) {
		return c.forbidden()
	}
	if c.Resource == "" {
		return s.discover(w, c)
	}
	if review := reviewOf(c); review != nil {
		return s.review(w, c, review)
	}
	if c.kind == nil || (c.Subresource != "" && (c.Subresource != "status" || !c.kind.status)) {
		return unknownPath()
	}
	if !fits {
		return notAcceptable()
	}
	switch c.Verb {
	case "get":
		return s.get(w, c)
	case "list":
		return s.list(w, c)
	case "watch":
		return s.watch(w, c)
	}
	return s.write(w, c)
}

func unknownPath() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource", Details: &metav1.StatusDetails{},
	}}
}

func notAcceptable() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable,
		Message: "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
	}}
}
