// Package detector finds out where the process runs: the machine, the container, the cloud and the Kubernetes node. The
// attributes have the names and defaults of the Collector's resource_detection processor.
package detector

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Attributes are what was found: a text, an integer or a list of texts for each name.
type Attributes map[string]any

// Options are of one detector.
type Options struct {
	Enabled         map[string]bool // what was switched on or off
	Must            bool            // a metadata service that does not answer is a failure
	HostnameSources []string        // of system
	Tags            []string        // patterns of tags
	NodeVariable    string          // that has the node's name; K8S_NODE_NAME if empty
}

// A Detector looks once. Attributes that are nil without an error say that the process runs elsewhere.
type Detector interface {
	Detect(ctx context.Context) (Attributes, error)
}

// A kind is how a detector is made, and which attributes it may give, with their defaults.
type kind struct {
	known map[string]bool
	make  func(o Options, client *http.Client) Detector
}

func on(off []string, names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	for _, n := range off {
		m[n] = false
	}
	return m
}

var kinds = map[string]kind{
	"env": {nil, func(Options, *http.Client) Detector { return environment{} }},
	"system": {on([]string{"host.arch", "host.cpu.cache.l2.size", "host.cpu.family", "host.cpu.model.id", "host.cpu.model.name", "host.cpu.stepping",
		"host.cpu.vendor.id", "host.id", "host.interface", "host.ip", "host.mac", "os.build.id", "os.description", "os.name", "os.version"},
		"host.name", "os.type"), func(o Options, _ *http.Client) Detector { return &system{sources: o.HostnameSources, root: "/"} }},
	"container": {on(nil, "container.id"), func(Options, *http.Client) Detector { return container{root: "/"} }},
	"docker": {on([]string{"container.image.name", "container.name"}, "host.name", "os.type"),
		func(o Options, _ *http.Client) Detector { return &docker{socket: "/var/run/docker.sock", must: o.Must} }},
	"ec2": {on(nil, "cloud.account.id", "cloud.availability_zone", "cloud.platform", "cloud.provider", "cloud.region", "host.id", "host.image.id", "host.name", "host.type"),
		func(o Options, c *http.Client) Detector {
			return &ec2{http: c, base: awsAddress, tags: o.patterns(), must: o.Must}
		}},
	"eks": {on([]string{"cloud.account.id", "cloud.availability_zone", "cloud.region", "host.id", "host.image.id", "host.name", "host.type"}, "cloud.platform", "cloud.provider"),
		func(o Options, c *http.Client) Detector {
			return &eks{api: newAPI(), ec2: ec2{http: c, base: awsAddress, must: o.Must}, more: o.any("cloud.account.id", "cloud.availability_zone", "cloud.region", "host.id", "host.image.id", "host.name", "host.type")}
		}},
	"gcp": {gcpKnown, func(o Options, c *http.Client) Detector { return &gcp{http: c, base: gcpAddress(), must: o.Must} }},
	"gke": {gcpKnown, func(o Options, c *http.Client) Detector { return &gcp{http: c, base: gcpAddress(), must: o.Must} }},
	"azure": {on([]string{"cloud.availability_zone"}, "azure.resourcegroup.name", "azure.vm.name", "azure.vm.scaleset.name", "azure.vm.size", "cloud.account.id",
		"cloud.platform", "cloud.provider", "cloud.region", "host.id", "host.name"),
		func(o Options, c *http.Client) Detector {
			return &azure{http: c, base: azureAddress, tags: o.patterns(), must: o.Must}
		}},
	"aks": {on([]string{"k8s.cluster.name"}, "cloud.platform", "cloud.provider"),
		func(o Options, c *http.Client) Detector {
			return &aks{azure{http: c, base: azureAddress, must: o.Must}}
		}},
	"k8snode": {nodeKnown, newNode},
	"k8s_api": {nodeKnown, newNode},
}

var (
	gcpKnown = on([]string{"gcp.gce.instance.hostname", "gcp.gce.instance.name"}, "cloud.account.id", "cloud.availability_zone", "cloud.platform",
		"cloud.provider", "cloud.region", "gcp.gce.instance_group_manager.name", "gcp.gce.instance_group_manager.region",
		"gcp.gce.instance_group_manager.zone", "host.id", "host.name", "host.type", "k8s.cluster.name")
	nodeKnown = on(nil, "k8s.cluster.uid", "k8s.node.name", "k8s.node.uid")
)

// Foreign are sections of the Collector's detectors that there are not.
var Foreign = []string{
	"akamai", "alibaba_ecs", "consul", "digitalocean", "dynatrace", "ecs", "elasticbeanstalk", "heroku", "hetzner", "ibmcloud_classic", "ibmcloud_vpc",
	"kubeadm", "lambda", "nova", "openshift", "oraclecloud", "scaleway", "tencent_cvm", "upcloud", "vultr",
}

// unfound are attributes that the Collector's detectors find and these do not, and why.
var unfound = map[string]map[string]string{
	"eks": {"k8s.cluster.name": "it needs the EC2 API; set it with the processor resource"},
	"gcp": serverless, "gke": serverless,
}

var serverless = map[string]string{
	"faas.instance": notServerless, "faas.name": notServerless, "faas.version": notServerless,
	"gcp.cloud_run.job.execution": notServerless, "gcp.cloud_run.job.task_index": notServerless,
}

const notServerless = "Cloud Run, App Engine and Functions are not known"

// Names are the detectors that there are.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// Faults says what is wrong in the options of a detector.
func (o Options) Faults(name string) (out []string) {
	known := kinds[name].known
	for a, enabled := range o.Enabled {
		if why, is := unfound[name][a]; is {
			if enabled {
				out = append(out, fmt.Sprintf(`"%s::resource_attributes::%s" is not supported: %s`, name, a, why))
			}
			continue
		}
		if _, ok := known[a]; !ok {
			out = append(out, fmt.Sprintf(`"%s::resource_attributes::%s" is not an attribute of %s; write one of %s`, name, a, name, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
		}
	}
	for i, t := range o.Tags {
		if _, err := regexp.Compile(t); err != nil {
			out = append(out, fmt.Sprintf(`"%s::tags[%d]" is no regular expression: %v`, name, i, err))
		}
	}
	slices.Sort(out)
	return out
}

func (o Options) patterns() (out []*regexp.Regexp) {
	for _, t := range o.Tags {
		out = append(out, regexp.MustCompile(t))
	}
	return out
}

func (o Options) any(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return o.Enabled[n] })
}

// New makes a detector of Names, whose options have no Faults. What it gives is only what is switched on.
func New(name string, o Options) Detector {
	k := kinds[name]
	shown := maps.Clone(k.known)
	for a, is := range o.Enabled {
		shown[a] = is
	}
	return &chosen{k.make(o, client()), shown}
}

// chosen leaves out what is switched off. Names that are not known, such as tags and the environment's, pass.
type chosen struct {
	Detector
	shown map[string]bool
}

func (c *chosen) Detect(ctx context.Context) (Attributes, error) {
	found, err := c.Detector.Detect(ctx)
	maps.DeleteFunc(found, func(name string, v any) bool {
		is, known := c.shown[name]
		empty := v == "" || v == nil
		if list, ok := v.([]string); ok {
			empty = len(list) == 0
		}
		return known && !is || empty
	})
	return found, err
}

// client asks metadata services: never through a proxy, and not for long, since they are one hop away.
func client() *http.Client {
	return &http.Client{
		Timeout:       2 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:       (&net.Dialer{Timeout: time.Second}).DialContext,
			DisableKeepAlives: true,
		},
	}
}
