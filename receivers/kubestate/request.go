package kubestate

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/sluiceio/sluice/receivers/kubestate/series"
	"github.com/sluiceio/sluice/wire"
)

const scopeName = "github.com/sluiceio/sluice/receivers/kubestate"

// chunkSize is about how large a request becomes.
const chunkSize = 256 << 10

// request is what stands around the metrics of each request.
type request struct{ resource, scope []byte }

// newRequest writes job and instance where a scrape has them: as attributes of the scope, which are labels of all series.
func newRequest(job, instance string) request {
	r, mark := wire.BeginMessage(nil, wire.FieldResourceXResource)
	r = wire.AppendStringAttribute(r, wire.FieldResourceAttributes, "service.name", job)
	if instance != "" {
		r = wire.AppendStringAttribute(r, wire.FieldResourceAttributes, "service.instance.id", instance)
	}
	r = wire.EndMessage(r, mark)
	s, mark := wire.BeginMessage(nil, wire.FieldScopeXScope)
	s = wire.AppendString(s, wire.FieldScopeName, scopeName)
	s = wire.AppendStringAttribute(s, wire.FieldScopeAttributes, model.JobLabel, job)
	if instance != "" {
		s = wire.AppendStringAttribute(s, wire.FieldScopeAttributes, model.InstanceLabel, instance)
	}
	return request{resource: r, scope: wire.EndMessage(s, mark)}
}

// writer cuts the series of a collection into requests.
type writer struct {
	request *request
	put     func(items int, request []byte) bool // false: stop
	pace    func() bool                          // called between two requests
	points  series.Points                        // of the family that is being written
	metrics []byte                               // finished ones
	items   int                                  // in metrics
	live    int                                  // samples that are no stale markers
	buffer  []byte
	bases   []byte // encoded labels of the objects of a block
	ends    []int  // where those of each end
	stopped bool
}

// write writes a sample of each series of now, and a stale marker of those that were in before and are not in now. It returns false
// if it was stopped.
func (w *writer) write(kinds []watched, before, now snapshot) bool {
	begin := time.Now()
	for i := range kinds {
		k := &kinds[i].kind
		objects, is := now[k.Resource()]
		if !is {
			continue // without its list nothing is known of it
		}
		changed := changes(before[k.Resource()], objects)
		for block := range slices.Chunk(objects, blockSize) {
			w.block(k, block)
			if w.stopped {
				return false
			}
		}
		w.ended(k, changed)
	}
	samples := w.live
	w.own("up", "", 1)
	w.own("scrape_duration_seconds", "seconds", time.Since(begin).Seconds())
	w.own("scrape_samples_scraped", "", float64(samples))
	w.live = samples
	w.cut(true)
	return !w.stopped
}

// blockSize is how many objects are walked family by family: few enough to stay in the processor's cache, many enough that what
// stands in front of a family's points is small beside them.
const blockSize = 256

func (w *writer) block(k *series.Kind, objects []entry) {
	w.bases, w.ends = w.bases[:0], w.ends[:0]
	for _, o := range objects {
		w.bases = k.Base(w.bases, o.object)
		w.ends = append(w.ends, len(w.bases))
	}
	for i := range k.Families {
		from := 0
		for j, o := range objects {
			k.Each(i, &w.points, w.bases[from:w.ends[j]], o.object)
			from = w.ends[j]
		}
		w.end(metricOf(&k.Families[i]), true)
	}
	w.cut(false)
}

// ended writes the stale markers of a kind.
func (w *writer) ended(k *series.Kind, changed []change) {
	for i := range k.Families {
		for _, c := range changed {
			w.points.Stale(k, i, c.was, c.is)
		}
		w.end(metricOf(&k.Families[i]), false)
		w.cut(false)
	}
}

// own writes a series of the receiver itself.
func (w *writer) own(name, unit string, v float64) {
	w.points.Plain(v)
	w.end(metric{name: name, unit: unit}, true)
}

// metric is what stands in front of its points.
type metric struct {
	name, help, unit string
	counter          bool
}

func metricOf(f *series.Family) metric { return metric{name: f.Name, help: f.Help, counter: f.Counter} }

// end makes a metric of the points, if there are any.
func (w *writer) end(m metric, live bool) {
	p := &w.points
	if p.Count == 0 {
		return
	}
	b, mark := wire.BeginMessage(w.metrics, wire.FieldScopeXItem)
	b = wire.AppendString(b, wire.FieldMetricName, m.name)
	if m.help != "" {
		b = wire.AppendString(b, wire.FieldMetricDescription, m.help)
	}
	if m.unit != "" {
		b = wire.AppendString(b, wire.FieldMetricUnit, m.unit)
	}
	kind, field := "gauge", wire.FieldMetricGauge
	if m.counter {
		kind, field = "counter", wire.FieldMetricSum
	}
	b = wire.AppendStringAttribute(b, wire.FieldMetricMetadata, "prometheus.type", kind)
	b, inner := wire.BeginMessage(b, field)
	if m.counter {
		b = wire.AppendUint(b, wire.FieldDataTemporality, temporalityCumulative)
		b = wire.AppendBool(b, wire.FieldDataMonotonic, true)
	}
	b = append(b, p.Bytes...)
	w.metrics = wire.EndMessage(wire.EndMessage(b, inner), mark)
	w.items += p.Count
	if live {
		w.live += p.Count
	}
	p.Bytes, p.Count = p.Bytes[:0], 0
}

const temporalityCumulative = 2

// cut hands on a request if it is large enough, or the last.
func (w *writer) cut(last bool) {
	if w.items == 0 || w.stopped || !last && len(w.metrics) < chunkSize {
		return
	}
	e := wire.Envelope{Resource: w.request.resource, Scope: w.request.scope}
	w.buffer = append(e.Append(w.buffer[:0], len(w.metrics)), w.metrics...)
	if !w.put(w.items, w.buffer) || !last && !w.pace() {
		w.stopped = true
	}
	w.metrics, w.items = w.metrics[:0], 0
}
