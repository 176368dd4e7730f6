package k8sattributes

import (
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/sluiceio/sluice/kube"
)

// container finds the container that a resource names: by name, by id, or the only one of its pod.
func container(p *kube.Pod, id *identity) *kube.Container {
	name, containerID := id.text("k8s.container.name"), id.text("container.id")
	for i := range p.Containers {
		c := &p.Containers[i]
		switch {
		case name != "":
			if c.Name == name {
				return c
			}
		case containerID != "":
			if c.ID == containerID {
				return c
			}
			for _, earlier := range c.Earlier {
				if earlier == containerID {
					return c
				}
			}
		case len(p.Containers) == 1:
			return c
		}
	}
	return nil
}

// container adds what is known of a container.
func (r *rules) container(a *attributes, p *kube.Pod, id *identity) {
	c := container(p, id)
	if c == nil {
		return
	}
	add := func(name, value string) {
		if r.metadata[name] {
			a.set(name, value)
		}
	}
	add("k8s.container.name", c.Name)
	if image, ok := parseImage(c.Image); ok {
		add("container.image.name", image.name)
		add("container.image.tag", image.tag)
		if r.metadata["container.image.tags"] {
			a.list = append(a.list, attribute{"container.image.tags", image.tag, true})
		}
		if r.metadata["service.version"] && !a.has("service.version") {
			a.set("service.version", image.version)
		}
	}
	if r.metadata["service.instance.id"] && !a.has("service.instance.id") {
		a.set("service.instance.id", p.Namespace+"."+p.Name+"."+c.Name)
	}
	// An id of a run: without a count of restarts, the present one.
	if count := id.text("k8s.container.restart_count"); count == "" || count == strconv.Itoa(c.Restarts) {
		add("container.id", c.ID)
		if digest := repoDigest(c.ImageID); digest != "" && r.metadata["container.image.repo_digests"] {
			a.list = append(a.list, attribute{"container.image.repo_digests", digest, true})
		}
	}
}

func (a *attributes) has(key string) bool {
	for i := range a.list {
		if a.list[i].key == key {
			return true
		}
	}
	return false
}

type image struct{ name, tag, version string }

// parseImage reads an image's reference. Without a tag it is "latest"; the version is the tag and the digest, if written.
func parseImage(s string) (image, bool) {
	ref, err := reference.Parse(s)
	if err != nil {
		return image{}, false
	}
	named, is := ref.(reference.Named)
	if !is {
		return image{}, false
	}
	out := image{name: named.Name(), tag: "latest"}
	if t, is := ref.(reference.Tagged); is {
		out.tag, out.version = t.Tag(), t.Tag()
	}
	if d, is := ref.(reference.Digested); is {
		out.version = strings.TrimPrefix(out.version+"@"+d.Digest().String(), "@")
	}
	return out, true
}

// repoDigest is an image's id as registries know it, or empty.
func repoDigest(imageID string) string {
	ref, err := reference.ParseAnyReference(imageID)
	if err != nil {
		return ""
	}
	if _, is := ref.(reference.Canonical); !is {
		return ""
	}
	return ref.String()
}
