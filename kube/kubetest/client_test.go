package kubetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"

	"github.com/sluiceio/sluice/kube/kubetest"
)

func names(list []corev1.Pod) string {
	var out []string
	for _, p := range list {
		out = append(out, p.Namespace+"/"+p.Name)
	}
	return strings.Join(out, " ")
}

func TestSelectors(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	done := pod("b", "done", "n2")
	done.Status.Phase, done.Labels = corev1.PodSucceeded, map[string]string{"app": "job", "tier": "batch"}
	s.Put(pod("a", "x", "n1"), pod("a", "y", "n2"), done)
	s.Put(&corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "e1"}, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "x", UID: "u"}, Reason: "Killing", Type: "Normal"},
		&corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "e2"}, InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "x"}, Type: "Warning"})
	c := client(t, s, runtime.ContentTypeProtobuf)
	for _, tt := range []struct{ namespace, labels, fields, want string }{
		{"", "", "", "a/x a/y b/done"},
		{"a", "", "", "a/x a/y"},
		{"", "", "spec.nodeName=n2", "a/y b/done"},
		{"", "", "spec.nodeName=n2,status.phase!=Succeeded", "a/y"},
		{"", "", "metadata.namespace!=a", "b/done"},
		{"", "", "metadata.name=x", "a/x"},
		{"", "app in (x, job)", "", "a/x b/done"},
		{"", "app notin (x)", "", "a/y b/done"},
		{"", "tier", "", "b/done"},
		{"", "!tier", "spec.nodeName=n1", "a/x"},
	} {
		list, err := c.CoreV1().Pods(tt.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: tt.labels, FieldSelector: tt.fields})
		if err != nil || names(list.Items) != tt.want {
			t.Errorf("%+v: %s, %v", tt, names(list.Items), err)
		}
	}
	for selector, want := range map[string]string{"involvedObject.kind=Pod,involvedObject.name=x": "e1", "type=Warning": "e2", "reason=Killing": "e1", "involvedObject.uid=u": "e1"} {
		list, err := c.CoreV1().Events("").List(t.Context(), metav1.ListOptions{FieldSelector: selector})
		if err != nil || len(list.Items) != 1 || list.Items[0].Name != want {
			t.Errorf("%s: %v, %v", selector, list.Items, err)
		}
	}
	_, err := c.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.color=red"})
	if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "field label not supported: spec.color") {
		t.Errorf("got %v", err)
	}
	if _, err := c.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{LabelSelector: "a in"}); !apierrors.IsBadRequest(err) {
		t.Errorf("got %v", err)
	}
}

