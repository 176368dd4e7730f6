package detector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// gcpAddress is of the Google metadata server, which GCE_METADATA_HOST moves as in Google's libraries.
func gcpAddress() string {
	if host := os.Getenv("GCE_METADATA_HOST"); host != "" {
		return "http://" + host
	}
	return "http://169.254.169.254"
}

// gcp knows Compute Engine and GKE.
type gcp struct {
	http *http.Client
	base string
	must bool
}

// Detect gives the instance, and in GKE the cluster.
func (d *gcp) Detect(ctx context.Context) (Attributes, error) {
	var errs []error
	get := func(path string) string {
		b, err := ask(ctx, d.http, http.MethodGet, d.base+"/computeMetadata/v1/"+path, map[string]string{"Metadata-Flavor": "Google"})
		var code status
		if errors.As(err, &code) && code == http.StatusNotFound {
			return "" // the instance does not have it
		}
		if err != nil {
			errs = append(errs, err)
		}
		return text(b)
	}
	project := get("project/project-id")
	if len(errs) > 0 || project == "" {
		return missing(d.must, "the Google metadata server", errors.Join(errs...))
	}
	found := Attributes{"cloud.provider": "gcp", "cloud.account.id": project, "host.id": get("instance/id"), "host.name": get("instance/name")}
	if cluster := get("instance/attributes/cluster-name"); cluster != "" && os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		found["cloud.platform"], found["k8s.cluster.name"] = "gcp_kubernetes_engine", cluster
		switch where := get("instance/attributes/cluster-location"); strings.Count(where, "-") {
		case 1:
			found["cloud.region"] = where
		case 2:
			found["cloud.availability_zone"] = where
		}
		return found, joined(errs)
	}
	zone := last(get("instance/zone"))
	found["cloud.platform"], found["cloud.availability_zone"], found["host.type"] = "gcp_compute_engine", zone, last(get("instance/machine-type"))
	if i := strings.LastIndexByte(zone, '-'); i > 0 {
		found["cloud.region"] = zone[:i]
	}
	found["gcp.gce.instance.name"], found["gcp.gce.instance.hostname"] = found["host.name"], get("instance/hostname")
	// projects/<number>/zones/<zone>/instanceGroupManagers/<name>, or with regions.
	if parts := strings.Split(get("instance/attributes/created-by"), "/"); len(parts) == 6 && parts[4] == "instanceGroupManagers" {
		found["gcp.gce.instance_group_manager.name"] = parts[5]
		found["gcp.gce.instance_group_manager."+strings.TrimSuffix(parts[2], "s")] = parts[3]
	}
	return found, joined(errs)
}

func joined(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("the Google metadata server did not say everything: %w", errors.Join(errs...))
}
