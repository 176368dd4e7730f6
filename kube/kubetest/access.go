package kubetest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// admin may everything: it is who the fake kubelet is when it asks about its callers.
const admin, adminToken = "kubetest:admin", "kubetest-admin-token"

// access is who may do what.
type access struct {
	user string // the client

	mu      sync.Mutex
	current string                         // its token; empty: none is needed
	limited bool                           // rules count
	rules   map[string][]rbacv1.PolicyRule // by namespace; "": everywhere
}

func newAccess(user, token string) *access {
	return &access{user: user, current: token, rules: map[string][]rbacv1.PolicyRule{}}
}

func (a *access) token() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

// Authorize gives the client the rights of a ClusterRole in the whole cluster, instead of those that it had; nil: everything.
// Open watches go on.
func (s *Server) Authorize(rules []rbacv1.PolicyRule) {
	s.access.mu.Lock()
	defer s.access.mu.Unlock()
	s.access.limited = rules != nil
	s.access.rules = map[string][]rbacv1.PolicyRule{"": rules}
}

// AuthorizeIn adds the rights of a Role in one namespace to those of Authorize.
func (s *Server) AuthorizeIn(namespace string, rules []rbacv1.PolicyRule) {
	s.access.mu.Lock()
	defer s.access.mu.Unlock()
	s.access.limited = true
	s.access.rules[namespace] = rules
}

// SetToken replaces the client's token, as when it is rotated: the old one is answered with 401.
func (s *Server) SetToken(token string) {
	s.access.mu.Lock()
	defer s.access.mu.Unlock()
	s.access.current = token
}

// caller is whose token it is; empty: nobody's.
func (a *access) caller(token string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case token == adminToken:
		return admin
	case a.current == "" || token == a.current:
		return a.user
	}
	return ""
}

func (a *access) authenticate(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return a.caller(token)
}

// action is what someone wants to do.
type action struct {
	verb, group, resource, namespace, name string // the resource with its subresource: "nodes/metrics"
	path                                   string // of what is no resource
}

// allowed reports whether a user may do it.
func (a *access) allowed(user string, act action) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if user == admin || (user == a.user && !a.limited) {
		return true
	}
	if user != a.user {
		return false
	}
	allows := func(r rbacv1.PolicyRule) bool { return allows(r, act) }
	return slices.ContainsFunc(a.rules[""], allows) || (act.namespace != "" && slices.ContainsFunc(a.rules[act.namespace], allows))
}

// allows is RBAC's: one rule must name the verb, the group, the resource, and the name if it names any.
func allows(r rbacv1.PolicyRule, act action) bool {
	has := func(list []string, want string) bool {
		return slices.Contains(list, want) || slices.Contains(list, "*")
	}
	if !has(r.Verbs, act.verb) {
		return false
	}
	if act.path != "" {
		return slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
			prefix, wild := strings.CutSuffix(u, "*")
			return u == act.path || (wild && strings.HasPrefix(act.path, prefix))
		})
	}
	resource := has(r.Resources, act.resource)
	if _, sub, is := strings.Cut(act.resource, "/"); is {
		resource = resource || slices.Contains(r.Resources, "*/"+sub)
	}
	return resource && has(r.APIGroups, act.group) && (len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, act.name))
}

// action is what a request wants to do.
func (c *call) action() action {
	if c.Resource == "" {
		return action{verb: c.Verb, path: c.http.URL.Path}
	}
	act := action{verb: c.Verb, group: c.Group, resource: c.Resource, namespace: c.Namespace, name: c.Name}
	if c.Subresource != "" {
		sub, _, _ := strings.Cut(c.Subresource, "/") // of nodes/NAME/proxy/PATH
		act.resource += "/" + sub
	}
	if name, one := strings.CutPrefix(c.Fields, "metadata.name="); one && c.Name == "" && !strings.ContainsAny(name, ",=!") {
		act.name = name
	}
	return act
}

// open are the paths that every user may read, and the reviews of oneself (system:discovery, system:basic-user).
func (act action) open() bool {
	if act.path == "" {
		return act.group == "authorization.k8s.io" && strings.HasPrefix(act.resource, "selfsubject") && act.verb == "create"
	}
	if act.verb != "get" && act.verb != "head" {
		return false
	}
	for _, p := range []string{"/api", "/apis", "/healthz", "/livez", "/readyz", "/openapi", "/version"} {
		if act.path == p || strings.HasPrefix(act.path, p+"/") {
			return true
		}
	}
	return false
}

func (c *call) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: c.Group, Resource: c.Resource}
}

// forbidden is the API server's answer to who has no right.
func (c *call) forbidden() error {
	act := c.action()
	if act.path != "" {
		return apierrors.NewForbidden(schema.GroupResource{}, "", fmt.Errorf("User %q cannot %s path %q", c.User, act.verb, act.path))
	}
	where := "at the cluster scope"
	if act.namespace != "" {
		where = fmt.Sprintf("in the namespace %q", act.namespace)
	}
	return apierrors.NewForbidden(c.groupResource(), c.Name,
		fmt.Errorf("User %q cannot %s resource %q in API group %q %s", c.User, act.verb, act.resource, act.group, where))
}

var errOrdered = errors.New("the test ordered this error")
