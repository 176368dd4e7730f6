package series

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/sluiceio/sluice/kube"
)

type (
	volume = *corev1.PersistentVolume
	claim  = *corev1.PersistentVolumeClaim
)

func persistentVolumes() Kind {
	const p = "kube_persistentvolume"
	return kindOf[volume](kube.PersistentVolumes, "persistentvolume",
		family(p+"_info", "Information about persistentvolume.", volumeInfo),
		created[volume](p),
		deleted[volume](p),
		family(p+"_status_phase", "The phase indicates if a volume is available, bound to a claim, or released by a claim.", func(p *Points, o volume) {
			if o.Status.Phase != "" {
				p.phases("phase", string(o.Status.Phase), "Pending", "Available", "Bound", "Released", "Failed")
			}
		}),
		family(p+"_claim_ref", "Information about the Persistent Volume Claim Reference.", func(p *Points, o volume) {
			if c := o.Spec.ClaimRef; c != nil {
				p.Add(1, "name", c.Name, "claim_namespace", c.Namespace)
			}
		}),
		number(p+"_capacity_bytes", "Persistentvolume capacity in bytes.", func(o volume) float64 {
			q := o.Spec.Capacity[corev1.ResourceStorage]
			return float64(q.Value())
		}),
		family(p+"_volume_mode", "Volume Mode information for the PersistentVolume.", func(p *Points, o volume) {
			p.Add(1, "volume_mode", modeOf(o.Spec.VolumeMode))
		}),
	)
}

func modeOf(m *corev1.PersistentVolumeMode) string {
	if m == nil {
		return string(corev1.PersistentVolumeFilesystem) // the default
	}
	return string(*m)
}

// volumeInfo names the disk of the drivers that clusters of today use; those of kube-state-metrics for FC and iSCSI are left out.
func volumeInfo(p *Points, o volume) {
	s := &o.Spec.PersistentVolumeSource
	labels := append(make([]string, 0, 16), "storageclass", o.Spec.StorageClassName, "reclaim_policy", string(o.Spec.PersistentVolumeReclaimPolicy))
	switch {
	case s.CSI != nil:
		labels = append(labels, "csi_driver", s.CSI.Driver, "csi_volume_handle", s.CSI.VolumeHandle)
	case s.NFS != nil:
		labels = append(labels, "nfs_server", s.NFS.Server, "nfs_path", s.NFS.Path)
	case s.Local != nil:
		labels = append(labels, "local_path", s.Local.Path)
		if s.Local.FSType != nil {
			labels = append(labels, "local_fs", *s.Local.FSType)
		}
	case s.HostPath != nil:
		labels = append(labels, "host_path", s.HostPath.Path)
		if s.HostPath.Type != nil {
			labels = append(labels, "host_path_type", string(*s.HostPath.Type))
		}
	case s.AWSElasticBlockStore != nil:
		labels = append(labels, "ebs_volume_id", s.AWSElasticBlockStore.VolumeID)
	case s.GCEPersistentDisk != nil:
		labels = append(labels, "gce_persistent_disk_name", s.GCEPersistentDisk.PDName)
	case s.AzureDisk != nil:
		labels = append(labels, "azure_disk_name", s.AzureDisk.DiskName)
	}
	p.Add(1, labels...)
}

func persistentVolumeClaims() Kind {
	const p = "kube_persistentvolumeclaim"
	return kindOf[claim](kube.PersistentVolumeClaims, "persistentvolumeclaim",
		family(p+"_info", "Information about persistent volume claim.", func(p *Points, o claim) {
			p.Add(1, "storageclass", classOf(o), "volumename", o.Spec.VolumeName, "volumemode", modeOf(o.Spec.VolumeMode))
		}),
		created[claim](p),
		deleted[claim](p),
		family(p+"_status_phase", "The phase the persistent volume claim is currently in.", func(p *Points, o claim) {
			if o.Status.Phase != "" {
				p.phases("phase", string(o.Status.Phase), "Lost", "Bound", "Pending")
			}
		}),
		family(p+"_resource_requests_storage_bytes", "The capacity of storage requested by the persistent volume claim.", func(p *Points, o claim) {
			if q, has := o.Spec.Resources.Requests[corev1.ResourceStorage]; has {
				p.Add(float64(q.Value()))
			}
		}),
		family(p+"_access_mode", "The access mode(s) specified by the persistent volume claim.", func(p *Points, o claim) {
			for _, m := range o.Spec.AccessModes {
				p.Add(1, "access_mode", string(m))
			}
		}),
		family(p+"_status_condition", "Information about status of different conditions of persistent volume claim.", func(p *Points, o claim) {
			for _, c := range o.Status.Conditions {
				p.conditions(string(c.Status), "status", "condition", string(c.Type))
			}
		}),
	)
}

func classOf(o claim) string {
	if class, has := o.Annotations[corev1.BetaStorageClassAnnotation]; has {
		return class
	}
	if o.Spec.StorageClassName != nil {
		return *o.Spec.StorageClassName
	}
	return ""
}
