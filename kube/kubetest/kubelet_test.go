package kubetest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/kube/kubetest/clusters"
)

// ask gets a path of a kubelet.
func ask(t *testing.T, k *kubetest.Kubelet, token, path string) (int, string) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(k.CA())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, k.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func nodesRule(resources ...string) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: resources}}
}

func TestKubeletAsksTheServerAboutItsCaller(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Token: "secret"})
	s.Put(kubetest.Cluster(2, 12, 1).All()...)
	k := kubetest.NewKubelet(t, s, clusters.NodeName(1))
	const all = "/metrics /metrics/cadvisor /metrics/resource /metrics/probes /pods /stats/summary /healthz"
	for _, tt := range []struct {
		rules   []rbacv1.PolicyRule
		coarse  bool
		allowed string
	}{
		{nil, false, all},
		{nodesRule("pods"), false, ""},
		{nodesRule("nodes/metrics"), false, "/metrics /metrics/cadvisor /metrics/resource /metrics/probes"},
		{nodesRule("nodes/stats"), false, "/stats/summary"},
		{nodesRule("nodes/pods", "nodes/healthz"), false, "/pods /healthz"},
		{nodesRule("nodes/pods", "nodes/healthz"), true, ""},
		{nodesRule("nodes/proxy"), false, "/pods /healthz"}, // not metrics and stats
	} {
		s.Authorize(tt.rules)
		k.FineGrained(!tt.coarse)
		for path := range strings.FieldsSeq(all) {
			want := http.StatusForbidden
			if strings.Contains(" "+tt.allowed+" ", " "+path+" ") {
				want = http.StatusOK
			}
			if code, body := ask(t, k, "secret", path); code != want {
				t.Errorf("%v, coarse %v: %s: %d %.200s", tt.rules, tt.coarse, path, code, body)
			}
		}
	}
	if _, body := ask(t, k, "secret", "/metrics"); body != "Forbidden (user=system:serviceaccount:sluice:sluice, verb=get, resource=nodes, subresource(s)=[metrics])" {
		t.Errorf("got %s", body)
	}
	for _, token := range []string{"", "wrong"} {
		if code, body := ask(t, k, token, "/metrics"); code != http.StatusUnauthorized || body != "Unauthorized" {
			t.Errorf("with token %q: %d %s", token, code, body)
		}
	}
	if got := k.Requests(); len(got) != 7*7+3 || got[0] != (kubetest.KubeletRequest{Path: "/metrics", User: kubetest.DefaultUser, Code: 200}) {
		t.Errorf("%d requests, %+v", len(got), got[0])
	}
	node := s.Get(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: clusters.NodeName(1)}}).(*corev1.Node)
	if node.Status.Addresses[0].Address != "127.0.0.1" || !strings.HasSuffix(k.URL(), ":"+jsonOf(node.Status.DaemonEndpoints.KubeletEndpoint.Port)) {
		t.Errorf("the node does not lead to its kubelet: %+v", node.Status)
	}
}

func jsonOf(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// TestKubeletsPodsAreItsOwn: static pods have their own uid there, and their mirrors another one at the API server.
func TestKubeletsPodsAreItsOwn(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	c := kubetest.Cluster(2, 12, 1)
	s.Put(c.All()...)
	k := kubetest.NewKubelet(t, s, clusters.NodeName(0))
	_, body := ask(t, k, "any", "/pods")
	var list corev1.PodList
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Items) != 12 {
		t.Fatalf("%d pods, %v", len(list.Items), err)
	}
	static := 0
	for _, p := range list.Items {
		mirror, is := s.Get(&p).(*corev1.Pod)
		if !is {
			t.Fatalf("%s is not there", p.Name)
		}
		if hash := mirror.Annotations["kubernetes.io/config.hash"]; hash != "" {
			static++
			if string(p.UID) != hash || mirror.UID == p.UID || p.Annotations[corev1.MirrorPodAnnotationKey] != "" {
				t.Errorf("static pod: %s, mirror %s, hash %s", p.UID, mirror.UID, hash)
			}
		} else if p.UID != mirror.UID {
			t.Errorf("%s: %s, %s", p.Name, p.UID, mirror.UID)
		}
	}
	if static != 1 {
		t.Errorf("%d static pods", static)
	}
}
