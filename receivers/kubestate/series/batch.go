package series

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube"
)

type (
	job     = *batchv1.Job
	cronJob = *batchv1.CronJob
)

func jobs() Kind {
	const p = "kube_job"
	return kindOf[job](kube.Jobs, "job_name",
		number(p+"_info", "Information about job.", func(job) float64 { return 1 }),
		created[job](p),
		owners[job](p, "Job"),
		optional(p+"_spec_parallelism", "The maximum desired number of pods the job should run at any given time.", func(o job) *int32 { return o.Spec.Parallelism }),
		optional(p+"_spec_completions", "The desired number of successfully finished pods the job should be run with.", func(o job) *int32 { return o.Spec.Completions }),
		optional(p+"_spec_active_deadline_seconds", "The duration in seconds relative to the startTime that the job may be active before the system tries to terminate it.", func(o job) *int64 { return o.Spec.ActiveDeadlineSeconds }),
		replicas(p+"_status_active", "The number of actively running pods.", func(o job) int32 { return o.Status.Active }),
		replicas(p+"_status_succeeded", "The number of pods which reached Phase Succeeded.", func(o job) int32 { return o.Status.Succeeded }),
		family(p+"_status_failed", "The number of pods which reached Phase Failed and the reason for failure.", jobFailures),
		family(p+"_complete", "The job has completed its execution.", func(p *Points, o job) { jobCondition(p, o, batchv1.JobComplete) }),
		family(p+"_failed", "The job has failed its execution.", func(p *Points, o job) { jobCondition(p, o, batchv1.JobFailed) }),
		family(p+"_status_suspended", "The number of pods which reached Phase Suspended.", func(p *Points, o job) {
			for _, c := range o.Status.Conditions {
				if c.Type == batchv1.JobSuspended {
					p.Add(truth(c.Status == corev1.ConditionTrue))
				}
			}
		}),
		instant(p+"_status_start_time", "StartTime represents time when the job was acknowledged by the Job Manager.", func(o job) *metav1.Time { return o.Status.StartTime }),
		instant(p+"_status_completion_time", "CompletionTime represents time when the job was completed.", func(o job) *metav1.Time { return o.Status.CompletionTime }),
	)
}

func jobCondition(p *Points, o job, t batchv1.JobConditionType) {
	for _, c := range o.Status.Conditions {
		if c.Type == t {
			p.conditions(string(c.Status), "condition")
		}
	}
}

// jobFailures has the number of failed pods while no reason is known, else 1 at the job's reason.
func jobFailures(p *Points, o job) {
	if o.Status.Failed == 0 {
		p.Add(0)
		return
	}
	known := false
	for _, c := range o.Status.Conditions {
		if c.Type == batchv1.JobFailed {
			for _, reason := range []string{"BackoffLimitExceeded", "DeadlineExceeded", "Evicted"} {
				known = known || c.Reason == reason
				p.Add(truth(c.Reason == reason), "reason", reason)
			}
		}
	}
	if !known {
		p.Add(float64(o.Status.Failed))
	}
}

func cronJobs() Kind {
	const p = "kube_cronjob"
	return kindOf[cronJob](kube.CronJobs, "cronjob",
		family(p+"_info", "Info about cronjob.", func(p *Points, o cronJob) {
			zone := "local"
			if o.Spec.TimeZone != nil {
				zone = *o.Spec.TimeZone
			}
			p.Add(1, "schedule", o.Spec.Schedule, "concurrency_policy", string(o.Spec.ConcurrencyPolicy), "timezone", zone)
		}),
		created[cronJob](p),
		number(p+"_status_active", "Active holds pointers to currently running jobs.", func(o cronJob) float64 { return float64(len(o.Status.Active)) }),
		instant(p+"_status_last_schedule_time", "LastScheduleTime keeps information of when was the last time the job was successfully scheduled.", func(o cronJob) *metav1.Time { return o.Status.LastScheduleTime }),
		instant(p+"_status_last_successful_time", "LastSuccessfulTime keeps information of when was the last time the job was completed successfully.", func(o cronJob) *metav1.Time { return o.Status.LastSuccessfulTime }),
		family(p+"_spec_suspend", "Suspend flag tells the controller to suspend subsequent executions.", func(p *Points, o cronJob) {
			if o.Spec.Suspend != nil {
				p.Add(truth(*o.Spec.Suspend))
			}
		}),
		optional(p+"_spec_starting_deadline_seconds", "Deadline in seconds for starting the job if it misses scheduled time for any reason.", func(o cronJob) *int64 { return o.Spec.StartingDeadlineSeconds }),
		optional(p+"_spec_successful_job_history_limit", "Successful job history limit tells the controller how many completed jobs should be preserved.", func(o cronJob) *int32 { return o.Spec.SuccessfulJobsHistoryLimit }),
		optional(p+"_spec_failed_job_history_limit", "Failed job history limit tells the controller how many failed jobs should be preserved.", func(o cronJob) *int32 { return o.Spec.FailedJobsHistoryLimit }),
	)
}
