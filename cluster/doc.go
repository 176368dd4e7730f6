// Package cluster runs the agent and what the Helm chart renders against a real kube-apiserver and etcd, on loopback: `make cluster`. It is a module
// of its own because Kubernetes needs replace directives.
package cluster
