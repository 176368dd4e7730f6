package steady

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

func pod(version string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p" + version, ResourceVersion: version}}
}

// opening is what an API server does at one request: an error, or events and the end.
type opening struct {
	err    error
	events []watch.Event
}

// play runs a watch over the openings and returns what came, what versions were asked for, and how many failures were heard.
func play(t *testing.T, o metav1.ListOptions, script ...opening) (came, asked []string, failures int, err error) {
	t.Helper()
	open := func(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
		asked = append(asked, o.ResourceVersion)
		if len(asked) > len(script) {
			return nil, errors.New("the script has ended")
		}
		next := script[len(asked)-1]
		if next.err != nil {
			return nil, next.err
		}
		w := watch.NewFakeWithChanSize(len(next.events), false)
		for _, e := range next.events {
			w.Action(e.Type, e.Object)
		}
		w.Stop()
		return w, nil
	}
	w, err := Watch(t.Context(), o, func(error) { failures++ }, open)
	if err != nil {
		return came, asked, failures, err
	}
	for e := range w.ResultChan() {
		if p, is := e.Object.(*corev1.Pod); is {
			came = append(came, fmt.Sprint(e.Type, p.ResourceVersion))
		} else {
			came = append(came, string(e.Type))
		}
	}
	return came, asked, failures, nil
}

// TestGoesOn: behind the last version, over ends, refusals and a busy server; each event once.
func TestGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		came, asked, failures, err := play(t, metav1.ListOptions{ResourceVersion: "1"},
			opening{err: io.EOF}, opening{events: []watch.Event{{Type: watch.Added, Object: pod("2")}, {Type: watch.Bookmark, Object: pod("5")}}},
			opening{err: apierrors.NewServiceUnavailable("away")}, opening{err: apierrors.NewTooManyRequests("busy", 3)},
			opening{events: []watch.Event{{Type: watch.Modified, Object: pod("6")}}}, opening{},
			opening{events: []watch.Event{{Type: watch.Error, Object: &metav1.Status{Code: http.StatusGone, Reason: metav1.StatusReasonExpired}}}})
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"ADDED2", "BOOKMARK5", "MODIFIED6", "ERROR"}; !slices.Equal(came, want) {
			t.Errorf("came %v, want %v", came, want)
		}
		if want := []string{"1", "1", "5", "5", "5", "6", "6"}; !slices.Equal(asked, want) {
			t.Errorf("asked for %v, want %v", asked, want)
		}
		if failures != 3 {
			t.Errorf("%d failures were heard, want 3", failures)
		}
		if took := time.Since(begin); took < 3*time.Second || took > 6*time.Second {
			t.Errorf("it took %s; the server asked for 3 s", took)
		}
	})
}

// TestEnds: what says more than that the server is away is not hidden, and a list in the stream is never continued.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
		if _, _, _, err := play(t, metav1.ListOptions{}, opening{err: forbidden}); !apierrors.IsForbidden(err) {
			t.Errorf("%v", err)
		}
		came, asked, _, _ := play(t, metav1.ListOptions{ResourceVersion: "1"}, opening{events: []watch.Event{{Type: watch.Added, Object: pod("2")}}}, opening{err: forbidden})
		if len(came) != 1 || len(asked) != 2 {
			t.Errorf("came %v, asked %v", came, asked)
		}
		yes := true
		came, asked, _, _ = play(t, metav1.ListOptions{SendInitialEvents: &yes}, opening{events: []watch.Event{{Type: watch.Added, Object: pod("2")}}}, opening{})
		if len(came) != 1 || len(asked) != 1 {
			t.Errorf("a list that broke off: came %v, asked %v", came, asked)
		}
		end := pod("9")
		end.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		_, asked, _, _ = play(t, metav1.ListOptions{SendInitialEvents: &yes},
			opening{events: []watch.Event{{Type: watch.Added, Object: pod("2")}, {Type: watch.Bookmark, Object: end}}}, opening{err: forbidden})
		if want := []string{"", "9"}; !slices.Equal(asked, want) {
			t.Errorf("after the list: asked for %v, want %v", asked, want)
		}
	})
}
