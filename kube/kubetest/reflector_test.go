package kubetest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/sluiceio/sluice/kube/kubetest"
)

// eventually fails the test if something does not become true.
func eventually(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func pod(namespace, name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "main", Image: "example/main:1"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

func pods(n int) []runtime.Object {
	var out []runtime.Object
	for i := range n {
		out = append(out, pod("default", fmt.Sprintf("p%03d", i), fmt.Sprintf("node-%d", i%2)))
	}
	return out
}

// client is client-go's, with the content type that it asks for.
func client(t testing.TB, s *kubetest.Server, contentType string) *kubernetes.Clientset {
	t.Helper()
	config := s.RESTConfig()
	config.ContentType = contentType
	if contentType != runtime.ContentTypeJSON {
		config.AcceptContentTypes = contentType + "," + runtime.ContentTypeJSON
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// informer runs client-go's informer of pods until the test ends.
func informer(t *testing.T, c *kubernetes.Clientset) cache.SharedIndexInformer {
	t.Helper()
	lw := cache.ToListWatcherWithWatchListSemantics(cache.NewListWatchFromClient(c.CoreV1().RESTClient(), "pods", "", fields.Everything()), c)
	i := cache.NewSharedIndexInformer(lw, &corev1.Pod{}, 0, cache.Indexers{})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { i.RunWithContext(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return i
}

func version(o any) string { return o.(*corev1.Pod).Labels["version"] }

// have reports whether the informer has as many pods as the server, each of a version.
func have(i cache.SharedIndexInformer, n int, v string) func() bool {
	return func() bool {
		all := i.GetStore().List()
		return len(all) == n && !slices.ContainsFunc(all, func(o any) bool { return version(o) != v })
	}
}

func TestReflectorsSeeEveryChange(t *testing.T) {
	for _, media := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		for _, streams := range []bool{true, false} {
			for _, tls := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/streams=%v/tls=%v", media, streams, tls), func(t *testing.T) {
					t.Parallel()
					s := kubetest.New(t, kubetest.Options{NoStreamingLists: !streams, TLS: tls, Token: "secret"})
					s.Put(pods(50)...)
					i := informer(t, client(t, s, media))
					eventually(t, "the first list", func() bool { return i.HasSynced() && have(i, 50, "")() })

					change := func(v string) {
						for _, p := range pods(50) {
							p.(*corev1.Pod).Labels["version"] = v
							s.Put(p)
						}
					}
					change("1")
					eventually(t, "a change", have(i, 50, "1"))
					eventually(t, "the watch", func() bool { return len(s.OpenWatches()) == 1 })
					s.CutWatches()
					change("2")
					eventually(t, "a change after the watch was cut", have(i, 50, "2"))
					eventually(t, "another watch instead of it", func() bool {
						watches := slices.DeleteFunc(s.Requests(), func(r kubetest.Request) bool { return r.Verb != "watch" || r.Code != http.StatusOK })
						return len(watches) == 2 && !watches[0].Open && watches[1].Open
					})
					s.Delete(pod("default", "p007", ""))
					eventually(t, "a deletion", have(i, 49, "2"))

					lists := 0
					for _, r := range s.Requests() {
						if r.Verb == "list" {
							lists++
						}
						if r.Verb == "watch" && r.Code == http.StatusOK && r.InitialEvents && r.Objects < 50 {
							t.Errorf("a streaming list sent %d objects", r.Objects)
						}
					}
					if want := map[bool]int{true: 0, false: 1}[streams]; lists != want {
						t.Errorf("%d lists, want %d: %+v", lists, want, s.Requests())
					}
				})
			}
		}
	}
}

func TestReflectorsSurviveGoneAndRestart(t *testing.T) {
	for _, streams := range []bool{true, false} {
		for _, status := range []bool{true, false} {
			t.Run(fmt.Sprintf("streams=%v/status=%v", streams, status), func(t *testing.T) {
				t.Parallel()
				s := kubetest.New(t, kubetest.Options{NoStreamingLists: !streams, GoneAsStatus: status})
				s.Put(pods(10)...)
				i := informer(t, client(t, s, runtime.ContentTypeProtobuf))
				eventually(t, "the first list", i.HasSynced)
				eventually(t, "the watch", func() bool { return len(s.OpenWatches()) == 1 })
				s.Put(pod("default", "late", "")) // client-go lists anew after a short watch that saw nothing
				eventually(t, "a change", have(i, 11, ""))
				before := len(s.Requests())
				s.Stop()
				s.Delete(pod("default", "p003", ""))
				s.Compact()
				s.Start()
				eventually(t, "a list after 410", have(i, 10, ""))
				gone := 0
				for _, r := range s.Requests()[before:] {
					if r.Code == http.StatusGone == status && r.Verb == "watch" && r.Objects == 0 && !r.Open && r.Code != http.StatusUnprocessableEntity {
						gone++
					}
				}
				if gone != 1 {
					t.Errorf("410 was answered %d times: %+v", gone, s.Requests()[before:])
				}
			})
		}
	}
}

// TestEveryKindIsGoneAfterCompaction: also one without changes of its own.
func TestEveryKindIsGoneAfterCompaction(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(pods(1)...)
	old := s.Get(pod("default", "p000", "")).(*corev1.Pod).ResourceVersion
	s.Compact()
	c := client(t, s, runtime.ContentTypeProtobuf)
	w, err := c.CoreV1().Nodes().Watch(t.Context(), metav1.ListOptions{ResourceVersion: old})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	e, open := <-w.ResultChan()
	if err := apierrors.FromObject(e.Object); !open || e.Type != watch.Error || !apierrors.IsResourceExpired(err) || !strings.HasPrefix(err.Error(), "too old resource version: "+old+" (") {
		t.Errorf("got %+v", e)
	}
	if e, open := <-w.ResultChan(); open {
		t.Errorf("after the error: %+v", e)
	}
}

// TestBookmarksMoveWatches: a watch that saw only bookmarks goes on from their version, so compaction before them does not matter.
func TestBookmarksMoveWatches(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(pods(1)...)
	c := client(t, s, runtime.ContentTypeProtobuf)
	w, err := c.CoreV1().Pods("").Watch(t.Context(), metav1.ListOptions{ResourceVersion: s.Get(pod("default", "p000", "")).(*corev1.Pod).ResourceVersion, AllowWatchBookmarks: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	s.Put(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}})
	eventually(t, "the watch", func() bool { return len(s.OpenWatches()) == 1 })
	s.SendBookmarks()
	e := <-w.ResultChan()
	node := s.Get(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}).(*corev1.Node)
	if p := e.Object.(*corev1.Pod); e.Type != watch.Bookmark || p.ResourceVersion != node.ResourceVersion || p.Name != "" {
		t.Errorf("got %v %+v, want a bookmark at %s", e.Type, p, node.ResourceVersion)
	}
}

func TestStreamingListsEndWithTheirBookmark(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(pods(3)...)
	c := client(t, s, runtime.ContentTypeJSON)
	yes := true
	options := metav1.ListOptions{SendInitialEvents: &yes, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true}
	w, err := c.CoreV1().Pods("").Watch(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for range 3 {
		if e := <-w.ResultChan(); e.Type != watch.Added {
			t.Fatalf("got %+v", e)
		}
	}
	e := <-w.ResultChan()
	if e.Type != watch.Bookmark || e.Object.(*corev1.Pod).Annotations[metav1.InitialEventsAnnotationKey] != "true" {
		t.Errorf("got %+v, want the bookmark that ends the list", e)
	}
	s.StreamLists(false)
	if _, err := c.CoreV1().Pods("").Watch(t.Context(), options); !apierrors.IsInvalid(err) {
		t.Errorf("an old server answers %v, want Invalid", err)
	}
	options.ResourceVersionMatch = ""
	s.StreamLists(true)
	if _, err := c.CoreV1().Pods("").Watch(t.Context(), options); !apierrors.IsInvalid(err) {
		t.Errorf("sendInitialEvents without a match: %v, want Invalid", err)
	}
}

func TestCounts(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(pods(4)...)
	c := client(t, s, runtime.ContentTypeJSON)
	for range 2 {
		if _, err := c.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=node-1"}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Counts()[kubetest.Asked{Verb: "list", Resource: "pods", Fields: "spec.nodeName=node-1"}]
	answer, err := http.Get(s.URL() + "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if got.Requests != 2 || got.Objects != 4 || got.Bytes != int64(2*len(body)) || got.Open != 0 || got.Failed != 0 {
		t.Errorf("got %+v, body %d", got, len(body))
	}
}

func TestForbiddenAsTheAPIServerSaysIt(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Token: "secret"})
	c := client(t, s, runtime.ContentTypeProtobuf)
	get := func(namespace, name string) error {
		_, err := c.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
		return err
	}
	list := func(namespace string) error {
		_, err := c.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
		return err
	}
	s.Authorize([]rbacv1.PolicyRule{
		{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"nodes/metrics"}},
		{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics", "/logs/*"}},
		{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"one"}},
	})
	raw := func(path string) error { return c.RESTClient().Get().AbsPath(path).Do(t.Context()).Error() }
	const who = `User "system:serviceaccount:sluice:sluice" cannot `
	for _, tt := range []struct {
		err  error
		want string
	}{
		{list(""), `pods is forbidden: ` + who + `list resource "pods" in API group "" at the cluster scope`},
		{list("a"), `pods is forbidden: ` + who + `list resource "pods" in API group "" in the namespace "a"`},
		{get("a", "x"), `pods "x" is forbidden: ` + who + `get resource "pods" in API group "" in the namespace "a"`},
		{raw("/apis/apps/v1/deployments"), `deployments.apps is forbidden: ` + who + `list resource "deployments" in API group "apps" at the cluster scope`},
		{raw("/api/v1/nodes/n/proxy/metrics"), `nodes "n" is forbidden: ` + who + `get resource "nodes/proxy" in API group "" at the cluster scope`},
		{raw("/api/v1/nodes/n/metrics"), `the server could not find the requested resource`},
		{raw("/debug/pprof"), `forbidden: ` + who + `get path "/debug/pprof"`},
		{raw("/metrics"), `the server could not find the requested resource`},
		{raw("/logs/x"), `the server could not find the requested resource`},
		{raw("/api/v1/namespaces/d/secrets/two"), `secrets "two" is forbidden: ` + who + `get resource "secrets" in API group "" in the namespace "d"`},
		{raw("/api/v1/namespaces/d/secrets/one"), `secrets "one" not found`},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
	s.AuthorizeIn("a", []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}})
	if err := list("a"); err != nil {
		t.Error(err)
	}
	if err := list("b"); !apierrors.IsForbidden(err) {
		t.Errorf("another namespace: %v", err)
	}
	s.SetToken("rotated")
	if err := list("a"); !apierrors.IsUnauthorized(err) {
		t.Errorf("the old token: %v", err)
	}
}
