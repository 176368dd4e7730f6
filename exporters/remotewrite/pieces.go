package remotewrite

import (
	"github.com/klauspost/compress/s2"

	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/prom"
)

// pieces are the series of a write request, with samples in time order.
type pieces struct {
	e      *encoder
	batch  pipeline.Batch
	series []seriesPiece
}

type seriesPiece struct {
	labels  []byte // with framing
	samples []samplePiece
}

// samplePiece is a sample or histogram with the exemplars before it.
type samplePiece struct {
	frames []byte
	time   []byte // as a varint
	points []int  // data points of the batch with this sample
}

// cutSeries splits a request. It walks the batch again to find the data points, only after a rejection.
func (e *encoder) cutSeries(b pipeline.Batch, request []byte) *pieces {
	p := &pieces{e: e, batch: b}
	body, err := s2.Decode(nil, request)
	if err != nil {
		return p // cannot happen: we encoded it
	}
	byLabels := map[string]int{}
	for all := wire.MessageFields(body); all.Next(); {
		if all.Number() == fieldTimeSeries {
			s := readSeries(all.Body())
			byLabels[string(s.labels)] = len(p.series)
			p.series = append(p.series, s)
		}
	}
	var time []byte
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _ = e.translator.Walk(b.Request, prom.SinkFunc(func(s *prom.Sample) error {
		i, ok := byLabels[string(s.Labels)]
		if !ok || s.Point < 0 {
			return nil
		}
		time = wire.AppendVarint(time[:0], uint64(s.Time))
		for k := range p.series[i].samples {
			if x := &p.series[i].samples[k]; string(x.time) == string(time) {
				x.points = append(x.points, s.Point)
			}
		}
		return nil
	}))
	return p
}

// readSeries relies on labels being first.
func readSeries(body []byte) (s seriesPiece) {
	from := 0
	pos := 0
	for field := wire.MessageFields(body); field.Next(); {
		framed := field.Framed()
		pos += len(framed)
		timeField := fieldSampleTime
		switch field.Number() {
		case fieldLabels:
			s.labels = body[:pos]
			from = pos
			continue
		case fieldExemplars:
			continue
		case fieldHistograms:
			timeField = fieldHistogramTime
		}
		x := samplePiece{frames: body[from:pos]}
		for t := wire.MessageFields(field.Body()); t.Next(); {
			if t.Number() == timeField {
				x.time = t.Framed()[1:]
			}
		}
		s.samples = append(s.samples, x)
		from = pos
	}
	if n := len(s.samples); n > 0 && from < len(body) { // exemplars after the last sample
		s.samples[n-1].frames = body[from-len(s.samples[n-1].frames):]
	}
	return s
}

func (p *pieces) Len() int { return len(p.series) }

func (p *pieces) Items(from, to int) pipeline.Ranges {
	var items []pipeline.Range
	for i := range p.series[from:to] {
		items = p.series[from+i].items(items)
	}
	return pipeline.NewRanges(items)
}

func (s *seriesPiece) items(to []pipeline.Range) []pipeline.Range {
	for _, x := range s.samples {
		for _, point := range x.points {
			to = append(to, pipeline.Range{From: point, To: point + 1})
		}
	}
	return to
}

func (p *pieces) Cut(from, to int) *payload.Payload {
	var body []byte
	for i := range p.series[from:to] {
		body = p.series[from+i].append(body)
	}
	return p.e.request(p.batch, body, p.Items(from, to).Len())
}

func (s *seriesPiece) append(dst []byte) []byte {
	dst, mark := wire.BeginMessage(dst, fieldTimeSeries)
	dst = append(dst, s.labels...)
	for _, x := range s.samples {
		dst = append(dst, x.frames...)
	}
	return wire.EndMessage(dst, mark)
}

// Within splits one series into samples.
func (p *pieces) Within(i int) (divide.Pieces, bool) {
	one := &pieces{e: p.e, batch: p.batch}
	for _, x := range p.series[i].samples {
		one.series = append(one.series, seriesPiece{p.series[i].labels, []samplePiece{x}})
	}
	return inSeries{one}, true
}

func (p *pieces) Key(i int) uint64 { return p.e.key(p.series[i].labels) }

// inSeries are the samples of one series.
type inSeries struct{ *pieces }

func (inSeries) Within(int) (divide.Pieces, bool) { return nil, false }
func (inSeries) Key(int) uint64                   { return 0 }
