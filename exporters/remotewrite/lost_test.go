package remotewrite

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/sluiceio/sluice/pipeline"
)

func pointAt(md pmetric.Metrics, name string, at int64, v float64) {
	if md.ResourceMetrics().Len() == 0 {
		md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
	}
	m := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().AppendEmpty()
	m.SetName(name)
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.Timestamp(at * 1e6))
	p.SetDoubleValue(v)
}

// TestLostIsNotDelivered: after a 503 of a proxy, or a connection that was cut, a single sample that is out of order is lost, and said
// to be.
func TestLostIsNotDelivered(t *testing.T) {
	for _, mode := range []string{"none", "503", "cut"} {
		t.Run(mode, func(t *testing.T) {
			db, handler := prometheusServer(t)
			down := false
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if down {
					down = false
					if mode == "503" {
						w.WriteHeader(503)
						return
					}
					c, _, _ := w.(http.Hijacker).Hijack()
					c.Close()
					return
				}
				handler.ServeHTTP(w, r)
			}))
			defer srv.Close()
			sink, ledger := start(t, func(c *Config) { c.Endpoint = srv.URL })
			md := pmetric.NewMetrics()
			for i := range 5 {
				pointAt(md, "old"+string(rune('a'+i)), 9000, 1)
			}
			if err := sink.Consume(t.Context(), batch(t, md)); err != nil {
				t.Fatal(err)
			}
			md = gauges(20, 10000)
			for i := range 5 {
				pointAt(md, "old"+string(rune('a'+i)), 5000, 2)
			}
			down = mode != "none"
			b := batch(t, md)
			a := pipeline.Read(sink.Consume(t.Context(), b), b.Items)
			stored := len(contents(t, db)) - 5
			t.Logf("%s: items %d stored %d taken %d rejected %d unaccounted %d", mode, b.Items, stored, a.Taken(), a.RejectedItems(), ledger.Unaccounted())
			if stored != a.Taken() {
				t.Errorf("%s: %d stored, %d called delivered", mode, stored, a.Taken())
			}
		})
	}
}

// TestNothingGoesOutBehindARefusedPart of a series: it would make what comes again out of order.
func TestNothingGoesOutBehindARefusedPart(t *testing.T) {
	db, handler := prometheusServer(t)
	n, fail := 0, true
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		plain, _ := snappy.Decode(nil, body)
		var wr prompb.WriteRequest
		wr.Unmarshal(plain)
		var ts []int64
		for _, s := range wr.Timeseries {
			for _, x := range s.Samples {
				ts = append(ts, x.Timestamp)
			}
		}
		n++
		if fail && len(ts) < 8 && len(ts) > 0 && ts[0] == 1000 { // first part of the divided series
			t.Logf("req %d %v: 503", n, ts)
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(503)
			return
		}
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		t.Logf("req %d %v: %d %s", n, ts, rec.Code, strings.TrimSpace(rec.Body.String()))
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	}))
	defer srv.Close()
	sink, ledger := start(t, func(c *Config) { c.Endpoint = srv.URL })
	// The last sample is too far in the future.
	md := pmetric.NewMetrics()
	for at := int64(1000); at <= 7000; at += 1000 {
		pointAt(md, "s", at, float64(at))
	}
	pointAt(md, "s", time.Now().Add(24*time.Hour).UnixMilli(), 1)
	b := batch(t, md)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	a := pipeline.Read(sink.Consume(ctx, b), b.Items)
	t.Logf("first: refused %v rejected %v taken %d", a.Refused, a.Rejected, a.Taken())
	fail = false
	lost := a.RejectedItems()
	taken := a.Taken()
	if a.Refusal != nil {
		rest := b.CutRanges(nil, a.Refused)
		a = pipeline.Read(sink.Consume(t.Context(), rest), rest.Items)
		t.Logf("again: refused %v rejected %v taken %d", a.Refused, a.Rejected, a.Taken())
		lost += a.RejectedItems()
		taken += a.Taken()
	}
	stored := len(contents(t, db))
	t.Logf("stored %d taken %d lost %d, unaccounted %d", stored, taken, lost, ledger.Unaccounted())
	if stored != 7 {
		t.Errorf("%d stored, want 7 (only the future one is bad)", stored)
	}
}
