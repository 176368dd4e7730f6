// Package rules embeds the generated rules for the store. It is separate from package dashboards, so that binaries do
// not link the generator.
package rules

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// Files returns all rule files.
func Files() fs.FS { return files }
