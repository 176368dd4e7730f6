package detector

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// container reads the own container's ID: from the path of the cgroup (version 1), else from the files that the runtime
// mounts (version 2, where the own cgroup is shown as /).
type container struct{ root string }

var (
	cgroupID = regexp.MustCompile(`(?m)[/:-]([0-9a-f]{64})(?:\.scope)?$`)
	mountID  = regexp.MustCompile(`/(?:containers|overlay-containers|k8s\.io)/([0-9a-f]{64})/`)
)

// Detect gives nothing outside a container.
func (d container) Detect(context.Context) (Attributes, error) {
	if id := d.id(); id != "" {
		return Attributes{"container.id": id}, nil
	}
	return nil, nil
}

func (d container) id() string {
	for _, f := range []struct {
		name string
		re   *regexp.Regexp
	}{{"proc/self/cgroup", cgroupID}, {"proc/self/mountinfo", mountID}} {
		b, err := os.ReadFile(filepath.Join(d.root, f.name))
		if m := f.re.FindSubmatch(b); err == nil && m != nil {
			return string(m[1])
		}
	}
	return ""
}

// docker asks the Docker daemon on its socket.
type docker struct {
	socket string
	must   bool
}

// Detect gives the daemon's host and the own container.
func (d *docker) Detect(ctx context.Context) (Attributes, error) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", d.socket)
		},
		DisableKeepAlives: true,
	}}
	var info struct{ Name, OSType string }
	b, err := ask(ctx, client, http.MethodGet, "http://docker/info", nil)
	if err == nil {
		err = decode(b, &info)
	}
	if err != nil {
		return missing(d.must, "the Docker daemon", err)
	}
	found := Attributes{"host.name": info.Name, "os.type": info.OSType}
	if id := (container{root: "/"}).id(); id != "" {
		var own struct {
			Name   string
			Config struct{ Image string }
		}
		if b, err := ask(ctx, client, http.MethodGet, "http://docker/containers/"+id+"/json", nil); err == nil && decode(b, &own) == nil {
			found["container.name"], found["container.image.name"] = last(own.Name), own.Config.Image
		}
	}
	return found, nil
}
