package series

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sluiceio/sluice/kube"
)

type (
	autoscaler = *autoscalingv2.HorizontalPodAutoscaler
	budget     = *policyv1.PodDisruptionBudget
	quota      = *corev1.ResourceQuota
)

func horizontalPodAutoscalers() Kind {
	const p = "kube_horizontalpodautoscaler"
	return kindOf[autoscaler](kube.HorizontalPodAutoscalers, "horizontalpodautoscaler",
		family(p+"_info", "Information about this autoscaler.", func(p *Points, o autoscaler) {
			t := o.Spec.ScaleTargetRef
			p.Add(1, "scaletargetref_api_version", t.APIVersion, "scaletargetref_kind", t.Kind, "scaletargetref_name", t.Name)
		}),
		generation[autoscaler](p),
		replicas(p+"_spec_max_replicas", "Upper limit for the number of pods that can be set by the autoscaler; cannot be smaller than MinReplicas.", func(o autoscaler) int32 { return o.Spec.MaxReplicas }),
		optional(p+"_spec_min_replicas", "Lower limit for the number of pods that can be set by the autoscaler, default 1.", func(o autoscaler) *int32 { return o.Spec.MinReplicas }),
		family(p+"_spec_target_metric", "The metric specifications used by this autoscaler when calculating the desired replica count.", targetMetrics),
		replicas(p+"_status_current_replicas", "Current number of replicas of pods managed by this autoscaler.", func(o autoscaler) int32 { return o.Status.CurrentReplicas }),
		replicas(p+"_status_desired_replicas", "Desired number of replicas of pods managed by this autoscaler.", func(o autoscaler) int32 { return o.Status.DesiredReplicas }),
		family(p+"_status_target_metric", "The current metric status used by this autoscaler when calculating the desired replica count.", presentMetrics),
		family(p+"_status_condition", "The condition of this autoscaler.", func(p *Points, o autoscaler) {
			for _, c := range o.Status.Conditions {
				p.conditions(string(c.Status), "status", "condition", string(c.Type))
			}
		}),
	)
}

func targetMetrics(p *Points, o autoscaler) {
	for i := range o.Spec.Metrics {
		m := &o.Spec.Metrics[i]
		switch {
		case m.Object != nil:
			target(p, m.Object.Metric.Name, "", &m.Object.Target)
		case m.Pods != nil:
			target(p, m.Pods.Metric.Name, "", &m.Pods.Target)
		case m.Resource != nil:
			target(p, string(m.Resource.Name), "", &m.Resource.Target)
		case m.ContainerResource != nil:
			target(p, string(m.ContainerResource.Name), m.ContainerResource.Container, &m.ContainerResource.Target)
		case m.External != nil:
			target(p, m.External.Metric.Name, "", &m.External.Target)
		}
	}
}

func presentMetrics(p *Points, o autoscaler) {
	for i := range o.Status.CurrentMetrics {
		m := &o.Status.CurrentMetrics[i]
		switch {
		case m.Object != nil:
			present(p, m.Object.Metric.Name, "", &m.Object.Current)
		case m.Pods != nil:
			present(p, m.Pods.Metric.Name, "", &m.Pods.Current)
		case m.Resource != nil:
			present(p, string(m.Resource.Name), "", &m.Resource.Current)
		case m.ContainerResource != nil:
			present(p, string(m.ContainerResource.Name), m.ContainerResource.Container, &m.ContainerResource.Current)
		case m.External != nil:
			present(p, m.External.Metric.Name, "", &m.External.Current)
		}
	}
}

func present(p *Points, metric, container string, v *autoscalingv2.MetricValueStatus) {
	target(p, metric, container, &autoscalingv2.MetricTarget{Value: v.Value, AverageUtilization: v.AverageUtilization, AverageValue: v.AverageValue})
}

func target(p *Points, metric, container string, t *autoscalingv2.MetricTarget) {
	add := func(kind string, v float64) {
		p.Add(v, "metric_name", metric, "metric_target_type", kind, "container", container)
	}
	quantity := func(kind string, q *resource.Quantity) {
		if q != nil {
			add(kind, numberOf(*q))
		}
	}
	quantity("value", t.Value)
	if t.AverageUtilization != nil {
		add("utilization", float64(*t.AverageUtilization))
	}
	quantity("average", t.AverageValue)
}

func podDisruptionBudgets() Kind {
	const p = "kube_poddisruptionbudget"
	return kindOf[budget](kube.PodDisruptionBudgets, "poddisruptionbudget",
		created[budget](p),
		replicas(p+"_status_current_healthy", "Current number of healthy pods", func(o budget) int32 { return o.Status.CurrentHealthy }),
		replicas(p+"_status_desired_healthy", "Minimum desired number of healthy pods", func(o budget) int32 { return o.Status.DesiredHealthy }),
		replicas(p+"_status_pod_disruptions_allowed", "Number of pod disruptions that are currently allowed", func(o budget) int32 { return o.Status.DisruptionsAllowed }),
		replicas(p+"_status_expected_pods", "Total number of pods counted by this disruption budget", func(o budget) int32 { return o.Status.ExpectedPods }),
		number(p+"_status_observed_generation", "Most recent generation observed when updating this PDB status", func(o budget) float64 { return float64(o.Status.ObservedGeneration) }),
	)
}

func resourceQuotas() Kind {
	const p = "kube_resourcequota"
	return kindOf[quota](kube.ResourceQuotas, "resourcequota",
		created[quota](p),
		family(p, "Information about resource quota.", func(p *Points, o quota) {
			for name, q := range o.Status.Hard {
				p.Add(numberOf(q), "resource", string(name), "type", "hard")
			}
			for name, q := range o.Status.Used {
				p.Add(numberOf(q), "resource", string(name), "type", "used")
			}
		}),
	)
}
