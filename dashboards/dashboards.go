// Package dashboards generates Grafana dashboards, recording rules and alert rules, which are committed as files.
//
// node*.go and pipeline*.go define the dashboards, panel.go and render.go turn panels into Grafana's JSON, frame.go
// has what all dashboards share, and rules.go the rules.
package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Board is one dashboard and its file.
type Board struct {
	File      string // below dashboards/json
	Dashboard dashboard.Dashboard
}

// Boards returns all dashboards.
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