// TestWatchesSeeWhatBeginsAndEndsToMatch: to a watch with a selector, an object that leaves it is deleted.
func TestWatchesSeeWhatBeginsAndEndsToMatch(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	w, err := client(t, s, runtime.ContentTypeJSON).CoreV1().Pods("a").Watch(t.Context(), metav1.ListOptions{LabelSelector: "on=yes"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	put := func(namespace, on string) {
		p := pod(namespace, "x", "n")
		p.Labels = map[string]string{"on": on}
		s.Put(p)
	}
	for _, on := range []string{"no", "yes", "yes", "no", "yes"} {
		put("a", on)
		put("b", on)
	}
	s.Delete(pod("a", "x", ""))
	last := ""
	for _, want := range []string{"ADDED yes", "MODIFIED yes", "DELETED yes", "ADDED yes", "DELETED yes"} {
		e := <-w.ResultChan()
		p := e.Object.(*corev1.Pod)
		if got := string(e.Type) + " " + p.Labels["on"]; got != want || p.ResourceVersion <= last {
			t.Errorf("got %s at %s after %s, want %s", got, p.ResourceVersion, last, want)
		}
		last = p.ResourceVersion
	}
}

func TestPages(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(pods(7)...)
	c := client(t, s, runtime.ContentTypeProtobuf).CoreV1().Pods("")
	first, err := c.List(t.Context(), metav1.ListOptions{Limit: 3})
	if err != nil || len(first.Items) != 3 || first.Continue == "" || *first.RemainingItemCount != 4 {
		t.Fatalf("got %+v, %v", first.ListMeta, err)
	}
	s.Delete(pod("default", "p005", "")) // the pages go on at their version
	s.Put(pod("default", "p0055", ""))
	second, err := c.List(t.Context(), metav1.ListOptions{Limit: 10, Continue: first.Continue})
	if err != nil || names(second.Items) != "default/p003 default/p004 default/p005 default/p006" || second.ResourceVersion != first.ResourceVersion || second.Continue != "" {
		t.Fatalf("got %s %+v, %v", names(second.Items), second.ListMeta, err)
	}
	s.Compact()
	_, err = c.List(t.Context(), metav1.ListOptions{Limit: 10, Continue: first.Continue})
	if !apierrors.IsResourceExpired(err) {
		t.Fatalf("got %v, want 410", err)
	}
	rest, err := c.List(t.Context(), metav1.ListOptions{Continue: err.(apierrors.APIStatus).Status().Continue})
	if err != nil || names(rest.Items) != "default/p003 default/p004 default/p0055 default/p006" {
		t.Errorf("got %s, %v", names(rest.Items), err)
	}
	whole, err := c.List(t.Context(), metav1.ListOptions{Limit: 3, ResourceVersion: "0"})
	if err != nil || len(whole.Items) != 7 || whole.Continue != "" {
		t.Errorf("from the cache: %d, %v", len(whole.Items), err)
	}
	if _, err = c.List(t.Context(), metav1.ListOptions{ResourceVersion: first.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact}); !apierrors.IsResourceExpired(err) {
		t.Errorf("an exact old version: %v", err)
	}
	core := client(t, s, runtime.ContentTypeProtobuf).CoreV1().RESTClient()
	if err = core.Get().MaxRetries(0).AbsPath("/api/v1/pods").Param("resourceVersion", "999999").Do(t.Context()).Error(); !apierrors.IsTimeout(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
		t.Errorf("a version that is yet to come: %v", err)
	}
	n := 0
	p := pager.New(pager.SimplePageFunc(func(o metav1.ListOptions) (runtime.Object, error) { return c.List(t.Context(), o) }))
	p.PageSize = 2
	if err := p.EachListItem(t.Context(), metav1.ListOptions{}, func(runtime.Object) error { n++; return nil }); err != nil || n != 7 {
		t.Errorf("client-go's pager: %d, %v", n, err)
	}
}

func TestMetadataInformers(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(pods(5)...)
	c, err := metadata.NewForConfig(s.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	f := metadatainformer.NewSharedInformerFactory(c, 0)
	i := f.ForResource(corev1.SchemeGroupVersion.WithResource("pods")).Informer()
	ctx, stop := context.WithCancel(t.Context())
	f.Start(ctx.Done())
	defer f.Shutdown()
	defer stop()
	eventually(t, "the list", i.HasSynced)
	p := pod("default", "p003", "n")
	p.Annotations = map[string]string{"a": "b"}
	s.Put(p)
	eventually(t, "a change", func() bool {
		o, _, _ := i.GetStore().GetByKey("default/p003")
		return o.(*metav1.PartialObjectMetadata).Annotations["a"] == "b"
	})
	list, err := c.Resource(corev1.SchemeGroupVersion.WithResource("pods")).List(t.Context(), metav1.ListOptions{Limit: 2})
	if err != nil || len(list.Items) != 2 || list.Items[0].Labels["app"] != "p000" || list.Continue == "" {
		t.Errorf("got %+v, %v", list, err)
	}
	if slices.ContainsFunc(s.Requests(), func(r kubetest.Request) bool { return !r.Partial }) {
		t.Errorf("%+v", s.Requests())
	}
}

func TestDiscoveryAndTheDynamicClient(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Token: "secret", TLS: true})
	s.Authorize([]rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"apps"}, Resources: []string{"*"}}})
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	groups, resources, err := c.Discovery().ServerGroupsAndResources()
	if err != nil || len(groups) != 12 || !strings.Contains(fmt.Sprint(resources), "horizontalpodautoscalers/status") {
		t.Errorf("%d groups, %v, %v", len(groups), resources, err)
	}
	if v, err := c.Discovery().ServerVersion(); err != nil || v.Minor != "35" {
		t.Errorf("%v, %v", v, err)
	}
	d, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range resources {
		for _, r := range list.APIResources {
			if list.GroupVersion != "apps/v1" || strings.Contains(r.Name, "/") {
				continue
			}
			gvr := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: r.Name}
			if l, err := d.Resource(gvr).List(t.Context(), metav1.ListOptions{}); err != nil || l.GetKind() != r.Kind+"List" {
				t.Errorf("%s: %v", r.Name, err)
			}
		}
	}
}

