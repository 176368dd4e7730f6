// Package helm renders the chart and checks what it renders; `make dashboards` writes that.
package helm

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// Release is an installation of the chart.
type Release struct{ Name, Namespace string }

// Render returns the chart's objects with values, as documents of YAML in the order of their files, each after its path.
func Render(dir, values string) ([]Document, error) {
	return Release{"sluice", "sluice"}.Render(dir, values)
}

// files are what the chart's templates become, by path.
func (r Release) files(dir, values string) (map[string]string, error) {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return nil, err
	}
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		return nil, err
	}
	all, err := chartutil.ToRenderValues(c, given, chartutil.ReleaseOptions{Name: r.Name, Namespace: r.Namespace, Revision: 1, IsInstall: true}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// Render is what `helm template` shows.
func (r Release) Render(dir, values string) ([]Document, error) {
	files, err := r.files(dir, values)
	if err != nil {
		return nil, err
	}
	var out []Document
	for path, text := range files {
		path = strings.TrimPrefix(path, "sluice/")
		if filepath.Ext(path) != ".yaml" {
			continue
		}
		for i, one := range strings.Split("\n"+text, "\n---") {
			if one = strings.TrimSpace(one); one != "" {
				out = append(out, Document{Path: path, index: i, Text: one + "\n"})
			}
		}
	}
	slices.SortFunc(out, func(a, b Document) int {
		return strings.Compare(fmt.Sprintf("%s %03d", a.Path, a.index), fmt.Sprintf("%s %03d", b.Path, b.index))
	})
	return out, nil
}

// Document is an object as it is rendered.
type Document struct {
	Path  string // of its template
	index int
	Text  string
}
