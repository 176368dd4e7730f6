// Package rules holds the generated recording and alert rules, for the embedded store to evaluate. It is apart from
// package dashboards so that the binaries do not link the generator.
package rules

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// Files is every rule file, by its name.
func Files() fs.FS { return files }