func TestLeaderElection(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	c := client(t, s, runtime.ContentTypeProtobuf)
	var leaders atomic.Int32
	led := make(chan string, 10)
	run := func(id string) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock:          &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: "sluice", Name: "events"}, Client: c.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: id}},
			LeaseDuration: time.Second, RenewDeadline: 500 * time.Millisecond, RetryPeriod: 20 * time.Millisecond, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) {
					if leaders.Add(1) != 1 {
						t.Error("two leaders")
					}
					led <- id
				},
				OnStoppedLeading: func() { leaders.Add(-1) },
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		return func() { cancel(); running.Wait() }
	}
	stopFirst := run("first")
	if got := <-led; got != "first" {
		t.Fatal(got)
	}
	var stops []func()
	for _, id := range []string{"second", "third"} {
		stops = append(stops, run(id))
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "sluice", Name: "events"}}
	old := s.Get(lease).(*coordinationv1.Lease)
	eventually(t, "a renewal", func() bool { return s.Get(lease).(*coordinationv1.Lease).ResourceVersion != old.ResourceVersion })
	if _, err := c.CoordinationV1().Leases("sluice").Update(t.Context(), old, metav1.UpdateOptions{}); !apierrors.IsConflict(err) ||
		!strings.HasPrefix(err.Error(), `Operation cannot be fulfilled on leases.coordination.k8s.io "events": the object has been modified`) {
		t.Errorf("an old version: %v", err)
	}
	stopFirst()
	if got := <-led; got == "first" {
		t.Error("the first leads again")
	}
	for _, stop := range stops {
		stop()
	}
}

func TestWrites(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	c := client(t, s, runtime.ContentTypeProtobuf).CoreV1().Pods("default")
	p := pod("default", "p", "n1")
	made, err := c.Create(t.Context(), p, metav1.CreateOptions{})
	if err != nil || made.UID == "" || made.ResourceVersion == "" || made.CreationTimestamp.IsZero() || made.Status.Phase != "" {
		t.Fatalf("got %+v, %v", made, err)
	}
	if _, err = c.Create(t.Context(), p, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Error(err)
	}
	made.Status.Phase = corev1.PodFailed
	same, err := c.Update(t.Context(), made, metav1.UpdateOptions{})
	if err != nil || same.ResourceVersion != made.ResourceVersion || same.Status.Phase != "" {
		t.Errorf("an update of the status alone: %v, %v", same, err)
	}
	failed, err := c.UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	if err != nil || failed.Status.Phase != corev1.PodFailed || failed.Generation != made.Generation {
		t.Errorf("%v, %v", failed, err)
	}
	patched, err := c.Patch(t.Context(), "p", types.MergePatchType, []byte(`{"metadata":{"labels":{"app":null,"b":"c"}},"spec":{"hostNetwork":true}}`), metav1.PatchOptions{})
	if err != nil || len(patched.Labels) != 1 || !patched.Spec.HostNetwork || patched.Spec.Containers[0].Name != "main" || patched.Generation != made.Generation+1 {
		t.Errorf("%v, %v", patched, err)
	}
	if _, err = c.Patch(t.Context(), "p", types.StrategicMergePatchType, []byte(`{"spec":{"containers":[{"name":"side"}]}}`), metav1.PatchOptions{}); err != nil {
		t.Error(err)
	} else if n := len(s.Get(p).(*corev1.Pod).Spec.Containers); n != 2 {
		t.Errorf("%d containers after a strategic merge", n)
	}
	if _, err = c.Patch(t.Context(), "p", types.JSONPatchType, []byte(`[]`), metav1.PatchOptions{}); !apierrors.IsUnsupportedMediaType(err) {
		t.Error(err)
	}
	wrong := types.UID("wrong")
	if err = c.Delete(t.Context(), "p", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &wrong}}); !apierrors.IsConflict(err) {
		t.Error(err)
	}
	if err = c.Delete(t.Context(), "p", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	if _, err = c.Get(t.Context(), "p", metav1.GetOptions{}); !apierrors.IsNotFound(err) || err.Error() != `pods "p" not found` {
		t.Error(err)
	}
	held := pod("default", "held", "n1")
	held.Finalizers = []string{"example/hold"}
	s.Put(held)
	if err = c.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	now := s.Get(held)
	if now == nil || now.(*corev1.Pod).DeletionTimestamp == nil {
		t.Fatalf("with a finalizer: %v", now)
	}
	free := now.(*corev1.Pod)
	free.Finalizers = nil
	if _, err = c.Update(t.Context(), free, metav1.UpdateOptions{}); err != nil || s.Get(held) != nil {
		t.Errorf("after its finalizer: %v, %v", s.Get(held), err)
	}
}

