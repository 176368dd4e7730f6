// Package remotewrite is the exporter that writes metrics by Prometheus' remote write 1.0.
package remotewrite

import (
	"context"
	"fmt"
	"net/url"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/prom"
)

// Exporter is the component.
type Exporter struct {
	settings pipeline.Settings
	sender   *delivery.Sender
	http     *delivery.HTTP
	target   *url.URL
	encoder  *encoder
	refused  throttle.Line
}

// New makes the exporter. It connects with the first request.
func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	e := &Exporter{settings: s, encoder: newEncoder(c)}
	var err error
	if e.target, err = url.Parse(c.Endpoint); err != nil {
		return nil, fmt.Errorf("cannot use the endpoint: %w", err)
	}
	e.http, err = delivery.NewHTTP(s, delivery.HTTPOptions{
		Client: c.ClientConfig, Auth: c.Credentials, ContentType: "application/x-protobuf", Encoding: "snappy",
		Header:      map[string]string{"X-Prometheus-Remote-Write-Version": "0.1.0"},
		MaxInFlight: c.shards(),
	})
	if err != nil {
		return nil, err
	}
	queue := delivery.DefaultQueueConfig()
	queue.Enabled, queue.QueueSize = c.Queue.Enabled, c.Queue.QueueSize
	// One call at a time: its shards go out side by side, and every series in order.
	e.sender, err = delivery.New(s, delivery.Options{Queue: queue, Retry: c.Retry, Timeout: c.Timeout, MaxInFlight: 1}, e)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Consume implements pipeline.Sink.
func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error { return e.sender.Send(ctx, b) }

// Encode implements delivery.Destination.
func (e *Exporter) Encode(b pipeline.Batch) (delivery.Requests, error) {
	groups, report, err := e.encoder.encode(b)
	return delivery.Requests{
		Groups: groups,
		Pieces: func(p *delivery.Payload) delivery.Pieces { return e.encoder.cutSeries(b, p.Body()) },
		Ended:  func() { e.drop(b, &report) },
	}, err
}

// drop books the points that Prometheus has no form for.
func (e *Exporter) drop(b pipeline.Batch, report *prom.Report) {
	report.EachRefused(func(w prom.Why, points int, metric string) {
		why := pipeline.DropUnsupported
		if w == prom.WhyName || w == prom.WhyLabel {
			why = pipeline.DropInvalid
		}
		e.settings.Drop(why, b.Signal, points, share(len(b.Request), points, b.Items))
		if skipped, due := e.refused.Now(); due {
			e.settings.Log.Warn("data points without a form in Prometheus were dropped",
				"why", w.String(), "metric", metric, "points", points, "suppressed", skipped)
		}
	})
}

// Attempt implements delivery.Destination.
func (e *Exporter) Attempt(ctx context.Context, p *delivery.Payload) delivery.Outcome {
	return e.http.Outcome(e.http.Post(ctx, e.target, p))
}

// Stop implements pipeline.Stopper.
func (e *Exporter) Stop(ctx context.Context) error {
	defer e.http.Close()
	return e.sender.Stop(ctx)
}

// share is the part of total that n of all have.
func share(total, n, all int) int {
	if all == 0 {
		return 0
	}
	return int(int64(total) * int64(n) / int64(all))
}
