package k8sevents

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
)

const (
	// together bounds the events of a request, and gather how long one waits for others.
	together = 500
	gather   = 200 * time.Millisecond
	// pageSize bounds a page of a list.
	pageSize = 500
)

// errGone: the server has forgotten the version; the events are listed anew.
var errGone = errors.New("the API server does not have the version any more")

// tooShort is the life of a watch that says that something is wrong: for events the API server ends one from a version that it has
// forgotten at once, without an error (kubernetes/kubernetes#104171).
const tooShort = time.Second

// read follows a namespace until ctx ends.
func (r *Receiver) read(ctx context.Context, namespace string) {
	pause := r.submitter.Backoff()
	var line throttle.Line
	for ctx.Err() == nil {
		begin := time.Now()
		err := r.session(ctx, namespace)
		if err == nil && time.Since(begin) > tooShort { // the server ends each watch after some minutes
			pause.Reset()
			continue
		}
		if (err == nil || errors.Is(err, errGone)) && ctx.Err() == nil {
			err = r.catchUp(ctx, namespace)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.tell(err, namespace, &line)
		}
		r.submitter.Wait(ctx, err, &pause)
	}
}

func (r *Receiver) tell(err error, namespace string, line *throttle.Line) {
	suppressed, due := line.Now()
	if !due {
		return
	}
	message := "cannot read events; trying again"
	if apierrors.IsForbidden(err) {
		message = "the service account has no right to read events: its role needs the verbs list and watch on events"
	}
	r.settings.Log.Warn(message, "namespace", namespace, "error", err, "suppressed", suppressed)
}

// begin returns the version that a watch begins at. At the first start what was before is not read. A version that the server has not
// reached is of another time or cluster: a watch from it would be silent until the server gets there.
func (r *Receiver) begin(ctx context.Context, namespace string) (position string, err error) {
	position = r.positions.Get(namespace)
	list := &corev1.EventList{}
	if err := r.client.List(ctx, namespace, metav1.ListOptions{Limit: 1}, list); err != nil {
		return "", err
	}
	if position != "" && number(position) <= number(list.ResourceVersion) {
		return position, nil
	}
	if position != "" {
		r.settings.Log.Warn("the API server has not reached the version up to which events were read: it was restored, or is another one; "+
			"events from now on are read", "namespace", namespace, "reached", position, "server", list.ResourceVersion)
	}
	r.positions.Set(namespace, list.ResourceVersion)
	return list.ResourceVersion, nil
}

// session opens a watch behind what was delivered, and delivers what comes until it ends.
func (r *Receiver) session(ctx context.Context, namespace string) error {
	position, err := r.begin(ctx, namespace)
	if err != nil {
		return err
	}
	w, err := r.client.Watch(ctx, namespace, metav1.ListOptions{ResourceVersion: position, AllowWatchBookmarks: true})
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return errGone
	}
	if err != nil {
		return err
	}
	defer w.Stop()
	var events []*corev1.Event
	late := time.NewTimer(time.Hour)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			if r.life.Err() == nil {
				return nil // another process leads, and reads them
			}
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
			defer cancel()
			return r.flush(last, namespace, events, position)
		case <-late.C:
			if err := r.flush(ctx, namespace, events, position); err != nil {
				return err
			}
			events = events[:0]
			late.Reset(time.Hour)
		case e, open := <-w.ResultChan():
			if !open {
				return r.flush(ctx, namespace, events, position)
			}
			event, err := eventOf(e)
			if err != nil {
				return errors.Join(r.flush(ctx, namespace, events, position), err)
			}
			if event == nil { // deleted, or a bookmark: it is delivered with what is before it
				position = cmp.Or(versionOf(e), position)
				if len(events) == 0 {
					r.positions.Set(namespace, position)
				}
				continue
			}
			position = event.ResourceVersion
			if events = append(events, event); len(events) == 1 {
				late.Reset(gather)
			}
			if len(events) == together {
				late.Reset(0)
			}
		}
	}
}

// eventOf is the event of a change that has one to tell of.
func eventOf(e watch.Event) (*corev1.Event, error) {
	switch e.Type {
	case watch.Added, watch.Modified:
		event, _ := e.Object.(*corev1.Event)
		return event, nil
	case watch.Error:
		err := apierrors.FromObject(e.Object)
		if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			return nil, errGone
		}
		return nil, err
	}
	return nil, nil
}

func versionOf(e watch.Event) string {
	if event, is := e.Object.(*corev1.Event); is {
		return event.ResourceVersion
	}
	return ""
}

// catchUp lists all events, since the version that was reached is forgotten, and delivers those that are newer. What was made and
// has expired meanwhile (an hour) is not there.
func (r *Receiver) catchUp(ctx context.Context, namespace string) error {
	r.metrics.relists.Inc()
	reached := number(r.positions.Get(namespace))
	var events []*corev1.Event
	options := metav1.ListOptions{Limit: pageSize}
	version := ""
	for {
		page := &corev1.EventList{}
		if err := r.client.List(ctx, namespace, options, page); err != nil {
			return err
		}
		version = cmp.Or(version, page.ResourceVersion)
		for i := range page.Items {
			if number(page.Items[i].ResourceVersion) > reached {
				events = append(events, &page.Items[i])
			}
		}
		if options.Continue = page.Continue; options.Continue == "" {
			break
		}
	}
	// Versions can be compared as numbers (KEP-5504).
	slices.SortFunc(events, func(a, b *corev1.Event) int { return cmp.Compare(number(a.ResourceVersion), number(b.ResourceVersion)) })
	for part := range slices.Chunk(events, together) {
		if err := r.flush(ctx, namespace, part, part[len(part)-1].ResourceVersion); err != nil {
			return err
		}
	}
	r.positions.Set(namespace, version)
	return nil
}

// number is a version as a number; what is none counts as new.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil && version != "" {
		return math.MaxUint64
	}
	return n
}

// flush delivers events, and only then moves the position. While the pipeline refuses, the watch waits.
func (r *Receiver) flush(ctx context.Context, namespace string, events []*corev1.Event, position string) error {
	if len(events) == 0 {
		return nil
	}
	batch := pipeline.Batch{Signal: pipeline.Logs, Request: r.writer.request(events, time.Now()), Items: len(events)}
	pause := r.submitter.Backoff()
	for {
		err := r.submitter.Submit(ctx, batch)
		if _, again := pipeline.AsRefused(err); !again {
			if err != nil {
				r.settings.Log.Warn("events were rejected", "error", err)
			}
			r.metrics.events.Add(float64(len(events)))
			r.positions.Set(namespace, position)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		batch = batch.Remaining(err)
		r.submitter.Pause(ctx, err, &pause)
	}
}
