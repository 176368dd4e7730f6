// Package dashboards is what Sluice shows and when it warns: Grafana dashboards, recording rules and alert rules,
// written in Go and committed as the files that Grafana and Prometheus read.
//
// node*.go and pipeline*.go say what is on a dashboard; panel.go and render.go turn that into Grafana's shape, the same
// way for every panel; frame.go is what all dashboards have in common; rules.go are the rules.
package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Board is one dashboard and the file that holds it.
type Board struct {
	File      string // below dashboards/json
	Dashboard dashboard.Dashboard
}

// Boards are all dashboards, in the order in which one would look at them.
func Boards() ([]Board, error) {
	var out []Board
	for _, b := range []board{nodeUSE(), pipelineOverview()} {
		d, err := b.build()
		if err != nil {
			return nil, fmt.Errorf("cannot build the dashboard %q: %w", b.title, err)
		}
		out = append(out, Board{File: b.file, Dashboard: d})
	}
	return out, nil
}