func TestReviews(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Token: "secret"})
	rules := []rbacv1.PolicyRule{
		{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"nodes/metrics"}},
		{Verbs: []string{"create"}, APIGroups: []string{"*"}, Resources: []string{"tokenreviews", "subjectaccessreviews"}},
	}
	s.Authorize(rules)
	c := client(t, s, runtime.ContentTypeProtobuf)
	for token, want := range map[string]bool{"secret": true, "other": false} {
		r, err := c.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
		if err != nil || r.Status.Authenticated != want || (r.Status.User.Username == kubetest.DefaultUser) != want {
			t.Errorf("%s: %+v, %v", token, r, err)
		}
	}
	for sub, want := range map[string]bool{"metrics": true, "stats": false, "": false} {
		of := &authorizationv1.ResourceAttributes{Verb: "get", Resource: "nodes", Subresource: sub, Name: "n1"}
		r, err := c.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: kubetest.DefaultUser, ResourceAttributes: of}}, metav1.CreateOptions{})
		if err != nil || r.Status.Allowed != want {
			t.Errorf("%s: %+v, %v", sub, r, err)
		}
		self, err := c.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: of}}, metav1.CreateOptions{})
		if err != nil || self.Status.Allowed != want {
			t.Errorf("%s: %+v, %v", sub, self, err)
		}
	}
	s.Authorize(rules[:1])
	if _, err := c.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{}, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("without the right: %v", err)
	}
}

func TestFaults(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	config := s.RESTConfig()
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	list := func() error {
		_, err := c.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
		return err
	}
	s.Inject(kubetest.Fault{Verb: "list", Resource: "pods", Code: http.StatusInternalServerError, Times: 1})
	if err := list(); !apierrors.IsInternalError(err) {
		t.Error(err)
	}
	remove := s.Inject(kubetest.Fault{Code: http.StatusTooManyRequests}) // client-go repeats only what has Retry-After
	if err := list(); !apierrors.IsTooManyRequests(err) {
		t.Error(err)
	}
	remove()
	s.Inject(kubetest.Fault{Code: http.StatusTooManyRequests, RetryAfter: time.Second, Times: 1})
	before, n := time.Now(), len(s.Requests())
	if err := list(); err != nil || time.Since(before) < time.Second || len(s.Requests()) != n+2 {
		t.Errorf("client-go did not wait and repeat: %v", err)
	}
	s.Inject(kubetest.Fault{Delay: 30 * time.Millisecond})
	before = time.Now()
	if err := list(); err != nil || time.Since(before) < 30*time.Millisecond {
		t.Errorf("no delay: %v", err)
	}
	open, err := http.Get(s.URL() + "/api/v1/nodes?watch=true")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Body.Close()
	s.CutWatches()
	if _, err := io.ReadAll(open.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a watch that is cut ends with %v", err)
	}
	s.Stop()
	if err := list(); err == nil {
		t.Error("a stopped server answers")
	}
	s.Start()
	if err := list(); err != nil {
		t.Error(err)
	}
}
