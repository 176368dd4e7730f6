package kubetest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/sluiceio/sluice/kube/kubetest/nodemetrics"
	"github.com/sluiceio/sluice/kube/kubetest/rights"
	"github.com/sluiceio/sluice/kube/kubetest/selfsigned"
)

// Kubelet is a fake kubelet over TLS. It asks the API server who its caller is (TokenReview) and what he may
// (SubjectAccessReview), each time: the real one remembers answers for up to five minutes.
type Kubelet struct {
	server  *Server
	node    string
	started time.Time
	cert    *selfsigned.Certificate
	http    *httptest.Server
	ask     *kubernetes.Clientset
	coarse  atomic.Bool

	mu   sync.Mutex
	seen []KubeletRequest
}

// KubeletRequest is one request that a kubelet saw.
type KubeletRequest struct {
	Path, User string
	Code       int
}

// NewKubelet starts the kubelet of a node on a free port of 127.0.0.1, for the pods that the server then has on it. If the server has
// the node, its address and port become the kubelet's. It ends with the test.
func NewKubelet(t testing.TB, s *Server, node string) *Kubelet {
	t.Helper()
	cert, err := selfsigned.New()
	if err != nil {
		t.Fatal(err)
	}
	config := s.RESTConfig()
	config.BearerToken = rights.AdminToken
	ask, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	k := &Kubelet{server: s, node: node, started: time.Now().Add(-time.Hour), cert: cert, ask: ask}
	k.http = httptest.NewUnstartedServer(k)
	k.http.TLS = &tls.Config{Certificates: []tls.Certificate{cert.Pair}, MinVersion: tls.VersionTLS12}
	k.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	k.http.StartTLS()
	t.Cleanup(k.http.Close)
	if o, is := s.Get(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}).(*corev1.Node); is {
		at := netip.MustParseAddrPort(k.Address())
		o.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(at.Port())
		o.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: at.Addr().String()}, {Type: corev1.NodeHostName, Address: node}}
		s.Put(o)
	}
	return k
}

// Address is host and port.
func (k *Kubelet) Address() string { return k.http.Listener.Addr().String() }

// URL is where the kubelet is.
func (k *Kubelet) URL() string { return k.http.URL }

// CA is the certificate, which signs itself, as PEM.
func (k *Kubelet) CA() []byte { return k.cert.PEM }

// FineGrained switches the gate KubeletFineGrainedAuthz: on, nodes/pods and nodes/healthz suffice for their paths; off, only
// nodes/proxy does. It is on at first, as in Kubernetes 1.35.
func (k *Kubelet) FineGrained(on bool) { k.coarse.Store(!on) }

// Requests returns every request so far, oldest first.
func (k *Kubelet) Requests() []KubeletRequest {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]KubeletRequest(nil), k.seen...)
}

// ServeHTTP answers a request.
func (k *Kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, kind, body, user := k.answer(r)
	k.mu.Lock()
	k.seen = append(k.seen, KubeletRequest{r.URL.Path, user, code})
	k.mu.Unlock()
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

const plain = "text/plain; charset=utf-8"

func (k *Kubelet) answer(r *http.Request) (code int, kind string, body []byte, user string) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		return http.StatusUnauthorized, plain, []byte("Unauthorized"), ""
	}
	review, err := k.ask.AuthenticationV1().TokenReviews().Create(r.Context(), &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil || !review.Status.Authenticated {
		return http.StatusUnauthorized, plain, []byte("Unauthorized"), ""
	}
	user = review.Status.User.Username
	verb := map[string]string{http.MethodPost: "create", http.MethodGet: "get", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}[r.Method]
	subs := k.subresources(r.URL.Path)
	allowed, err := k.may(r.Context(), authorizationv1.SubjectAccessReviewSpec{User: user, Groups: review.Status.User.Groups, UID: review.Status.User.UID}, verb, subs)
	if err != nil {
		return http.StatusInternalServerError, plain, fmt.Appendf(nil, "Authorization error (user=%s, verb=%s, resource=nodes, subresource(s)=%v)", user, verb, subs), user
	}
	if !allowed {
		return http.StatusForbidden, plain, fmt.Appendf(nil, "Forbidden (user=%s, verb=%s, resource=nodes, subresource(s)=%v)", user, verb, subs), user
	}
	code, kind, body = k.say(r.URL.Path)
	return code, kind, body, user
}

// subresources are the rights of which one is needed for a path.
func (k *Kubelet) subresources(path string) []string {
	under := func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") }
	fine := !k.coarse.Load()
	switch {
	case under("/metrics"):
		return []string{"metrics"}
	case under("/stats"):
		return []string{"stats"}
	case under("/logs"):
		return []string{"log"}
	case fine && (under("/pods") || under("/runningpods")):
		return []string{"pods", "proxy"}
	case fine && under("/healthz"):
		return []string{"healthz", "proxy"}
	case fine && under("/configz"):
		return []string{"configz", "proxy"}
	}
	return []string{"proxy"}
}

func (k *Kubelet) may(ctx context.Context, who authorizationv1.SubjectAccessReviewSpec, verb string, subs []string) (bool, error) {
	for _, sub := range subs {
		who.ResourceAttributes = &authorizationv1.ResourceAttributes{Verb: verb, Version: "v1", Resource: "nodes", Subresource: sub, Name: k.node}
		answer, err := k.ask.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: who}, metav1.CreateOptions{})
		if err != nil || answer.Status.Allowed {
			return err == nil, err
		}
	}
	return false, nil
}

const expositionType = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

func (k *Kubelet) say(path string) (code int, kind string, body []byte) {
	n := &nodemetrics.Node{Name: k.node, Started: k.started, Now: time.Now(), Pods: k.pods()}
	var err error
	kind = expositionType
	switch path {
	case "/metrics":
		body = n.Kubelet()
	case "/metrics/cadvisor":
		body = n.CAdvisor()
	case "/metrics/resource":
		body = n.Resource()
	case "/metrics/probes":
		body = n.Probes()
	case "/stats/summary":
		kind = runtime.ContentTypeJSON
		body, err = n.Summary()
	case "/pods", "/runningpods/":
		kind = runtime.ContentTypeJSON
		body, err = json.Marshal(podList(n.Pods))
	case "/healthz":
		kind, body = plain, []byte("ok")
	default:
		return http.StatusNotFound, plain, []byte("404 page not found\n")
	}
	if err != nil {
		return http.StatusInternalServerError, plain, []byte(err.Error())
	}
	return http.StatusOK, kind, body
}

// pods are those that the API server has on the node.
func (k *Kubelet) pods() []*corev1.Pod {
	items, _, err := k.server.store.List("pods", "", 0)
	if err != nil {
		return nil
	}
	var out []*corev1.Pod
	for _, item := range items {
		if p := item.Object.(*corev1.Pod); p.Spec.NodeName == k.node {
			out = append(out, p)
		}
	}
	return out
}

// podList is /pods: static pods are themselves there, not their mirrors.
func podList(pods []*corev1.Pod) *corev1.PodList {
	list := &corev1.PodList{Items: []corev1.Pod{}}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	for _, p := range pods {
		c := *p.DeepCopy()
		c.UID = types.UID(nodemetrics.OwnUID(p))
		if c.UID != p.UID {
			delete(c.Annotations, corev1.MirrorPodAnnotationKey)
			c.OwnerReferences, c.ResourceVersion = nil, ""
		}
		list.Items = append(list.Items, c)
	}
	return list
}
