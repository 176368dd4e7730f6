package kube

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Ways to authenticate, as in the Collector's `auth_type`.
const (
	ServiceAccount = "serviceAccount" // the pod's own; the default
	KubeConfig     = "kubeConfig"     // a file
	None           = "none"           // KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT without credentials, for tests and proxies
)

// Access says how the API server is reached. It has the Collector's keys of components that talk to Kubernetes; embed it with
// `mapstructure:",squash"`.
type Access struct {
	// AuthType is serviceAccount (the default), kubeConfig or none.
	AuthType string `mapstructure:"auth_type"`
	// Context is the context of the kubeconfig; empty: its current one.
	Context string `mapstructure:"context"`
	// KubeconfigFile is the path of the kubeconfig; empty: $KUBECONFIG, then ~/.kube/config. Ours; the Collector has only the
	// variable.
	KubeconfigFile string `mapstructure:"kubeconfig_file"`
}

// Validate reports an unknown way, and keys that have no meaning beside it.
func (a Access) Validate() error {
	switch a.AuthType {
	case "", ServiceAccount, None:
		if a.Context != "" || a.KubeconfigFile != "" {
			return errors.New(`"context" and "kubeconfig_file" need "auth_type: kubeConfig"`)
		}
	case KubeConfig:
	case "tls":
		return errors.New(`"auth_type: tls" is not supported: write the certificate into a kubeconfig and "auth_type: kubeConfig"`)
	default:
		return fmt.Errorf(`"auth_type" is %q: write serviceAccount, kubeConfig or none`, a.AuthType)
	}
	return nil
}

// requestsPerSecond bounds single requests (namespaces, nodes, leases); watches are few.
const requestsPerSecond, requestsAtOnce = 20, 40

// config returns what client-go needs. Protobuf is asked for; JSON is read too.
func (a Access) config(version string) (*rest.Config, error) {
	config, err := a.plain()
	if err != nil {
		return nil, err
	}
	config.UserAgent = fmt.Sprintf("sluice/%s (%s/%s)", version, runtime.GOOS, runtime.GOARCH)
	config.QPS, config.Burst = requestsPerSecond, requestsAtOnce
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	return config, nil
}

func (a Access) plain() (*rest.Config, error) {
	switch a.AuthType {
	case KubeConfig:
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		if a.KubeconfigFile != "" {
			rules.ExplicitPath = a.KubeconfigFile
		}
		overrides := &clientcmd.ConfigOverrides{CurrentContext: a.Context}
		config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("kubeconfig: %w", hide(err))
		}
		return config, nil
	case None:
		host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return nil, errors.New(`"auth_type: none" needs the environment variables KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT`)
		}
		return &rest.Config{Host: "http://" + host + ":" + port}, nil
	default:
		config, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, errors.New(`this is not a pod (KUBERNETES_SERVICE_HOST is not set): write "auth_type: kubeConfig", or run it in the cluster`)
		}
		if err != nil {
			return nil, fmt.Errorf("the pod's service account: %w: does the pod have automountServiceAccountToken: false?", err)
		}
		return config, nil
	}
}

var userinfo = regexp.MustCompile(`://[^/@\s"]*@`)

// hide takes names and passwords out of the URLs in an error.
func hide(err error) error {
	if text := err.Error(); userinfo.MatchString(text) {
		return errors.New(userinfo.ReplaceAllString(text, "://[redacted]@"))
	}
	return err
}
