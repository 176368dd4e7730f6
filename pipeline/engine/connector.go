package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
)

// connector builds a connector for one signal, after the pipelines that receive from it.
func (g *graph) connector(in pipeline.Instance, sig pipeline.Signal, exporters map[pipeline.ID]pipeline.Sink) (head, error) {
	name := instanceKey(pipeline.KindConnector, in.ID)
	key := name + " " + sig.String()
	if h, ok := g.joined[key]; ok {
		return h, nil
	}
	own := g.host.ledger.Account(pipeline.KindConnector, ledger.Key{Component: name, Signal: sig})
	var out pipeline.Outputs
	var pipelines []pipeline.ID
	var all []head
	var ends [len(pipeline.Signals) + 1][]head
	for _, q := range g.cfg.Pipelines {
		if !contains(q.Receivers, in.ID) || !in.Component.Leads(sig, q.Signal) {
			continue
		}
		h, err := g.pipeline(q, exporters)
		if err != nil {
			return head{}, err
		}
		branch := g.enter(pipeline.KindConnector, ledger.Key{Component: name, Pipeline: q.ID.String(), Signal: q.Signal}, h.sink)
		g.link(branch.accounts[0], h)
		own.Branch(branch.accounts[0])
		pipelines, all = append(pipelines, q.ID), append(all, branch)
		ends[q.Signal] = append(ends[q.Signal], branch)
	}
	for to, branches := range ends {
		if branches != nil {
			out = out.With(pipeline.Signal(to), fanOutTo(key, branches, g.host))
		}
	}
	out = out.Choosing(pipelines, func(chosen ...pipeline.ID) (pipeline.Sink, error) { return g.choose(key, chosen, pipelines, all) })
	sink, err := in.Component.NewConnector(g.settings(in, "", sig), in.Config, out)
	if err != nil {
		return head{}, fault(in, err)
	}
	g.inner = append([]node{newNode(name, sig.String(), sink)}, g.inner...)
	h := head{sink: own.Entrance(g.watched(At{Kind: pipeline.KindConnector, ID: in.ID}, sink)), accounts: []*ledger.Account{own}}
	g.joined[key] = h
	return h, nil
}

func (g *graph) choose(connector string, chosen, pipelines []pipeline.ID, heads []head) (pipeline.Sink, error) {
	var branches []head
	for _, id := range chosen {
		i := slices.Index(pipelines, id)
		switch {
		case i < 0:
			return nil, fmt.Errorf("pipeline %s does not receive from this connector; list the connector under its receivers", id)
		case id.Type != chosen[0].Type:
			return nil, fmt.Errorf("pipelines %s and %s take different signals; name pipelines of one signal", chosen[0], id)
		}
		branches = append(branches, heads[i])
	}
	if branches == nil {
		return nil, errors.New("no pipeline is named; name at least one")
	}
	return fanOutTo(fmt.Sprint(connector, chosen), branches, g.host), nil
}
