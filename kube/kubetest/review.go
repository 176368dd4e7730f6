package kubetest

import (
	"io"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

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
		if user := s.access.caller(o.Spec.Token); user != "" && o.Spec.Token != "" {
			o.Status = authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: o.Spec.Audiences,
				User: authenticationv1.UserInfo{Username: user, UID: string(uidOf(user)), Groups: []string{"system:authenticated"}}}
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
	act := action{}
	switch {
	case of != nil:
		act = action{verb: of.Verb, group: of.Group, resource: of.Resource, namespace: of.Namespace, name: of.Name}
		if of.Subresource != "" {
			act.resource += "/" + of.Subresource
		}
	case path != nil:
		act = action{verb: path.Verb, path: path.Path}
	default:
		return false
	}
	return s.access.allowed(user, act)
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
