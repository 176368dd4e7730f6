package pipeline

import "slices"

// Outputs is what a receiver or a connector writes to: one Sink a signal, which gives a batch to every pipeline of that
// signal that receives from the component. A connector may also choose among the pipelines by name.
type Outputs struct {
	all       [len(Signals) + 1]Sink
	pipelines []ID
	choose    func(...ID) (Sink, error)
}

// OutputsTo gives every listed signal the same sink. Tests use it; the graph fills Outputs itself.
func OutputsTo(s Sink, signals ...Signal) Outputs {
	var o Outputs
	for _, sig := range signals {
		o = o.With(sig, s)
	}
	return o
}

// With is o with a sink for a signal.
func (o Outputs) With(sig Signal, s Sink) Outputs {
	o.all[sig] = s
	return o
}

// Choosing is o of a connector that may choose among pipelines, by a function that makes one sink of some of them.
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

// Pipelines names the pipelines that a connector gives to. A receiver gets none: it does not choose.
func (o Outputs) Pipelines() []ID { return slices.Clone(o.pipelines) }

// To is one sink for some of Pipelines, which must take one signal.
func (o Outputs) To(pipelines ...ID) (Sink, error) { return o.choose(pipelines...) }
