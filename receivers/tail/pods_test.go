package tail

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// TestPodsChoose: files are read by what their pods say of themselves. A pod that is not known is left until it is, and one whose logs
// are read stays.
func TestPodsChoose(t *testing.T) {
	t.Setenv("K8S_NODE_NAME", "n1")
	server := kubetest.New(t, kubetest.Options{})
	pod := func(name string, labels, annotations map[string]string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Labels: labels, Annotations: annotations},
			Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c"}}}, Status: corev1.PodStatus{Phase: corev1.PodRunning},
		}
	}
	web, quiet := map[string]string{"app": "web"}, map[string]string{"sluice.io/logs": "false"}
	server.Put(pod("chosen", web, nil))
	server.Put(pod("other", map[string]string{"app": "db"}, nil))
	server.Put(pod("quiet", web, quiet))
	server.Put(pod("debug", map[string]string{"app": "web", "tier": "debug"}, nil))
	server.Put(pod("java", web, map[string]string{"sluice.io/multiline": "java"}))

	dir := filepath.Join(t.TempDir(), "pods")
	say := func(pod, line string) {
		folder := filepath.Join(dir, "shop_"+pod+"_uid-"+pod, "c")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(folder, "0.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintf(f, "%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), line)
	}
	for _, name := range []string{"chosen", "other", "quiet", "debug", "late"} {
		say(name, name+" 1")
	}
	say("java", "java.lang.IllegalStateException: no")
	say("java", "\tat shop.Cart.add(Cart.java:7)")

	c := pipelinetest.Decode(t, Default(), `
include: ["`+dir+`/*/*/*.log"]
start_at: beginning
linger: 0s
poll_interval: 20ms
pods: {auth_type: kubeConfig, kubeconfig_file: "`+server.Kubeconfig(t)+`", node_from_env_var: K8S_NODE_NAME, include_labels: app=web, exclude_labels: tier=debug}`)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	out := &pipelinetest.Recorder{}
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "tail")
	s.DataDir = t.TempDir()
	r, err := New(s, c, pipeline.OutputsTo(out, pipeline.Logs))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Stop(context.Background()) }()
	lines := func() (all []string) {
		for _, b := range out.Batches() {
			for rs := b.Request.Resources(); rs.Next(); {
				for ss := rs.Scopes(); ss.Next(); {
					for items := ss.Items(); items.Next(); {
						all = append(all, string(wire.ParseLog(items.Bytes()).Body.Str()))
					}
				}
			}
		}
		slices.Sort(all)
		return all
	}
	want := func(all ...string) {
		t.Helper()
		slices.Sort(all)
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if got := lines(); slices.Equal(got, all) {
				return
			} else if time.Now().After(end) {
				t.Fatalf("got %q, want %q", got, all)
			}
		}
	}
	trace := "java.lang.IllegalStateException: no\n\tat shop.Cart.add(Cart.java:7)"
	want("chosen 1", trace)
	server.Put(pod("late", web, nil)) // the API server shows it now
	want("chosen 1", "late 1", trace)
	server.Put(pod("chosen", map[string]string{"app": "db"}, nil)) // its logs are read already
	server.Put(pod("other", web, nil))                             // it is a web now
	time.Sleep(100 * time.Millisecond)
	say("chosen", "chosen 2")
	want("chosen 1", "chosen 2", "late 1", "other 1", trace)
	if strings.Contains(fmt.Sprint(lines()), "quiet") {
		t.Error("the logs of a pod that asks for silence were read")
	}
}
