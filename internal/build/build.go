// Package build has the version of Sluice.
package build

import (
	"runtime"
	"runtime/debug"
)

// version is set by the linker: -X github.com/sluiceio/sluice/internal/build.version=...
var version = "dev"

// Version is the release, or "dev".
func Version() string { return version }

// Line is the output of the version verb.
func Line(name string) string {
	line := name + " " + version + " (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				line += ", " + s.Value[:12]
			}
		}
	}
	return line + ")"
}
