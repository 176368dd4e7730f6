// Package rights is who may do what: tokens, and RBAC's rules.
package rights

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Admin may everything: it is who the fake kubelet is when it asks about its callers.
const Admin, AdminToken = "kubetest:admin", "kubetest-admin-token"

// Access is who may do what.
type Access struct {
	user string // the client

	mu      sync.Mutex
	current string                         // its token; empty: none is needed
	limited bool                           // rules count
	rules   map[string][]rbacv1.PolicyRule // by namespace; "": everywhere
}

// New makes an access with which one user, the client, may everything.
func New(user, token string) *Access {
	return &Access{user: user, current: token, rules: map[string][]rbacv1.PolicyRule{}}
}

// Token is the client's.
func (a *Access) Token() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

// Caller is whose token it is; empty: nobody's.
func (a *Access) Caller(token string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case token == AdminToken:
		return Admin
	case a.current == "" || token == a.current:
		return a.user
	}
	return ""
}

// Authenticate is who sends a request; empty: nobody who is known.
func (a *Access) Authenticate(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return a.Caller(token)
}

// Action is what someone wants to do.
type Action struct {
	Verb, Group, Resource, Namespace, Name string // the resource with its subresource: "nodes/metrics"
	Path                                   string // of what is no resource
}

// Allowed reports whether a user may do it.
func (a *Access) Allowed(user string, act Action) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if user == Admin || (user == a.user && !a.limited) {
		return true
	}
	if user != a.user {
		return false
	}
	allows := func(r rbacv1.PolicyRule) bool { return allows(r, act) }
	return slices.ContainsFunc(a.rules[""], allows) || (act.Namespace != "" && slices.ContainsFunc(a.rules[act.Namespace], allows))
}

// allows is RBAC's: one rule must name the verb, the group, the resource, and the name if it names any.
func allows(r rbacv1.PolicyRule, act Action) bool {
	has := func(list []string, want string) bool {
		return slices.Contains(list, want) || slices.Contains(list, "*")
	}
	if !has(r.Verbs, act.Verb) {
		return false
	}
	if act.Path != "" {
		return slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
			prefix, wild := strings.CutSuffix(u, "*")
			return u == act.Path || (wild && strings.HasPrefix(act.Path, prefix))
		})
	}
	resource := has(r.Resources, act.Resource)
	if _, sub, is := strings.Cut(act.Resource, "/"); is {
		resource = resource || slices.Contains(r.Resources, "*/"+sub)
	}
	return resource && has(r.APIGroups, act.Group) && (len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, act.Name))
}

// Open reports whether it is among the paths that every user may read, or a review of oneself (system:discovery, system:basic-user).
func (act Action) Open() bool {
	if act.Path == "" {
		return act.Group == "authorization.k8s.io" && strings.HasPrefix(act.Resource, "selfsubject") && act.Verb == "create"
	}
	if act.Verb != "get" && act.Verb != "head" {
		return false
	}
	for _, p := range []string{"/api", "/apis", "/healthz", "/livez", "/readyz", "/openapi", "/version"} {
		if act.Path == p || strings.HasPrefix(act.Path, p+"/") {
			return true
		}
	}
	return false
}

// Set gives the client rights in a namespace (empty: everywhere) instead of those that it had there. Everywhere and nil:
// everything is allowed.
func (a *Access) Set(namespace string, rules []rbacv1.PolicyRule) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if namespace == "" {
		a.limited = rules != nil
		clear(a.rules)
	} else {
		a.limited = true
	}
	a.rules[namespace] = rules
}

// SetToken replaces the client's token.
func (a *Access) SetToken(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current = token
}
