package remotewrite

import (
	"errors"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/prom"
)

// An encoder turns batches into write requests. It groups samples by series, because a batch may hold several scrapes:
// labels, most of the bytes, are written once, and samples in time order.
type encoder struct {
	shards   int
	maxBytes int
	maxArena int
	flushAt  int
	metadata bool
	seed     maphash.Seed
	suspects divide.Suspects
	pool     buffer.Pool

	mu         sync.Mutex // guards all below: the translator allows one walk at a time
	translator *prom.Translator
	batch      pipeline.Batch
	suspected  bool                 // some series was rejected recently
	groups     [][]*payload.Payload // by shard
	spent      int                  // of the arena, flushed so far
	walk       uint64               // number of the walk; see indexBits
	series     []series
	samples    []sample
	families   []*prom.Family
	arena      []byte // labels of series; encoded exemplars and histograms of samples
	lastPoint  int    // data point of the previous sample
	order      []int32
	body       []byte
}

type span struct{ from, to int32 }

// series is one label set in a walk.
type series struct {
	labels      span
	first, last int32 // of its samples
	size        int32 // of its TimeSeries body
	items       int32 // data points counted here: those whose first sample it has
	shard       uint8
	unsorted    bool
}

// sample is a value or, if bare, a native histogram.
type sample struct {
	time   int64
	value  float64
	frames span  // exemplars and histograms, encoded as TimeSeries fields
	next   int32 // next sample of the series, unless this is the last
	bare   bool  // no value
}

func newEncoder(c *Config) *encoder {
	p := prom.DefaultConfig()
	p.PromoteResourceAttributes = c.PromoteResourceAttributes
	p.PromoteAll = c.ResourceToTelemetry.Enabled && !c.ResourceToTelemetry.ExcludeServiceAttributes
	p.PromoteAllButService = c.ResourceToTelemetry.Enabled && c.ResourceToTelemetry.ExcludeServiceAttributes
	p.AddMetricSuffixes = c.TranslationStrategy.Suffixes(c.AddMetricSuffixes)
	p.TargetInfo = c.TargetInfo.Enabled
	p.ScopeInfo = !c.DisableScopeInfo
	p.ExternalLabels = c.ExternalLabels
	return &encoder{
		shards: c.shards(), maxBytes: c.MaxBatchSizeBytes, maxArena: maxArena, flushAt: flushArena, metadata: c.SendMetadata, seed: maphash.MakeSeed(),
		translator: prom.New(p),
	}
}

// maxArena limits a batch's labels: they are repeated for every series, so a promoted attribute of 1 MB over 100,000 points
// would use all memory.
const maxArena = 256 << 20

// flushArena is how much is gathered before requests are made. Samples are sorted by time only within it.
const flushArena = 32 << 20

// keepArena is how much memory is kept for the next batch.
const keepArena = 16 << 20

var errInflated = errors.New("the labels of the batch are larger than 256 MiB when each series has its own")

// encode makes the payloads of a batch: a group for each shard, in it requests of at most maxBytes; apart from
// them the series that were rejected lately.
func (e *encoder) encode(b pipeline.Batch) ([][]*payload.Payload, prom.Report, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.batch, e.groups = b, make([][]*payload.Payload, e.shards+divide.Suspicions-1)
	e.suspected = e.suspects.Any()
	e.spent, e.lastPoint = 0, -1
	e.forget()
	defer e.shrink()
	report, err := e.translator.Walk(b.Request, e)
	if err != nil {
		for _, group := range e.groups {
			payload.Discard(group)
		}
		return nil, report, pipeline.Reject(0, pipeline.DropTooLarge, err)
	}
	e.flush()
	groups := slices.DeleteFunc(e.groups, func(group []*payload.Payload) bool { return len(group) == 0 })
	return groups, report, nil
}

func (e *encoder) flush() {
	for shard := range e.groups {
		e.groups[shard] = append(e.groups[shard], e.group(e.batch, uint8(shard))...)
	}
	e.spent += len(e.arena)
	e.forget()
}

func (e *encoder) forget() {
	e.walk++
	e.series, e.samples, e.families, e.arena = e.series[:0], e.samples[:0], e.families[:0], e.arena[:0]
}

// The low half of a slot is the series' index in the walk given by the high half.
const indexBits = 32

func (e *encoder) Sample(s *prom.Sample) error {
	if e.spent+len(e.arena) > e.maxArena {
		return errInflated
	}
	if len(e.arena) > e.flushAt {
		e.flush()
	}
	i := int(uint32(*s.Slot))
	if *s.Slot>>indexBits != e.walk&(1<<indexBits-1) || *s.Slot == 0 {
		i = e.add(s)
	}
	k := &e.series[i]
	if s.Point != e.lastPoint && s.Point >= 0 {
		k.items++
		e.lastPoint = s.Point
	}
	n := int32(len(e.samples))
	v := sample{time: s.Time, value: s.Value, bare: s.Histogram != nil}
	if v.bare || len(s.Exemplars) > 0 {
		v.frames = e.frames(s)
		k.size += v.frames.to - v.frames.from
	}
	if !v.bare {
		k.size += int32(frameSize(sampleSize(v.time)))
	}
	e.samples = append(e.samples, v)
	if k.first < 0 {
		k.first, k.last = n, n
		return nil
	}
	last := &e.samples[k.last]
	k.unsorted = k.unsorted || s.Time < last.time
	last.next = n
	k.last = n
	return nil
}

