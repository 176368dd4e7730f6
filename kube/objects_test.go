package kube

import (
	"io"
	"log/slog"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluiceio/sluice/kube/kubetest"
)

func objectsOf(t *testing.T, s *kubetest.Server, k Kind, refresh time.Duration) *Objects {
	t.Helper()
	u, err := Use(Access{AuthType: KubeConfig, KubeconfigFile: s.Kubeconfig(t)}, Feature{Name: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	o := u.Objects(Want{Kind: k}, true)
	o.refresh = refresh
	if err := u.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Start()
	t.Cleanup(func() { o.Close(); u.Close() })
	return o
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not yet: %s", what)
		}
	}
}

// TestObjectsAreFollowed: who keeps what he made of an object for as long as the version is the same sees a later change, however long
// the object was there before.
func TestObjectsAreFollowed(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "a"}}}
	s.Put(ns)
	const refresh = 200 * time.Millisecond
	o := objectsOf(t, s, Namespaces, refresh)
	var kept string
	version := o.Version() - 1
	look := func() string {
		if now := o.Version(); now != version {
			version, kept = now, ""
			if m := o.Get("", "shop"); m != nil {
				kept = m.Labels["team"]
			}
		}
		return kept
	}
	soon(t, "the label", func() bool { return look() == "a" })
	for end := time.Now().Add(10 * refresh); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if look() != "a" {
			t.Fatal("the object was forgotten while it was used")
		}
	}
	ns.Labels["team"] = "b"
	s.Put(ns)
	soon(t, "the new label", func() bool { return look() == "b" })
}

// TestObjectsOfAUID: an object that was made anew under its name is fetched when it is expected, and not after minutes.
func TestObjectsOfAUID(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: types.UID("1")}}
	s.Put(set)
	o := objectsOf(t, s, StatefulSets, time.Hour)
	soon(t, "the first", func() bool { return o.GetUID("shop", "db", "1") != nil })
	s.Delete(set)
	again := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: types.UID("2")}}
	s.Put(again)
	version := o.Version()
	soon(t, "the second", func() bool { return o.GetUID("shop", "db", "2") != nil })
	if o.Version() == version {
		t.Error("nobody is told")
	}
	s.ForgetRequests()
	for range 100 {
		o.GetUID("shop", "db", "3")
		time.Sleep(10 * time.Millisecond)
	}
	if n := len(s.Requests()); n > 2 {
		t.Errorf("%d requests for an object that is not there", n)
	}
}
