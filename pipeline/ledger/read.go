package ledger

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
)

// Read returns every account. Each is consistent in itself.
func (l *Ledger) Read() []pipeline.Statement {
	accounts := l.all()
	out := make([]pipeline.Statement, 0, len(accounts))
	for _, d := range accounts {
		out = append(out, d.Read())
	}
	return out
}

// Read is a snapshot.
func (d *Account) Read() pipeline.Statement {
	s := d.snapshot()
	out := pipeline.Statement{
		Component: d.key.Component, Pipeline: d.key.Pipeline, Signal: d.key.Signal, Kind: d.kind,
		In: s.in, Out: s.out, Refused: s.refused, Held: s.held(), Delivered: s.delivered,
		Dropped: map[pipeline.Reason]pipeline.Amount{}, DeliveredAfterRefusal: s.repeated,
		Stored: s.stored, StoredAtStart: s.atStart,
	}
	for i, f := range s.dropped {
		f.Add(int(s.lost[i].Items), int(s.lost[i].Bytes))
		if f != (pipeline.Amount{}) {
			out.Dropped[pipeline.Reasons[i]] = f
		}
	}
	return out
}

// Unaccounted is the number of items that the ledger cannot explain; other than 0 is a bug in a component. It
// checks each account's equation, and that nobody answered nil for more than was taken behind it: feeders against
// an account, a connector against its pipelines, an exporter against what its destination confirmed.
func (l *Ledger) Unaccounted() int64 {
	var gap int64
	for _, d := range l.all() {
		// Read the feeders first: the account can only have taken more by then, so there is no false alarm.
		var promised int64
		for _, k := range d.links() {
			promised += k.promised()
		}
		s := d.snapshot()
		gap += s.unbalanced() + max(0, promised-s.out.Items-s.droppedTotal().Items)
		if went, same := d.went(); same {
			gap += max(0, s.out.Items-went)
		}
		if d.kind == pipeline.KindExporter {
			gap += s.unqueued()
		}
	}
	return gap
}

var (
	descIn        = itemsDesc("in", "Entered the component.")
	descOut       = itemsDesc("out", "Answered nil: delivered, durable, or taken by the components behind.")
	descRefused   = itemsDesc("refused", "Answered 'try again': the caller still has them.")
	descDelivered = itemsDesc("delivered", "Confirmed by the destination.")
	descDropped   = prometheus.NewDesc("sluice_component_dropped_items_total",
		"Items that will not be delivered, by the one reason.", []string{"component", "pipeline", "signal", "reason"}, nil)
	descDroppedBytes = prometheus.NewDesc("sluice_component_dropped_bytes_total",
		"Bytes of OTLP that will not be delivered, by the one reason.", []string{"component", "pipeline", "signal", "reason"}, nil)
	descRepeated = prometheus.NewDesc("sluice_component_delivered_after_refusal_items_total",
		"Items that reached a destination although their caller was told to send them again: the bound on duplicates.", accountLabels, nil)
	descStored = prometheus.NewDesc("sluice_component_stored_items",
		"Items in the exporter's queue on disk: answered, and not delivered yet.", accountLabels, nil)
	descHeld = prometheus.NewDesc("sluice_component_held_items",
		"Items inside the component now.", accountLabels, nil)
	descHeldBytes = prometheus.NewDesc("sluice_component_held_bytes",
		"Bytes of OTLP inside the component now.", accountLabels, nil)
	descUnaccounted = prometheus.NewDesc("sluice_unaccounted_items",
		"Items the ledger cannot explain; anything but 0 is a bug.", nil, nil)
)

var accountLabels = []string{"component", "pipeline", "signal"}

type amountDesc struct{ items, bytes *prometheus.Desc }

func itemsDesc(name, help string) amountDesc {
	return amountDesc{
		items: prometheus.NewDesc("sluice_component_"+name+"_items_total", help+" In items.", accountLabels, nil),
		bytes: prometheus.NewDesc("sluice_component_"+name+"_bytes_total", help+" In bytes of OTLP.", accountLabels, nil),
	}
}

func (a amountDesc) emit(ch chan<- prometheus.Metric, v pipeline.Amount, labels ...string) {
	ch <- prometheus.MustNewConstMetric(a.items, prometheus.CounterValue, float64(v.Items), labels...)
	ch <- prometheus.MustNewConstMetric(a.bytes, prometheus.CounterValue, float64(v.Bytes), labels...)
}

// Describe implements prometheus.Collector.
func (l *Ledger) Describe(ch chan<- *prometheus.Desc) { ch <- descUnaccounted }

// Collect implements prometheus.Collector.
func (l *Ledger) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(descUnaccounted, prometheus.GaugeValue, float64(l.Unaccounted()))
	for _, a := range l.Read() {
		labels := []string{a.Component, a.Pipeline, a.Signal.String()}
		descIn.emit(ch, a.In, labels...)
		descOut.emit(ch, a.Out, labels...)
		descRefused.emit(ch, a.Refused, labels...)
		if a.Kind == pipeline.KindExporter {
			descDelivered.emit(ch, a.Delivered, labels...)
			ch <- prometheus.MustNewConstMetric(descStored, prometheus.GaugeValue, float64(a.Stored), labels...)
		}
		ch <- prometheus.MustNewConstMetric(descHeld, prometheus.GaugeValue, float64(a.Held.Items), labels...)
		ch <- prometheus.MustNewConstMetric(descHeldBytes, prometheus.GaugeValue, float64(a.Held.Bytes), labels...)
		ch <- prometheus.MustNewConstMetric(descRepeated, prometheus.CounterValue, float64(a.DeliveredAfterRefusal), labels...)
		for _, why := range pipeline.Reasons {
			v, some := a.Dropped[why]
			if !some && !slices.Contains(usual[a.Kind], why) {
				continue
			}
			l := append(labels[:3:3], string(why))
			ch <- prometheus.MustNewConstMetric(descDropped, prometheus.CounterValue, float64(v.Items), l...)
			if some {
				ch <- prometheus.MustNewConstMetric(descDroppedBytes, prometheus.CounterValue, float64(v.Bytes), l...)
			}
		}
	}
}

// usual are the reasons with which a kind may drop. Their series start at 0, or increase() would miss the first
// drop.
var usual = map[pipeline.Kind][]pipeline.Reason{
	pipeline.KindReceiver: {
		pipeline.DropTooLarge, pipeline.DropTooNew, pipeline.DropDuplicate, pipeline.DropBacklogFull, pipeline.DropShutdown,
		pipeline.DropRotatedUnread, pipeline.DropTruncatedUnread, pipeline.DropCorrupt, pipeline.DropOverflow,
	},
	pipeline.KindExporter: {
		pipeline.DropQueueOldest, pipeline.DropQueueNewest, pipeline.DropQueueAge, pipeline.DropOperator, pipeline.DropCorrupt,
		pipeline.DropInvalid, pipeline.DropTooLarge, pipeline.DropTooOld, pipeline.DropTooNew, pipeline.DropDuplicate, pipeline.DropOutOfOrder,
		pipeline.DropUnsupported, pipeline.DropRejected, pipeline.DropUndivided, pipeline.DropOverflow,
	},
}
