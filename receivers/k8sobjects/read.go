package k8sobjects

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// pageSize bounds a page of a list, and together the changes of a request; gather is how long a change waits for others.
	pageSize = 200
	together = 200
	gather   = 200 * time.Millisecond
)

// page is a list of objects.
type page struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		ResourceVersion string `json:"resourceVersion"`
		Continue        string `json:"continue"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// header is what is read of an object.
type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name            string `json:"name"`
		Namespace       string `json:"namespace"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
}

func (l *loop) options() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: l.object.LabelSelector, FieldSelector: l.object.FieldSelector}
}

// pages calls f with the records of each page, and with the version of the list.
func (l *loop) pages(ctx context.Context, f func(records []record, version string) error) error {
	o := l.options()
	o.Limit = pageSize
	version := ""
	for {
		text, err := l.raw.List(ctx, l.resource, l.namespace, o)
		if err != nil {
			return err
		}
		var p page
		if err := json.Unmarshal(text, &p); err != nil {
			return fmt.Errorf("the list of %s is no JSON: %w", l.resource, err)
		}
		version = cmp.Or(version, p.Metadata.ResourceVersion)
		records := make([]record, 0, len(p.Items))
		for _, item := range p.Items {
			r := record{object: item}
			if err := json.Unmarshal(item, &r.header); err != nil {
				return fmt.Errorf("an object of %s is no JSON: %w", l.resource, err)
			}
			if r.header.Kind == "" { // objects of a list do not say what they are
				r.kind, r.apiVersion = strings.TrimSuffix(p.Kind, "List"), p.APIVersion
			}
			records = append(records, r)
		}
		if err := f(records, version); err != nil {
			return err
		}
		if o.Continue = p.Metadata.Continue; o.Continue == "" {
			return nil
		}
	}
}

// pull waits until the interval since the last pull has passed, of whatever process, and sends all objects.
func (l *loop) pull(ctx context.Context) error {
	interval := cmp.Or(l.object.Interval, defaultInterval)
	if last, err := time.Parse(time.RFC3339Nano, l.positions.Get(l.key)); err == nil {
		select {
		case <-time.After(min(time.Until(last.Add(interval)), interval)):
		case <-ctx.Done():
			return nil
		}
	}
	begin := time.Now()
	if err := l.pages(ctx, func(records []record, _ string) error { return l.deliver(ctx, records, "") }); err != nil {
		return err
	}
	l.positions.Set(l.key, begin.Format(time.RFC3339Nano))
	return nil
}

// list sends the objects that changed after a version as added, and sets the position behind them. What was deleted meanwhile is not known.
func (l *loop) list(ctx context.Context, after uint64) error {
	var all []record
	version := ""
	if err := l.pages(ctx, func(records []record, v string) error {
		version = v
		for _, r := range records {
			if r.change = "ADDED"; number(r.header.Metadata.ResourceVersion) > after && !l.excluded(r.change) {
				all = append(all, r)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	// Versions can be compared as numbers (KEP-5504).
	slices.SortFunc(all, func(a, b record) int {
		return cmp.Compare(number(a.header.Metadata.ResourceVersion), number(b.header.Metadata.ResourceVersion))
	})
	for part := range slices.Chunk(all, together) {
		if err := l.deliver(ctx, part, part[len(part)-1].header.Metadata.ResourceVersion); err != nil {
			return err
		}
	}
	l.positions.Set(l.key, version)
	return nil
}

func (l *loop) excluded(change string) bool {
	return slices.Contains(l.object.ExcludeWatchType, change)
}

// number is a version as a number; what is none counts as new.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil && version != "" {
		return math.MaxUint64
	}
	return n
}

// begin finds where a watch begins at the very first start.
func (l *loop) begin(ctx context.Context) error {
	if v := l.object.ResourceVersion; v != "" && v != "0" {
		l.positions.Set(l.key, v)
		return nil
	}
	if l.cfg.IncludeInitialState {
		return l.list(ctx, 0)
	}
	now, err := l.version(ctx)
	if err == nil {
		l.positions.Set(l.key, now)
	}
	return err
}

// version is the server's now.
func (l *loop) version(ctx context.Context) (string, error) {
	o := l.options()
	o.Limit = 1
	text, err := l.raw.List(ctx, l.resource, l.namespace, o)
	if err != nil {
		return "", err
	}
	var p page
	if err := json.Unmarshal(text, &p); err != nil {
		return "", fmt.Errorf("the list of %s is no JSON: %w", l.resource, err)
	}
	return p.Metadata.ResourceVersion, nil
}

// behind looks whether the server has reached the position. One that it has not is of another time or cluster: a watch from it would be
// silent until the server gets there.
func (l *loop) behind(ctx context.Context) error {
	now, err := l.version(ctx)
	if position := l.positions.Get(l.key); err == nil && number(position) > number(now) {
		l.settings.Log.Warn("the API server has not reached the version up to which changes were read: it was restored, or is another one; "+
			"changes from now on are read", "resource", l.object.Name, "namespace", l.namespace, "reached", position, "server", now)
		l.positions.Set(l.key, now)
	}
	return err
}

// watch sends each change behind the position until the watch ends.
func (l *loop) watch(ctx context.Context) error {
	if l.positions.Get(l.key) == "" {
		if err := l.begin(ctx); err != nil {
			return err
		}
	} else if err := l.behind(ctx); err != nil {
		return err
	}
	o := l.options()
	o.ResourceVersion, o.AllowWatchBookmarks = l.positions.Get(l.key), true
	stream, err := l.raw.Watch(ctx, l.resource, l.namespace, o)
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return errGone
	}
	if err != nil {
		return err
	}
	changes, failed, ended := make(chan record), make(chan error, 1), make(chan struct{})
	reading, stop := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		failed <- decode(reading, stream, changes)
	}()
	err = l.follow(ctx, changes, failed)
	stop()
	_ = stream.Close()
	<-ended
	return err
}

// decode gives the changes of a stream, and returns why it ended; nil where the server ended it.
func decode(ctx context.Context, stream io.Reader, changes chan<- record) error {
	d := json.NewDecoder(stream)
	for {
		var e struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := d.Decode(&e); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		if e.Type == "ERROR" {
			var s metav1.Status
			if err := json.Unmarshal(e.Object, &s); err != nil {
				return err
			}
			if s.Code == http.StatusGone {
				return errGone
			}
			return &apierrors.StatusError{ErrStatus: s}
		}
		r := record{change: e.Type, object: e.Object}
		if err := json.Unmarshal(e.Object, &r.header); err != nil {
			return err
		}
		select {
		case changes <- r:
		case <-ctx.Done():
			return nil
		}
	}
}

// follow gathers changes into requests.
func (l *loop) follow(ctx context.Context, changes <-chan record, failed <-chan error) error {
	var records []record
	position := ""
	late := time.NewTimer(time.Hour)
	defer late.Stop()
	flush := func() error {
		err := l.deliver(ctx, records, position)
		records = records[:0]
		late.Reset(time.Hour)
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil // what was not delivered is read again
		case err := <-failed:
			return errors.Join(flush(), err)
		case <-late.C:
			if err := flush(); err != nil {
				return err
			}
		case r := <-changes:
			position = cmp.Or(r.header.Metadata.ResourceVersion, position)
			if r.change == "BOOKMARK" || l.excluded(r.change) {
				if len(records) == 0 {
					l.positions.Set(l.key, position)
				}
				continue
			}
			if records = append(records, r); len(records) == 1 {
				late.Reset(gather)
			}
			if len(records) == together {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
}
