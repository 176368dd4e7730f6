package kubetest

import (
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	internalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluiceio/sluice/kube/kubetest/table"
)

// Request is one request that the server saw.
type Request struct {
	At                      time.Time
	Verb                    string // as in RBAC: get, list, watch, create, update, patch, delete, deletecollection; of other paths the method, lower case
	Path                    string // with the query
	Group, Version          string // empty for paths that are no resource
	Resource, Subresource   string
	Namespace, Name         string
	Labels, Fields          string // the selectors
	ResourceVersion         string
	Limit                   int64
	Continue, InitialEvents bool // of a list: not the first page; of a watch: a streaming list was asked for
	Partial                 bool // only metadata was asked for
	User                    string
	UserAgent, Accept       string
	Code                    int   // of the answer; 0: none yet, or the connection was cut
	Objects                 int64 // objects sent, in lists, events of watches (bookmarks aside) and single answers
	Bookmarks               int64
	Bytes                   int64 // of bodies sent
	Open                    bool  // it is still being answered
}

// FullResource is the resource as in RBAC rules: "pods", "nodes/metrics", "deployments.apps".
func (r Request) FullResource() string {
	name := schema.GroupResource{Group: r.Group, Resource: r.Resource}.String()
	if r.Subresource != "" {
		name += "/" + r.Subresource
	}
	return name
}

// call is a request while it is answered.
type call struct {
	Request
	http    *http.Request
	user    string
	form    form
	kind    *table.Kind // nil where the path is no resource that the server has
	options internalversion.ListOptions
	labels  labels.Selector
	fields  fields.Selector
	seen    *seen
}

// parse reads what a URL asks for. It does not look whether there is such a resource.
func parse(r *http.Request) *call {
	c := &call{http: r}
	c.At, c.Path, c.UserAgent, c.Accept = time.Now(), r.URL.RequestURI(), r.UserAgent(), r.Header.Get("Accept")
	c.Verb = strings.ToLower(r.Method)
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		c.Version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		c.Group, c.Version, parts = parts[1], parts[2], parts[3:]
	default:
		return c
	}
	if len(parts) > 2 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize" {
		c.Namespace, parts = parts[1], parts[2:]
	}
	c.Resource = parts[0]
	if len(parts) > 1 {
		c.Name = parts[1]
	}
	if len(parts) > 2 {
		c.Subresource = strings.Join(parts[2:], "/")
	}
	if c.Resource == "namespaces" {
		c.Namespace = c.Name
	}
	query := r.URL.Query()
	watches := query.Get("watch") == "true" || query.Get("watch") == "1"
	c.Verb = map[string]string{"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[r.Method]
	switch {
	case c.Name == "" && c.Verb == "get" && watches:
		c.Verb = "watch"
	case c.Name == "" && c.Verb == "get":
		c.Verb = "list"
	case c.Name == "" && c.Verb == "delete":
		c.Verb = "deletecollection"
	}
	c.Labels, c.Fields, c.ResourceVersion = query.Get("labelSelector"), query.Get("fieldSelector"), query.Get("resourceVersion")
	c.Continue, c.InitialEvents = query.Get("continue") != "", query.Get("sendInitialEvents") == "true"
	c.kind = table.At(c.Group, c.Version, c.Resource)
	if c.kind != nil && (c.kind.Namespaced && c.Namespace == "" && c.Name != "" || !c.kind.Namespaced && c.Namespace != "" && c.Resource != "namespaces") {
		c.kind = nil
	}
	return c
}

// readOptions reads and checks the options of a list or watch, with the API server's own validation.
func (c *call) readOptions(streamingLists bool) error {
	if err := internalscheme.ParameterCodec.DecodeParameters(c.http.URL.Query(), metav1.SchemeGroupVersion, &c.options); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	internalversion.SetListOptionsDefaults(&c.options, streamingLists)
	if errs := validation.ValidateListOptions(&c.options, streamingLists); len(errs) > 0 {
		return apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}, "", errs)
	}
	c.Limit = c.options.Limit
	c.labels, c.fields = labels.Everything(), fields.Everything()
	if c.options.LabelSelector != nil {
		c.labels = c.options.LabelSelector
	}
	if c.options.FieldSelector != nil {
		c.fields = c.options.FieldSelector
	}
	known := c.kind.FieldsOf(c.kind.Object())
	for _, r := range c.fields.Requirements() {
		if !known.Has(r.Field) {
			return apierrors.NewBadRequest("Unable to find \"" + c.kind.GV().String() + ", Resource=" + c.kind.Resource + "\" that match label selector \"" +
				c.labels.String() + "\", field selector \"" + c.fields.String() + "\": field label not supported: " + r.Field)
		}
	}
	return nil
}

// matches reports whether an object is among those that the selectors choose.
func (c *call) matches(o runtime.Object) bool {
	if o == nil {
		return false
	}
	if !c.labels.Empty() && !c.labels.Matches(labels.Set(o.(metav1.ObjectMetaAccessor).GetObjectMeta().GetLabels())) {
		return false
	}
	return c.fields.Empty() || c.fields.Matches(c.kind.FieldsOf(o))
}

// prefix is that of the keys in the store which the request's namespace has.
func (c *call) prefix() string {
	if c.kind.Namespaced && c.Namespace != "" {
		return c.Namespace + "/"
	}
	return ""
}
