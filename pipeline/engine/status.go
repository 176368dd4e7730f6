package engine

import (
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/status"
)

// status is what /status shows.
func (s *Service) status() status.Status {
	out := status.Status{
		Version: s.host.version, State: s.State().String(), Uptime: s.board.Uptime().Seconds(), Unaccounted: s.host.ledger.Unaccounted(),
		Orphans: int(s.orphans.Load()),
	}
	var cfg *pipeline.Config
	reports := map[string]pipeline.Report{}
	if g := s.asked.Load(); g != nil {
		cfg = g.cfg
		for _, nodes := range [][]node{g.receivers, g.inner, g.exporters} {
			for _, n := range nodes {
				if r, is := n.value.(pipeline.Reporter); is {
					reports[n.name] = r.Report()
				}
			}
		}
	}
	out.Edges = s.board.Edges(cfg, reports)
	return out
}

// Orphans says how many queues on disk belong to no configured exporter, for sluice_queue_orphans.
func (s *Service) Orphans(n int) { s.orphans.Store(int64(n)) }

// Exporters returns the running exporters, for what an operator asks of them.
func (s *Service) Exporters() []any {
	var out []any
	if g := s.asked.Load(); g != nil {
		for _, n := range g.exporters {
			out = append(out, n.value)
		}
	}
	return out
}
