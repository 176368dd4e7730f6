package detector

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
)

// azureAddress is of the Azure instance metadata service.
const azureAddress = "http://169.254.169.254"

type azure struct {
	http *http.Client
	base string
	tags []*regexp.Regexp
	must bool
}

// machine is what the metadata service says; its names of fields are Azure's.
type machine struct {
	Name, VMID, VMSize, Location, SubscriptionID, ResourceGroupName, VMScaleSetName, Zone string
	OSProfile                                                                             struct{ ComputerName string }
	TagsList                                                                              []struct{ Name, Value string }
}

func (d *azure) machine(ctx context.Context) (m machine, err error) {
	b, err := ask(ctx, d.http, http.MethodGet, d.base+"/metadata/instance/compute?api-version=2020-09-01&format=json", map[string]string{"Metadata": "True"})
	if err != nil {
		return m, err
	}
	return m, decode(b, &m)
}

// Detect gives the machine and its tags.
func (d *azure) Detect(ctx context.Context) (Attributes, error) {
	m, err := d.machine(ctx)
	if err != nil {
		return missing(d.must, "the Azure metadata service", err)
	}
	host := m.OSProfile.ComputerName
	if host == "" {
		host = m.Name
	}
	found := Attributes{
		"cloud.provider": "azure", "cloud.platform": "azure_vm", "cloud.region": m.Location, "cloud.account.id": m.SubscriptionID,
		"cloud.availability_zone": m.Zone, "host.name": host, "host.id": m.VMID, "azure.vm.name": m.Name, "azure.vm.size": m.VMSize,
		"azure.vm.scaleset.name": m.VMScaleSetName, "azure.resourcegroup.name": m.ResourceGroupName,
	}
	for _, t := range m.TagsList {
		if matches(d.tags, t.Name) {
			found["azure.tag."+t.Name] = t.Value
		}
	}
	return found, nil
}

// aks is Azure's Kubernetes.
type aks struct{ azure azure }

// Detect gives nothing outside Kubernetes.
func (d *aks) Detect(ctx context.Context) (Attributes, error) {
	if os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil, nil
	}
	m, err := d.azure.machine(ctx)
	if err != nil {
		return missing(d.azure.must, "the Azure metadata service", err)
	}
	return Attributes{"cloud.provider": "azure", "cloud.platform": "azure_aks", "k8s.cluster.name": clusterOf(m.ResourceGroupName)}, nil
}

// clusterOf is the cluster in the name that AKS gives to a resource group, MC_group_cluster_location, else the group.
func clusterOf(group string) string {
	if parts := strings.Split(group, "_"); len(parts) == 4 && strings.EqualFold(parts[0], "mc") {
		return parts[2]
	}
	return group
}
