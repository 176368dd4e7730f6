package pipeline

import "slices"

// Outputs is what a receiver or connector writes to: one Sink per signal, which fans out to the pipelines that
// receive from it. A connector may also choose pipelines by name.
type Outputs struct {
	all       [len(Signals) + 1]Sink
	pipelines []ID
	choose    func(...ID) (Sink, error)
}

// OutputsTo gives every listed signal the same sink. For tests.
func OutputsTo(s Sink, signals ...Signal) Outputs {
	var o Outputs
	for _, sig := range signals {
		o = o.With(sig, s)
	}
	return o
}

// With returns o with a sink for a signal.
func (o Outputs) With(sig Signal, s Sink) Outputs {
	o.all[sig] = s
	return o
}

// Choosing returns o with a choice of pipelines.
func (o Outputs) Choosing(pipelines []ID, choose func(...ID) (Sink, error)) Outputs {
	o.pipelines, o.choose = pipelines, choose
	return o
}

// For returns the sink of a signal, or nil if no pipeline of the signal receives from the component.
func (o Outputs) For(s Signal) Sink {
	if int(s) >= len(o.all) {
		return nil
	}
	return o.all[s]
}

// Pipelines names the pipelines that a connector gives to; empty for receivers.
func (o Outputs) Pipelines() []ID { return slices.Clone(o.pipelines) }

// To is one sink for some of Pipelines, which must have one signal.
func (o Outputs) To(pipelines ...ID) (Sink, error) { return o.choose(pipelines...) }
