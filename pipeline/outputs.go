package pipeline

import (
	"fmt"
	"slices"
)

// Outputs is what a receiver or a connector writes to: one Sink a signal, which gives a batch to every pipeline of that
// signal that receives from the component. A connector may also choose among the pipelines by name.
type Outputs struct {
	all       [len(Signals) + 1]Sink
	pipelines []ID // those that a connector may choose among
	branches  []head
}

// OutputsTo gives every listed signal the same sink. Tests use it; the graph fills Outputs itself.
func OutputsTo(s Sink, signals ...Signal) Outputs {
	var o Outputs
	for _, sig := range signals {
		o.all[sig] = s
	}
	return o
}

// For returns the sink of a signal, or nil if no pipeline of the signal receives from the component.
func (o Outputs) For(s Signal) Sink {
	if int(s) >= len(o.all) {
		return nil
	}
	return o.all[s]
}

// Pipelines names the pipelines that a connector gives to. A receiver gets none: it does not choose.
func (o Outputs) Pipelines() []ID { return slices.Clone(o.pipelines) }

// To is one sink for some of Pipelines. They take one signal, that of their names.
func (o Outputs) To(pipelines ...ID) (Sink, error) {
	var chosen []head
	for _, id := range pipelines {
		i := slices.Index(o.pipelines, id)
		switch {
		case i < 0:
			return nil, fmt.Errorf("pipeline %s does not receive from this connector; list the connector under its receivers", id)
		case id.Type != pipelines[0].Type:
			return nil, fmt.Errorf("pipelines %s and %s take different signals; a batch has one", pipelines[0], id)
		}
		chosen = append(chosen, o.branches[i])
	}
	if chosen == nil {
		return nil, fmt.Errorf("no pipeline is named; name at least one")
	}
	return fanOutTo(chosen), nil
}
