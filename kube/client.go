package kube

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// Client makes single requests for objects of a kind. Errors are those of the API server (apierrors).
type Client struct {
	rest *rest.RESTClient
	kind Kind
}

// Kind is what the requests are for.
func (c *Client) Kind() Kind { return c.kind }

func (c *Client) on(r *rest.Request, namespace string) *rest.Request {
	return r.NamespaceIfScoped(namespace, namespace != "").Resource(c.kind.resource)
}

// Get reads an object into another of its type.
func (c *Client) Get(ctx context.Context, namespace, name string, into runtime.Object) error {
	return c.on(c.rest.Get(), namespace).Name(name).Do(ctx).Into(into)
}

// Create makes an object and reads what the server made of it into it.
func (c *Client) Create(ctx context.Context, namespace string, o runtime.Object) error {
	return c.on(c.rest.Post(), namespace).Body(o).Do(ctx).Into(o)
}

// Update replaces an object if its version is still the one that is written, and reads the answer into it.
func (c *Client) Update(ctx context.Context, namespace, name string, o runtime.Object) error {
	return c.on(c.rest.Put(), namespace).Name(name).Body(o).Do(ctx).Into(o)
}

// List reads a page of objects into a list. Namespace may be empty: all.
func (c *Client) List(ctx context.Context, namespace string, o metav1.ListOptions, into runtime.Object) error {
	return c.on(c.rest.Get(), namespace).VersionedParams(&o, parameters).Do(ctx).Into(into)
}

// Watch opens a watch.
func (c *Client) Watch(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error) {
	o.Watch = true
	return c.on(c.rest.Get(), namespace).VersionedParams(&o, parameters).Watch(ctx)
}
