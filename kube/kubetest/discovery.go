package kubetest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"

	"github.com/sluiceio/sluice/kube/kubetest/table"
)

// discover answers the paths that are no resource.
func (s *Server) discover(w http.ResponseWriter, c *call) error {
	path := strings.Trim(c.http.URL.Path, "/")
	parts := strings.Split(path, "/")
	switch {
	case slices.Contains([]string{"healthz", "livez", "readyz"}, parts[0]):
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok"))
		return nil
	case path == "version":
		return writeJSON(w, version.Info{Major: "1", Minor: "35", GitVersion: "v1.35.4", GitTreeState: "clean", GoVersion: "go1.25.5", Compiler: "gc", Platform: "linux/amd64"})
	case path == "api":
		return writeJSON(w, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"},
			ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{{ClientCIDR: "0.0.0.0/0", ServerAddress: s.address}}})
	case path == "apis":
		return writeJSON(w, groups())
	case len(parts) == 2 && parts[0] == "apis":
		for _, g := range groups().Groups {
			if g.Name == parts[1] {
				g.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}
				return writeJSON(w, g)
			}
		}
	case len(parts) == 2 && parts[0] == "api":
		return resources(w, schema.GroupVersion{Version: parts[1]})
	case len(parts) == 3 && parts[0] == "apis":
		return resources(w, schema.GroupVersion{Group: parts[1], Version: parts[2]})
	}
	return unknownPath()
}

func writeJSON(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(text)
	return err
}

func groups() metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	add := func(gv schema.GroupVersion) {
		if slices.ContainsFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == gv.Group }) {
			return
		}
		v := metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: gv.Version}
		list.Groups = append(list.Groups, metav1.APIGroup{Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
	}
	for i := range table.Kinds {
		if table.Kinds[i].Group != "" {
			add(table.Kinds[i].GV())
		}
	}
	for _, r := range reviews {
		add(r.gv)
	}
	return list
}

func resources(w http.ResponseWriter, gv schema.GroupVersion) error {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String()}
	for i := range table.Kinds {
		k := &table.Kinds[i]
		if k.GV() != gv {
			continue
		}
		r := metav1.APIResource{Name: k.Resource, SingularName: strings.ToLower(k.Name), Namespaced: k.Namespaced, Kind: k.Name,
			Verbs: metav1.Verbs{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}}
		if k.Short != "" {
			r.ShortNames = []string{k.Short}
		}
		list.APIResources = append(list.APIResources, r)
		if k.Status {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: k.Resource + "/status", Namespaced: k.Namespaced, Kind: k.Name, Verbs: metav1.Verbs{"get", "patch", "update"}})
		}
	}
	for _, r := range reviews {
		if r.gv == gv {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: r.resource, SingularName: strings.ToLower(r.kind), Kind: r.kind, Verbs: metav1.Verbs{"create"}})
		}
	}
	if list.APIResources == nil {
		return unknownPath()
	}
	return writeJSON(w, list)
}
