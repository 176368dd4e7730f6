package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
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

// Resource is a kind that the API server has, also one of which we have no Go type.
type Resource struct {
	GroupVersion schema.GroupVersion
	Name         string // as in URLs
}

// String is the resource as in RBAC rules: "pods", "deployments.apps".
func (r Resource) String() string {
	return schema.GroupResource{Group: r.GroupVersion.Group, Resource: r.Name}.String()
}

// Raw makes requests whose answers are JSON as it came. Errors are those of the API server (apierrors).
type Raw struct{ user *User }

// Raw is for components that pass objects on as they are. Call its methods after Start.
func (u *User) Raw() *Raw { return &Raw{u} }

func (r *Raw) client(gv schema.GroupVersion) (*rest.RESTClient, error) {
	return r.user.cluster.lockedClient(Kind{groupVersion: gv})
}

func (r *Raw) get(ctx context.Context, res Resource, namespace string, o metav1.ListOptions) (*rest.Request, error) {
	client, err := r.client(res.GroupVersion)
	if err != nil {
		return nil, err
	}
	return client.Get().NamespaceIfScoped(namespace, namespace != "").Resource(res.Name).SetHeader("Accept", "application/json").
		SpecificallyVersionedParams(&o, parameters, schema.GroupVersion{Version: "v1"}), ctx.Err()
}

// List returns a page of objects, which is a list object.
func (r *Raw) List(ctx context.Context, res Resource, namespace string, o metav1.ListOptions) ([]byte, error) {
	request, err := r.get(ctx, res, namespace, o)
	if err != nil {
		return nil, err
	}
	return request.Do(ctx).Raw()
}

// Watch opens a watch: a stream of JSON objects with type and object. The caller closes it.
func (r *Raw) Watch(ctx context.Context, res Resource, namespace string, o metav1.ListOptions) (io.ReadCloser, error) {
	o.Watch = true
	request, err := r.get(ctx, res, namespace, o)
	if err != nil {
		return nil, err
	}
	return request.Stream(ctx)
}

// Find asks the API server which group and version has a resource. Without a group the first that has it counts, "v1" before all.
func (r *Raw) Find(ctx context.Context, name, group string) (Resource, error) {
	versions := []schema.GroupVersion{{Version: "v1"}}
	var groups metav1.APIGroupList
	if err := r.read(ctx, "/apis", &groups); err != nil {
		return Resource{}, err
	}
	for _, g := range groups.Groups {
		versions = append(versions, schema.GroupVersion{Group: g.Name, Version: g.PreferredVersion.Version})
	}
	if group != "" {
		versions = slices.DeleteFunc(versions, func(gv schema.GroupVersion) bool { return gv.Group != group })
	}
	for _, gv := range versions {
		path := "/apis/" + gv.String()
		if gv.Group == "" {
			path = "/api/" + gv.Version
		}
		var list metav1.APIResourceList
		if err := r.read(ctx, path, &list); err != nil {
			if group == "" && !apierrors.IsForbidden(err) && ctx.Err() == nil {
				continue // the server of one group is away
			}
			return Resource{}, err
		}
		if slices.ContainsFunc(list.APIResources, func(a metav1.APIResource) bool { return a.Name == name }) {
			return Resource{gv, name}, nil
		}
	}
	return Resource{}, fmt.Errorf("the API server has no resource %q in the group %q", name, group)
}

func (r *Raw) read(ctx context.Context, path string, into any) error {
	client, err := r.client(schema.GroupVersion{Version: "v1"})
	if err != nil {
		return err
	}
	text, err := client.Get().AbsPath(path).SetHeader("Accept", "application/json").Do(ctx).Raw()
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
