// Package remotewrite is the exporter for Prometheus remote write 1.0.
package remotewrite

import (
	"log/slog"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/httpclient"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/prom"
)

// Exporter is the component.
type Exporter struct {
	httpclient.Exporter
	encoder *encoder
	refused *slog.Logger // of data points: a line for each reason and minute
}

// New makes the exporter; it connects with the first request.
func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	e := &Exporter{refused: throttle.Logger(s.Log, 1), encoder: newEncoder(c)}
	err := e.Init(s, c.client(), httpclient.Protocol{
		Encoding: "snappy", Header: map[string]string{"X-Prometheus-Remote-Write-Version": "0.1.0"},
	}, e)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Encode implements delivery.Destination.
func (e *Exporter) Encode(b pipeline.Batch) (delivery.Requests, error) {
	groups, report, err := e.encoder.encode(b)
	return delivery.Requests{
		Groups: groups, Suspects: &e.encoder.suspects,
		Pieces: func(p *payload.Payload) divide.Pieces { return e.encoder.cutSeries(b, p.Body()) },
		Ended:  func(a *pipeline.Answer) { e.ended(b, a, &report) },
	}, err
}

// ended counts points that Prometheus cannot represent, unless the whole batch will be sent again.
func (e *Exporter) ended(b pipeline.Batch, a *pipeline.Answer, report *prom.Report) {
	if a.Refusal != nil {
		e.encoder.refused()
	}
	if a.Refusal == nil || a.Refused.Len() < b.Items {
		e.drop(b, report)
	}
}

func (e *Exporter) drop(b pipeline.Batch, report *prom.Report) {
	report.EachRefused(func(w prom.Why, points int, metric string) {
		why := pipeline.DropUnsupported
		if w == prom.WhyName || w == prom.WhyLabel {
			why = pipeline.DropInvalid
		}
		e.Drop(why, b.Signal, points, share(len(b.Request), points, b.Items))
		e.refused.Warn("data points that Prometheus cannot represent were dropped", "reason", w.String(), "metric", metric, "points", points)
	})
}

func share(total, n, all int) int {
	if all == 0 {
		return 0
	}
	return int(int64(total) * int64(n) / int64(all))
}
