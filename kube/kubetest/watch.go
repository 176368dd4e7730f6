package kubetest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/sluiceio/sluice/kube/kubetest/history"
)

// stream writes the events of a watch.
type stream struct {
	*call
	to    http.ResponseWriter
	body  *bytes.Buffer // of the events that are not yet sent
	frame runtime.Encoder
	out   interface{ Write([]byte) (int, error) }
}

// watch answers with what changes, until the client goes, its time is over or the watch is cut.
func (s *Server) watch(w http.ResponseWriter, c *call) error {
	if err := c.readOptions(s.streaming.Load()); err != nil {
		return err
	}
	version, err := s.versionOf(c.options.ResourceVersion)
	if err != nil {
		return err
	}
	// The watch cache waits for no version: it has them all. initial: the present state comes first, as ADDED.
	initial := version == 0
	if i := c.options.SendInitialEvents; i != nil {
		initial = *i
	}
	if !initial && version > 0 && version < s.store.Compacted() {
		err := apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", version, s.store.Compacted()))
		if s.goneAsStatus.Load() {
			return err
		}
		if s.options.GoneSilently {
			c.open(w).flush()
			return nil
		}
		return c.refuseInStream(w, err)
	}
	at := version
	var items []history.Item
	if initial || version == 0 {
		if items, at, err = s.store.List(c.kind.String(), c.prefix(), 0); err != nil {
			return err
		}
	}
	cut := s.cuts.wait()
	marks := s.marks.wait()
	out := c.open(w)
	if initial {
		for _, item := range items {
			if c.matches(item.Object) {
				out.event(watch.Added, item.Object)
			}
		}
		if c.options.SendInitialEvents != nil && c.options.AllowWatchBookmarks {
			out.bookmark(at, true)
		}
	}
	out.flush()
	return s.follow(out, at, signals{cut, marks})
}

// signals are what ends or prompts a watch from outside.
type signals struct{ cut, mark <-chan struct{} }

// follow sends the events after a version.
func (s *Server) follow(out *stream, at int64, sig signals) error {
	var over <-chan time.Time
	if t := out.options.TimeoutSeconds; t != nil && *t > 0 {
		timer := time.NewTimer(time.Duration(*t) * time.Second)
		defer timer.Stop()
		over = timer.C
	}
	tick := time.NewTicker(s.options.BookmarkEvery)
	defer tick.Stop()
	for {
		events, upTo, changed, err := s.store.Since(out.kind.String(), at)
		if errors.Is(err, history.ErrCompacted) {
			out.status(apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", at, s.store.Compacted())))
			out.flush()
			return nil
		}
		for _, e := range events {
			out.change(e)
		}
		at = upTo
		out.flush()
		select {
		case <-changed:
		case <-tick.C:
			out.bookmark(at, false)
		case <-sig.mark:
			sig.mark = s.marks.wait()
			out.bookmark(at, false)
		case <-out.http.Context().Done():
			return nil
		case <-sig.cut:
			cut(out.http)
			return nil
		case <-over:
			return nil
		}
	}
}

// refuseInStream answers as the watch cache does: the request succeeds, and the error is its only event.
func (c *call) refuseInStream(w http.ResponseWriter, err error) error {
	out := c.open(w)
	out.status(err)
	out.flush()
	return nil
}

func (c *call) open(w http.ResponseWriter) *stream {
	media := c.form.MediaType
	if media != runtime.ContentTypeJSON {
		media += ";stream=watch"
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-cache, private")
	w.WriteHeader(http.StatusOK)
	out := &stream{call: c, to: w, body: &bytes.Buffer{}, frame: c.form.StreamSerializer.Serializer}
	out.out = c.form.StreamSerializer.Framer.NewFrameWriter(out.body)
	return out
}

// change sends a change as this watch sees it: what begins to match is added, what ends to match is deleted.
func (out *stream) change(e history.Event) {
	if !strings.HasPrefix(e.Key, out.prefix()) {
		return
	}
	was, is := out.matches(e.Previous), e.Type != watch.Deleted && out.matches(e.Object)
	switch {
	case was && is:
		out.event(watch.Modified, e.Object)
	case is:
		out.event(watch.Added, e.Object)
	case was && e.Type == watch.Deleted:
		out.event(watch.Deleted, e.Object)
	case was:
		// The object as it matched, with the version of the change.
		gone := e.Previous.DeepCopyObject()
		gone.(metav1.ObjectMetaAccessor).GetObjectMeta().SetResourceVersion(strconv.FormatInt(e.Version, 10))
		out.event(watch.Deleted, gone)
	}
}

func (out *stream) event(t watch.EventType, o runtime.Object) {
	out.seen.objects.Add(1)
	out.put(t, out.form.one(out.kind, o))
}

// bookmark says up to which version everything was sent, if the client asked for that.
func (out *stream) bookmark(version int64, endsList bool) {
	if !out.options.AllowWatchBookmarks {
		return
	}
	o := reflect.New(reflect.TypeOf(out.kind.Object()).Elem()).Interface().(runtime.Object)
	m := o.(metav1.ObjectMetaAccessor).GetObjectMeta()
	m.SetResourceVersion(strconv.FormatInt(version, 10))
	if endsList {
		m.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	out.seen.bookmarks.Add(1)
	out.put(watch.Bookmark, out.form.one(out.kind, o))
}

func (out *stream) status(err error) { out.put(watch.Error, statusOf(err)) }

func (out *stream) put(t watch.EventType, o runtime.Object) {
	var raw, frame bytes.Buffer
	err := out.form.Serializer.Encode(o, &raw)
	if err == nil {
		err = out.frame.Encode(&metav1.WatchEvent{Type: string(t), Object: runtime.RawExtension{Raw: raw.Bytes()}}, &frame)
	}
	if err == nil {
		_, err = out.out.Write(frame.Bytes())
	}
	if err != nil {
		panic(fmt.Errorf("cannot encode an event: %w", err))
	}
	const enough = 64 << 10
	if out.body.Len() > enough {
		out.flush()
	}
}

// flush sends what is written. A client that is gone is noticed by the context of its request.
func (out *stream) flush() {
	_, _ = out.to.Write(out.body.Bytes())
	out.body.Reset()
	_ = http.NewResponseController(out.to).Flush()
}
