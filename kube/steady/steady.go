// Package steady asks the API server again when it is away, and keeps a watch going where it was.
package steady

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// firstPause and longestPause bound the wait before the API server is asked again. client-go's own, 0.8 s doubled up to 30 s and
	// forgotten only after two quiet minutes, is left for 410 Gone.
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
)

// patience is the waits between attempts; each is lengthened by up to its half again, so that not all agents of a cluster come at once.
type patience struct{ pause time.Duration }

func (p *patience) wait(ctx context.Context, err error) bool {
	p.pause = min(max(2*p.pause, firstPause), longestPause)
	wait := p.pause + rand.N(p.pause)
	if seconds, asked := apierrors.SuggestsClientDelay(err); asked {
		wait = max(wait, min(time.Duration(seconds)*time.Second, time.Minute))
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// passing reports whether an error says that the API server is away or busy: nothing of what is known is wrong.
func passing(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		var network net.Error
		var closed *net.OpError
		return errors.As(err, &network) || errors.As(err, &closed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	code := status.Status().Code
	return code >= 500 || apierrors.IsTooManyRequests(err) || apierrors.IsTimeout(err)
}

// Insist asks until the answer is final: a success, or an error that says more than that the API server is away or busy. failed hears the others.
func Insist(ctx context.Context, failed func(error), ask func() error) error {
	var p patience
	for {
		err := ask()
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		failed(err)
		if !p.wait(ctx, err) {
			return err
		}
	}
}

// going is a watch that goes on where it was.
type going struct {
	open   func(context.Context, metav1.ListOptions) (watch.Interface, error)
	failed func(error)
	events chan watch.Event
	cancel context.CancelFunc
}

// Watch opens a watch that goes on where it was when the API server ends it or goes away. It ends with errors such as 410 Gone.
func Watch(ctx context.Context, o metav1.ListOptions, failed func(error), open func(context.Context, metav1.ListOptions) (watch.Interface, error)) (watch.Interface, error) {
	ctx, cancel := context.WithCancel(ctx)
	var first watch.Interface
	if err := Insist(ctx, failed, func() (err error) { first, err = open(ctx, o); return err }); err != nil {
		cancel()
		return nil, err
	}
	s := &going{open: open, failed: failed, events: make(chan watch.Event), cancel: cancel}
	go s.run(ctx, first, o)
	return s, nil
}

// ResultChan implements watch.Interface.
func (s *going) ResultChan() <-chan watch.Event { return s.events }

// Stop implements watch.Interface.
func (s *going) Stop() { s.cancel() }

func (s *going) run(ctx context.Context, w watch.Interface, o metav1.ListOptions) {
	defer close(s.events)
	defer s.cancel()
	listing := o.SendInitialEvents != nil && *o.SendInitialEvents // a list in the stream cannot be continued
	for {
		begin := time.Now()
		for e := range w.ResultChan() {
			if m, err := meta.Accessor(e.Object); err == nil && e.Type != watch.Error {
				if e.Type == watch.Bookmark && m.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
					listing = false
				}
				if v := m.GetResourceVersion(); v != "" && !listing {
					o.ResourceVersion = v
				}
			}
			select {
			case s.events <- e:
			case <-ctx.Done():
				w.Stop()
				return
			}
			if e.Type == watch.Error { // 410 Gone and the like: the reflector lists anew
				w.Stop()
				return
			}
		}
		w.Stop()
		if listing || ctx.Err() != nil || o.ResourceVersion == "" {
			return
		}
		o.SendInitialEvents, o.ResourceVersionMatch = nil, ""
		if time.Since(begin) < firstPause && !new(patience).wait(ctx, nil) {
			return
		}
		err := Insist(ctx, s.failed, func() (err error) { w, err = s.open(ctx, o); return err })
		if err != nil {
			return // a right that is gone, or a version: the reflector asks again and hears it
		}
	}
}
