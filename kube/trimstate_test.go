package kube

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	made "github.com/sluiceio/sluice/kube/kubetest/clusters"
)

// TestTrimmedTwice: informers may trim an object again, and nothing more goes then; for every need that components share.
func TestTrimmedTwice(t *testing.T) {
	for _, need := range []Need{Identity, Targets, State, Identity | Targets, Identity | State, Targets | State, Identity | Targets | State} {
		trim := trimmer(Want{Need: need})
		for _, o := range made.New(2, 10, 4).All() {
			once, err := trim(o.DeepCopyObject())
			if err != nil {
				t.Fatal(err)
			}
			var again any = once
			if c, is := once.(runtime.Object); is {
				again = c.DeepCopyObject()
			}
			twice, err := trim(again)
			if err != nil || !reflect.DeepEqual(once, twice) {
				t.Errorf("need %b: %T is\n%v\nand then\n%v, %v", need, o, once, twice, err)
			}
		}
	}
}

// TestStateKeepsWhatTheOthersNeed: where kube_state shares a watch with discovery and attributes, they see what they see alone.
func TestStateKeepsWhatTheOthersNeed(t *testing.T) {
	for _, o := range made.New(4, 10, 4).All() {
		alone, err := trimmer(Want{Need: Targets})(o.DeepCopyObject())
		if err != nil {
			t.Fatal(err)
		}
		shared, err := trimmer(Want{Need: Identity | Targets | State})(o.DeepCopyObject())
		if err != nil {
			t.Fatal(err)
		}
		switch shared := shared.(type) {
		case *corev1.Service:
			if got, err := encodedService(shared); err != nil || !got.(*Service).Same(alone.(*Service)) {
				t.Errorf("got\n%v\nwant\n%v", ServiceOf(got), ServiceOf(alone))
			}
		case *corev1.Pod:
			if got := targetPod(shared); !reflect.DeepEqual(got, alone) {
				t.Errorf("got\n%v\nwant\n%v", got, alone)
			}
			if want := identityOf(o.DeepCopyObject().(*corev1.Pod)); !reflect.DeepEqual(PodOf(shared), want) {
				t.Errorf("got\n%v\nwant\n%v", PodOf(shared), want)
			}
		case *corev1.Node:
			again, _ := trimmer(Want{Need: Targets})(shared)
			if !reflect.DeepEqual(again, alone) {
				t.Errorf("got\n%v\nwant\n%v", again, alone)
			}
		}
	}
}
