package history_test

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluiceio/sluice/kube/kubetest/history"
)

func put(t *testing.T, s *history.Store, kind, name, value string) int64 {
	t.Helper()
	_, err := s.Change(kind, name, func(old runtime.Object) (runtime.Object, error) {
		if value == "" {
			return nil, nil
		}
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"v": value}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.Version()
}

func state(t *testing.T, s *history.Store, version int64) string {
	t.Helper()
	items, _, err := s.List("x", "", version)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, i := range items {
		out += i.Key + i.Object.(*corev1.ConfigMap).Data["v"] + " "
	}
	return out
}

func TestAStateAtEachVersion(t *testing.T) {
	s := history.New()
	want := map[int64]string{}
	for _, step := range [][3]string{{"b", "1", "b1 "}, {"a", "1", "a1 b1 "}, {"b", "2", "a1 b2 "}, {"a", "", "b2 "}, {"a", "3", "a3 b2 "}} {
		want[put(t, s, "x", step[0], step[1])] = step[2]
		put(t, s, "another", step[0], "1")
	}
	for version, w := range want {
		if got := state(t, s, version); got != w {
			t.Errorf("at %d: %s, want %s", version, got, w)
		}
	}
}

func TestSince(t *testing.T) {
	s := history.New()
	first := put(t, s, "x", "a", "1")
	second := put(t, s, "x", "a", "2")
	events, upTo, changed, err := s.Since("x", first)
	if err != nil || len(events) != 1 || events[0].Version != second || upTo != second || fmt.Sprint(events[0].Type) != "MODIFIED" {
		t.Fatalf("%+v, %d, %v", events, upTo, err)
	}
	select {
	case <-changed:
		t.Error("nothing has changed")
	default:
	}
	s.Compact()
	<-changed
	if _, _, _, err := s.Since("x", first); !errors.Is(err, history.ErrCompacted) {
		t.Errorf("events that are gone: %v", err)
	}
	if events, _, _, err := s.Since("x", second); err != nil || len(events) != 0 {
		t.Errorf("who has seen all goes on: %v, %v", events, err)
	}
	if _, _, err := s.List("x", "", second); !errors.Is(err, history.ErrCompacted) {
		t.Errorf("a state that is gone: %v", err)
	}
	if got := state(t, s, 0); got != "a2 " {
		t.Errorf("now: %s", got)
	}
}
