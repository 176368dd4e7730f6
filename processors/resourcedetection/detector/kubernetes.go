package detector

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// api is the Kubernetes API with the pod's own service account.
type api struct{ secrets string } // folder of token and certificate

func newAPI() *api { return &api{"/var/run/secrets/kubernetes.io/serviceaccount"} }

// get reads an object. Token and certificate are read each time, since they are rotated.
func (a *api) get(ctx context.Context, path string, into any) error {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" {
		return errors.New("KUBERNETES_SERVICE_HOST is not set: this is not a pod")
	}
	token, err := os.ReadFile(filepath.Join(a.secrets, "token"))
	if err != nil {
		return fmt.Errorf("cannot read the service account's token: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(a.secrets, "ca.crt"))
	if err != nil {
		return fmt.Errorf("cannot read the cluster's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return errors.New("the cluster's ca.crt has no certificate")
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	b, err := ask(ctx, client, http.MethodGet, "https://"+net.JoinHostPort(host, port)+path, map[string]string{"Authorization": "Bearer " + text(token)})
	if err != nil {
		return err
	}
	return decode(b, into)
}

// node is of the node that the process runs on.
type node struct {
	api      *api
	variable string
	must     bool
	uids     bool // whether the API is asked at all
}

func newNode(o Options, _ *http.Client) Detector {
	variable := o.NodeVariable
	if variable == "" {
		variable = "K8S_NODE_NAME"
	}
	wanted := func(name string) bool { is, set := o.Enabled[name]; return is || !set }
	return &node{newAPI(), variable, o.Must, wanted("k8s.node.uid") || wanted("k8s.cluster.uid")}
}

// Detect gives the node's name from the environment, and from the API its UID and that of the cluster, which is the one of
// the namespace kube-system.
func (d *node) Detect(ctx context.Context) (Attributes, error) {
	name := os.Getenv(d.variable)
	if name == "" {
		return nil, fmt.Errorf("the environment variable %s does not have the node's name; set it from fieldPath spec.nodeName", d.variable)
	}
	found := Attributes{"k8s.node.name": name}
	if !d.uids {
		return found, nil
	}
	var object struct{ Metadata struct{ UID string } }
	if err := d.api.get(ctx, "/api/v1/nodes/"+url.PathEscape(name), &object); err != nil {
		return found, fmt.Errorf("cannot read the node %s, which needs the right to get nodes: %w", name, err)
	}
	found["k8s.node.uid"] = object.Metadata.UID
	if err := d.api.get(ctx, "/api/v1/namespaces/kube-system", &object); err != nil {
		return found, fmt.Errorf("cannot read the namespace kube-system, whose UID is the cluster's; give the right to get it or switch k8s.cluster.uid off: %w", err)
	}
	found["k8s.cluster.uid"] = object.Metadata.UID
	return found, nil
}