func (e *encoder) add(s *prom.Sample) int {
	i := len(e.series)
	*s.Slot = e.walk<<indexBits | uint64(uint32(i))
	from := int32(len(e.arena))
	e.arena = append(e.arena, s.Labels...)
	k := series{labels: span{from, int32(len(e.arena))}, size: int32(len(s.Labels)), first: -1}
	if e.shards > 1 {
		k.shard = uint8(e.key(s.Labels) % uint64(e.shards))
	}
	if e.suspected {
		if s := e.suspects.Of(e.key(s.Labels)); s != divide.Innocent {
			k.shard = uint8(e.shards + int(s-divide.Doubted))
		}
	}
	e.series = append(e.series, k)
	if e.metadata && s.Family.Slot != e.walk {
		s.Family.Slot = e.walk
		e.families = append(e.families, s.Family)
	}
	return i
}

// refused records that part of a batch may not have arrived.
func (e *encoder) refused() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.translator.InfoLost()
}

func (e *encoder) key(labels []byte) uint64 { return maphash.Bytes(e.seed, labels) }

func (e *encoder) group(b pipeline.Batch, shard uint8) (out []*payload.Payload) {
	e.body = e.body[:0]
	if shard == 0 {
		for _, f := range e.families {
			e.body = appendMetadata(e.body, f)
		}
	}
	alone := int(shard) == e.shards+int(divide.Alone-divide.Doubted)
	items := 0
	for i := range e.series {
		k := &e.series[i]
		if k.shard != shard {
			continue
		}
		if len(e.body) > 0 && (alone || len(e.body)+frameSize(int(k.size)) > e.maxBytes) {
			out = append(out, e.payload(b, items))
			e.body, items = e.body[:0], 0
		}
		e.body = wire.AppendTag(e.body, fieldTimeSeries, wire.TypeBytes)
		e.body = wire.AppendVarint(e.body, uint64(k.size))
		e.body = append(e.body, e.arena[k.labels.from:k.labels.to]...)
		e.appendSamples(k)
		items += int(k.items)
	}
	if len(e.body) > 0 {
		out = append(out, e.payload(b, items))
	}
	for _, p := range out {
		p.Apart = int(shard) >= e.shards
	}
	return out
}

func (e *encoder) payload(b pipeline.Batch, items int) *payload.Payload {
	return e.request(b, e.body, items)
}

func (e *encoder) request(b pipeline.Batch, body []byte, items int) *payload.Payload {
	p := payload.Own(b, payload.CompressSnappy(body, &e.pool))
	p.Items, p.Size = items, share(len(b.Request), items, b.Items)
	return p
}

// appendSamples writes the samples of a series in order of time.
func (e *encoder) appendSamples(k *series) {
	if !k.unsorted {
		for i := k.first; ; i = e.samples[i].next {
			e.appendSample(&e.samples[i])
			if i == k.last {
				return
			}
		}
	}
	e.order = e.order[:0]
	for i := k.first; ; i = e.samples[i].next {
		e.order = append(e.order, i)
		if i == k.last {
			break
		}
	}
	slices.SortStableFunc(e.order, func(a, b int32) int {
		return int(min(max(e.samples[a].time-e.samples[b].time, -1), 1))
	})
	for _, i := range e.order {
		e.appendSample(&e.samples[i])
	}
}

func (e *encoder) appendSample(v *sample) {
	if !v.bare {
		e.body = wire.AppendTag(e.body, fieldSamples, wire.TypeBytes)
		e.body = wire.AppendVarint(e.body, uint64(sampleSize(v.time)))
		e.body = wire.AppendDouble(e.body, fieldSampleValue, v.value)
		e.body = wire.AppendUint(e.body, fieldSampleTime, uint64(v.time))
	}
	e.body = append(e.body, e.arena[v.frames.from:v.frames.to]...)
}

// shrink releases the batch and frees unusually large buffers.
func (e *encoder) shrink() {
	e.batch, e.groups = pipeline.Batch{}, nil
	if cap(e.arena) > keepArena {
		e.arena, e.series, e.samples, e.order = nil, nil, nil, nil
	}
	if cap(e.body) > keepArena {
		e.body = nil
	}
}

func sampleSize(time int64) int { return 9 + 1 + wire.SizeVarint(uint64(time)) }

// frameSize is the size of a field with n body bytes and a number below 16.
func frameSize(n int) int { return 1 + wire.SizeVarint(uint64(n)) + n }
