package kubetest

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sluiceio/sluice/kube/kubetest/clusters"
	"github.com/sluiceio/sluice/kube/kubetest/rights"
)

// Authorize gives the client the rights of a ClusterRole in the whole cluster, instead of all that it had; nil: everything.
// Open watches go on.
func (s *Server) Authorize(rules []rbacv1.PolicyRule) { s.access.Set("", rules) }

// AuthorizeIn adds the rights of a Role in one namespace to those of Authorize.
func (s *Server) AuthorizeIn(namespace string, rules []rbacv1.PolicyRule) {
	s.access.Set(namespace, rules)
}

// SetToken replaces the client's token, as when it is rotated: the old one is answered with 401.
func (s *Server) SetToken(token string) { s.access.SetToken(token) }

// action is what a request wants to do.
func (c *call) action() rights.Action {
	if c.Resource == "" {
		return rights.Action{Verb: c.Verb, Path: c.http.URL.Path}
	}
	act := rights.Action{Verb: c.Verb, Group: c.Group, Resource: c.Resource, Namespace: c.Namespace, Name: c.Name}
	if c.Subresource != "" {
		sub, _, _ := strings.Cut(c.Subresource, "/") // of nodes/NAME/proxy/PATH
		act.Resource += "/" + sub
	}
	if name, one := strings.CutPrefix(c.Fields, "metadata.name="); one && c.Name == "" && !strings.ContainsAny(name, ",=!") {
		act.Name = name
	}
	return act
}

func (c *call) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: c.Group, Resource: c.Resource}
}

// forbidden is the API server's answer to who has no right.
func (c *call) forbidden() error {
	act := c.action()
	if act.Path != "" {
		return apierrors.NewForbidden(schema.GroupResource{}, "", fmt.Errorf("User %q cannot %s path %q", c.User, act.Verb, act.Path))
	}
	where := "at the cluster scope"
	if act.Namespace != "" {
		where = fmt.Sprintf("in the namespace %q", act.Namespace)
	}
	return apierrors.NewForbidden(c.groupResource(), c.Name,
		fmt.Errorf("User %q cannot %s resource %q in API group %q %s", c.User, act.Verb, act.Resource, act.Group, where))
}

// reviewKind is a question to the server that is posted as an object and answered with the same.
type reviewKind struct {
	gv             schema.GroupVersion
	resource, kind string
}

var reviews = []reviewKind{
	{authenticationv1.SchemeGroupVersion, "tokenreviews", "TokenReview"},
	{authorizationv1.SchemeGroupVersion, "subjectaccessreviews", "SubjectAccessReview"},
	{authorizationv1.SchemeGroupVersion, "selfsubjectaccessreviews", "SelfSubjectAccessReview"},
}

func reviewOf(c *call) *reviewKind {
	for i, r := range reviews {
		if r.gv.Group == c.Group && r.gv.Version == c.Version && r.resource == c.Resource && c.Verb == "create" {
			return &reviews[i]
		}
	}
	return nil
}

// review answers from the same tokens and rules that requests are held against.
func (s *Server) review(w http.ResponseWriter, c *call, r *reviewKind) error {
	o, err := c.readBody(r.gv.WithKind(r.kind))
	if err != nil {
		return err
	}
	answer := func(user string, of *authorizationv1.ResourceAttributes, path *authorizationv1.NonResourceAttributes) authorizationv1.SubjectAccessReviewStatus {
		return authorizationv1.SubjectAccessReviewStatus{Allowed: s.may(user, of, path)}
	}
	switch o := o.(type) {
	case *authenticationv1.TokenReview:
		o.Status = authenticationv1.TokenReviewStatus{Error: "[invalid bearer token]"}
		if user := s.access.Caller(o.Spec.Token); user != "" && o.Spec.Token != "" {
			o.Status = authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: o.Spec.Audiences,
				User: authenticationv1.UserInfo{Username: user, UID: string(clusters.UID(user)), Groups: []string{"system:authenticated"}}}
		}
	case *authorizationv1.SubjectAccessReview:
		o.Status = answer(o.Spec.User, o.Spec.ResourceAttributes, o.Spec.NonResourceAttributes)
	case *authorizationv1.SelfSubjectAccessReview:
		o.Status = answer(c.User, o.Spec.ResourceAttributes, o.Spec.NonResourceAttributes)
	default:
		return apierrors.NewBadRequest("the body is no " + r.kind)
	}
	c.form.write(w, http.StatusCreated, typed(o, r.gv.WithKind(r.kind)))
	return nil
}

// may reports whether the rules allow what a review asks about.
func (s *Server) may(user string, of *authorizationv1.ResourceAttributes, path *authorizationv1.NonResourceAttributes) bool {
	var act rights.Action
	switch {
	case of != nil:
		act = rights.Action{Verb: of.Verb, Group: of.Group, Resource: of.Resource, Namespace: of.Namespace, Name: of.Name}
		if of.Subresource != "" {
			act.Resource += "/" + of.Subresource
		}
	case path != nil:
		act = rights.Action{Verb: path.Verb, Path: path.Path}
	default:
		return false
	}
	return s.access.Allowed(user, act)
}

// readBody decodes the object in a request, as JSON or protobuf.
func (c *call) readBody(want schema.GroupVersionKind) (runtime.Object, error) {
	body, err := io.ReadAll(c.http.Body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	o, got, err := scheme.Codecs.UniversalDeserializer().Decode(body, &want, nil)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if *got != want {
		return nil, apierrors.NewBadRequest("the object provided is a " + got.String() + ", not a " + want.String())
	}
	return bare(o), nil
}
