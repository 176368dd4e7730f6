package delivery

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
)

// counters are an exporter's request metrics. The ledger counts items.
type counters struct {
	requests  *prometheus.CounterVec // by code
	duration  prometheus.Histogram
	sentBytes prometheus.Counter
	retries   prometheus.Counter
	there     prometheus.Counter
	broken    prometheus.Counter
	inFlight  atomic.Int64
}

func newCounters(reg prometheus.Registerer, waiting func() int) (*counters, error) {
	c := &counters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_exporter_requests_total",
			Help: "Requests that ended, by HTTP status or gRPC code; timeout and error had no answer.",
		}, []string{"code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "sluice_exporter_request_duration_seconds",
			Help:    "Time from the first byte of a request to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		sentBytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_exporter_sent_bytes_total",
			Help: "Bytes of request bodies that were answered, as they go on the wire (compressed).",
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_exporter_retries_total",
			Help: "Requests that were sent again within the same call.",
		}),
		there: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_exporter_already_delivered_items_total",
			Help: "Items that the destination had from an attempt without an answer: it called them out of order or duplicate when they came again. They count as delivered.",
		}),
		broken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_exporter_broken_answers_items_total",
			Help: "Items that count as delivered because the destination said so twice, in answers that broke off.",
		}),
	}
	for _, m := range []prometheus.Collector{
		c.requests, c.duration, c.sentBytes, c.retries, c.there, c.broken,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_exporter_in_flight_requests", Help: "Requests on the wire.",
		}, func() float64 { return float64(c.inFlight.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_exporter_waiting_callers", Help: "Callers that wait for a place on the wire.",
		}, func() float64 { return float64(waiting()) }),
	} {
		if err := reg.Register(m); err != nil {
			return nil, fmt.Errorf("cannot register the exporter's metrics: %w", err)
		}
	}
	return c, nil
}

func (c *counters) attempted(p *payload.Payload, out answer.Outcome, took time.Duration) {
	c.requests.WithLabelValues(out.Code).Inc()
	c.duration.Observe(took.Seconds())
	if out.Code != answer.CodeError && out.Code != answer.CodeTimeout {
		c.sentBytes.Add(float64(p.Len()))
	}
}
