package series

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluiceio/sluice/kube"
)

type (
	deployment  = *appsv1.Deployment
	replicaSet  = *appsv1.ReplicaSet
	statefulSet = *appsv1.StatefulSet
	daemonSet   = *appsv1.DaemonSet
)

// replicas is a number of pods.
func replicas[O any](name, help string, value func(O) int32) Family {
	return number(name, help, func(o O) float64 { return float64(value(o)) })
}

func observed[O any](prefix, what string, value func(O) int64) Family {
	return number(prefix+"_status_observed_generation", "The generation observed by the "+what+" controller.", func(o O) float64 { return float64(value(o)) })
}

func deployments() Kind {
	const p = "kube_deployment"
	return kindOf[deployment](kube.Deployments, "deployment",
		created[deployment](p),
		generation[deployment](p),
		observed(p, "deployment", func(o deployment) int64 { return o.Status.ObservedGeneration }),
		replicas(p+"_status_replicas", "The number of replicas per deployment.", func(o deployment) int32 { return o.Status.Replicas }),
		replicas(p+"_status_replicas_ready", "The number of ready replicas per deployment.", func(o deployment) int32 { return o.Status.ReadyReplicas }),
		replicas(p+"_status_replicas_available", "The number of available replicas per deployment.", func(o deployment) int32 { return o.Status.AvailableReplicas }),
		replicas(p+"_status_replicas_unavailable", "The number of unavailable replicas per deployment.", func(o deployment) int32 { return o.Status.UnavailableReplicas }),
		replicas(p+"_status_replicas_updated", "The number of updated replicas per deployment.", func(o deployment) int32 { return o.Status.UpdatedReplicas }),
		family(p+"_status_condition", "The current status conditions of a deployment.", func(p *Points, o deployment) {
			for _, c := range o.Status.Conditions {
				p.conditions(string(c.Status), "status", "reason", c.Reason, "condition", string(c.Type))
			}
		}),
		optional(p+"_spec_replicas", "Number of desired pods for a deployment.", func(o deployment) *int32 { return o.Spec.Replicas }),
		number(p+"_spec_paused", "Whether the deployment is paused and will not be processed by the deployment controller.", func(o deployment) float64 { return truth(o.Spec.Paused) }),
		family(p+"_spec_strategy_rollingupdate_max_unavailable", "Maximum number of unavailable replicas during a rolling update of a deployment.", func(p *Points, o deployment) {
			if r := o.Spec.Strategy.RollingUpdate; r != nil {
				share(p, o, r.MaxUnavailable, false)
			}
		}),
		family(p+"_spec_strategy_rollingupdate_max_surge", "Maximum number of replicas that can be scheduled above the desired number of replicas during a rolling update of a deployment.", func(p *Points, o deployment) {
			if r := o.Spec.Strategy.RollingUpdate; r != nil {
				share(p, o, r.MaxSurge, true)
			}
		}),
	)
}

// share adds a number of replicas that may be written in percent. One that cannot be read has no series.
func share(p *Points, o deployment, v *intstr.IntOrString, up bool) {
	if v == nil || o.Spec.Replicas == nil {
		return
	}
	if n, err := intstr.GetScaledValueFromIntOrPercent(v, int(*o.Spec.Replicas), up); err == nil {
		p.Add(float64(n))
	}
}

func replicaSets() Kind {
	const p = "kube_replicaset"
	return kindOf[replicaSet](kube.ReplicaSets, "replicaset",
		created[replicaSet](p),
		generation[replicaSet](p),
		owners[replicaSet](p, "ReplicaSet"),
		observed(p, "ReplicaSet", func(o replicaSet) int64 { return o.Status.ObservedGeneration }),
		optional(p+"_spec_replicas", "Number of desired pods for a ReplicaSet.", func(o replicaSet) *int32 { return o.Spec.Replicas }),
		replicas(p+"_status_replicas", "The number of replicas per ReplicaSet.", func(o replicaSet) int32 { return o.Status.Replicas }),
		replicas(p+"_status_fully_labeled_replicas", "The number of fully labeled replicas per ReplicaSet.", func(o replicaSet) int32 { return o.Status.FullyLabeledReplicas }),
		replicas(p+"_status_ready_replicas", "The number of ready replicas per ReplicaSet.", func(o replicaSet) int32 { return o.Status.ReadyReplicas }),
	)
}

