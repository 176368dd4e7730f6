package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"
)

// namespace makes one with a level of Pod Security.
func (c *control) namespace(name, level string) {
	c.t.Helper()
	_, err := c.kube.CoreV1().Namespaces().Create(background, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": level}}}, metav1.CreateOptions{})
	c.must(err)
}

// rendered are the objects of a golden of the chart's tests.
func rendered(t *testing.T, path string) (out []*unstructured.Unstructured) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range strings.Split(string(b), "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			t.Fatal(err)
		}
		if o.Object != nil {
			out = append(out, o)
		}
	}
	return out
}

// TestTheServerTakesTheChart: a real API server takes every object that the chart renders, strictly, and runs its pods in namespaces of
// the level that the documentation names.
func TestTheServerTakesTheChart(t *testing.T) {
	c := start(t)
	c.namespace("sluice", "privileged")
	c.namespace("restricted", "restricted")
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.kube.Discovery()))
	goldens, err := filepath.Glob("../configs/helm/testdata/*.yaml")
	if err != nil || len(goldens) < 5 {
		t.Fatal(goldens, err)
	}
	for _, path := range goldens {
		t.Run(filepath.Base(path), func(t *testing.T) {
			taken := 0
			for _, o := range rendered(t, path) {
				kind := o.GroupVersionKind()
				if slices.Contains([]string{"monitoring.coreos.com", "cert-manager.io"}, kind.Group) {
					continue
				}
				mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
				if err != nil {
					t.Errorf("%s: %v", kind, err)
					continue
				}
				options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
				r := c.dynamic.Resource(mapping.Resource)
				if mapping.Scope.Name() == meta.RESTScopeNameRoot {
					_, err = r.Create(background, o, options)
				} else {
					_, err = r.Namespace("sluice").Create(background, o, options)
				}
				if err != nil {
					t.Errorf("%s %s: %v", kind.Kind, o.GetName(), err)
				}
				taken++
				c.runs(t, o)
			}
			if taken < 8 {
				t.Errorf("only %d objects", taken)
			}
		})
	}
}

// runs makes a pod of a workload's template: the collector's in a restricted namespace.
func (c *control) runs(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	var template corev1.PodTemplateSpec
	namespace := "restricted"
	convert := func(into any) {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into); err != nil {
			t.Fatal(err)
		}
	}
	switch o.GetKind() {
	case "DaemonSet":
		var d appsv1.DaemonSet
		convert(&d)
		template, namespace = d.Spec.Template, "sluice"
	case "StatefulSet":
		var s appsv1.StatefulSet
		convert(&s)
		template = s.Spec.Template
		for _, claim := range s.Spec.VolumeClaimTemplates {
			template.Spec.Volumes = append(template.Spec.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}}})
		}
	case "Deployment":
		var d appsv1.Deployment
		convert(&d)
		template = d.Spec.Template
	default:
		return
	}
	template.Spec.PriorityClassName = "" // the classes are made by the controllers of a whole cluster
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "trial", Labels: template.Labels}, Spec: template.Spec}
	if _, err := c.kube.CoreV1().Pods(namespace).Create(background, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Errorf("a pod of %s in a namespace %s: %v", o.GetName(), namespace, err)
	}
}