func statefulSets() Kind {
	const p = "kube_statefulset"
	return kindOf[statefulSet](kube.StatefulSets, "statefulset",
		created[statefulSet](p),
		deleted[statefulSet](p),
		generation[statefulSet](p),
		observed(p, "StatefulSet", func(o statefulSet) int64 { return o.Status.ObservedGeneration }),
		optional(p+"_replicas", "Number of desired pods for a StatefulSet.", func(o statefulSet) *int32 { return o.Spec.Replicas }),
		family(p+"_ordinals_start", "Start ordinal of the StatefulSet.", func(p *Points, o statefulSet) {
			if o.Spec.Ordinals != nil {
				p.Add(float64(o.Spec.Ordinals.Start))
			}
		}),
		replicas(p+"_status_replicas", "The number of replicas per StatefulSet.", func(o statefulSet) int32 { return o.Status.Replicas }),
		replicas(p+"_status_replicas_available", "The number of available replicas per StatefulSet.", func(o statefulSet) int32 { return o.Status.AvailableReplicas }),
		replicas(p+"_status_replicas_current", "The number of current replicas per StatefulSet.", func(o statefulSet) int32 { return o.Status.CurrentReplicas }),
		replicas(p+"_status_replicas_ready", "The number of ready replicas per StatefulSet.", func(o statefulSet) int32 { return o.Status.ReadyReplicas }),
		replicas(p+"_status_replicas_updated", "The number of updated replicas per StatefulSet.", func(o statefulSet) int32 { return o.Status.UpdatedReplicas }),
		family(p+"_status_current_revision", "Indicates the version of the StatefulSet used to generate Pods in the sequence [0,currentReplicas).", func(p *Points, o statefulSet) {
			p.Add(1, "revision", o.Status.CurrentRevision)
		}),
		family(p+"_status_update_revision", "Indicates the version of the StatefulSet used to generate Pods in the sequence [replicas-updatedReplicas,replicas)", func(p *Points, o statefulSet) {
			p.Add(1, "revision", o.Status.UpdateRevision)
		}),
		family(p+"_persistentvolumeclaim_retention_policy", "Count of retention policy for StatefulSet template PVCs", func(p *Points, o statefulSet) {
			if r := o.Spec.PersistentVolumeClaimRetentionPolicy; r != nil {
				p.Add(1, "when_deleted", string(r.WhenDeleted), "when_scaled", string(r.WhenScaled))
			}
		}),
	)
}

func daemonSets() Kind {
	const p = "kube_daemonset"
	return kindOf[daemonSet](kube.DaemonSets, "daemonset",
		created[daemonSet](p),
		generation[daemonSet](p),
		observed(p, "daemonset", func(o daemonSet) int64 { return o.Status.ObservedGeneration }),
		replicas(p+"_status_current_number_scheduled", "The number of nodes running at least one daemon pod and are supposed to.", func(o daemonSet) int32 { return o.Status.CurrentNumberScheduled }),
		replicas(p+"_status_desired_number_scheduled", "The number of nodes that should be running the daemon pod.", func(o daemonSet) int32 { return o.Status.DesiredNumberScheduled }),
		replicas(p+"_status_number_available", "The number of nodes that should be running the daemon pod and have one or more of the daemon pod running and available", func(o daemonSet) int32 { return o.Status.NumberAvailable }),
		replicas(p+"_status_number_misscheduled", "The number of nodes running a daemon pod but are not supposed to.", func(o daemonSet) int32 { return o.Status.NumberMisscheduled }),
		replicas(p+"_status_number_ready", "The number of nodes that should be running the daemon pod and have one or more of the daemon pod running and ready.", func(o daemonSet) int32 { return o.Status.NumberReady }),
		replicas(p+"_status_number_unavailable", "The number of nodes that should be running the daemon pod and have none of the daemon pod running and available", func(o daemonSet) int32 { return o.Status.NumberUnavailable }),
		replicas(p+"_status_updated_number_scheduled", "The total number of nodes that are running updated daemon pod", func(o daemonSet) int32 { return o.Status.UpdatedNumberScheduled }),
	)
}
