package probabilisticsampler

import (
	"errors"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
)

// The mode hash_seed decides by the lowest 14 bits of a hash.
const (
	bucketBits  = 14
	buckets     = 1 << bucketBits
	bucketScale = buckets / 100.0
)

// sampler is the configuration, compiled.
type sampler struct {
	mode       string // empty for nothing is kept
	threshold  sampling.Threshold
	ratio      float64 // of proportional
	precision  int
	seed       [4]byte
	failClosed bool

	// of logs
	byTraceID bool
	attribute string
	priority  string
}

func newSampler(c *Config) sampler {
	s := sampler{
		mode: c.Mode, precision: c.SamplingPrecision, failClosed: c.FailClosed,
		seed:      [4]byte{byte(c.HashSeed), byte(c.HashSeed >> 8), byte(c.HashSeed >> 16), byte(c.HashSeed >> 24)},
		byTraceID: c.AttributeSource == sourceTraceID, attribute: c.FromAttribute, priority: c.SamplingPriority,
	}
	if s.mode == "" {
		s.mode = modeHash
	}
	percent := min(c.SamplingPercentage, 100)
	s.ratio = max(float64(percent)/100, sampling.MinSamplingProbability)
	switch {
	case percent == 0:
		s.mode = ""
	case s.mode == modeEqualizing:
		s.threshold, _ = sampling.ProbabilityToThresholdWithPrecision(s.ratio, s.precision) // the ratio is in range
	case s.mode == modeHash:
		accepted := uint32(percent * bucketScale) // in 32 bits and towards zero, as in the Collector
		if accepted == 0 {
			s.mode = ""
			break
		}
		s.threshold, _ = sampling.UnsignedToThreshold(uint64(buckets-accepted) << 42)
	}
	return s
}

// An item is what is known of a span or log record before the decision, and what is to be written after it.
type item struct {
	broken                bool // its sampling information cannot be read
	threshold             sampling.Threshold
	randomness            sampling.Randomness
	hasThreshold, hasRand bool

	id   []byte // what is decided by: a trace ID, or the text of an attribute; empty for nothing
	span bool

	writes  bool // the sampling information may be written
	newRand bool // randomness is to be written
	cleared bool // the threshold that came is wrong
	closed  bool // there is nothing to decide by, or what there is is wrong, and so it goes
}

// decide returns the threshold and the randomness of an item, before its priority counts. The item is kept where the
// randomness reaches the threshold.
func (s *sampler) decide(it *item) (sampling.Threshold, sampling.Randomness) {
	rnd, missing := sampling.AllProbabilitiesRandomness, true
	failed := it.broken
	it.writes = true
	switch s.mode {
	case "":
		missing = false
	case modeHash:
		if len(it.id) > 0 {
			rnd, missing = s.hash(it.id), false
		}
		switch {
		case it.broken:
			it.writes = false
		case it.hasRand || it.hasThreshold: // somebody else samples consistently: hands off
			failed, it.writes = true, false
		case it.span || !missing:
			it.newRand, it.randomness = true, rnd
		}
	default:
		switch {
		case it.broken:
			it.writes = false
		case it.hasRand:
			rnd, missing = it.randomness, false
		case len(it.id) == 16:
			rnd, missing = sampling.TraceIDToRandomness([16]byte(it.id)), false
		}
	}
	if !failed {
		switch {
		case missing:
			failed = true
		case it.writes && it.hasThreshold && !it.threshold.ShouldSample(rnd):
			failed, it.cleared, it.hasThreshold = true, true, false
		}
	}
	switch {
	case failed && s.failClosed:
		it.closed = true
		return sampling.NeverSampleThreshold, rnd
	case failed:
		return sampling.AlwaysSampleThreshold, rnd
	}
	return s.asked(it), rnd
}

// asked is the threshold that the mode asks for.
func (s *sampler) asked(it *item) sampling.Threshold {
	switch s.mode {
	case "":
		return sampling.NeverSampleThreshold
	case modeEqualizing:
		if it.hasThreshold && sampling.ThresholdLessThan(s.threshold, it.threshold) {
			return it.threshold
		}
	case modeProportional:
		incoming := 1.0
		if it.hasThreshold {
			incoming = it.threshold.Probability()
		}
		th, err := sampling.ProbabilityToThresholdWithPrecision(incoming*s.ratio, s.precision)
		if errors.Is(err, sampling.ErrProbabilityRange) {
			return sampling.NeverSampleThreshold
		}
		return th
	}
	return s.threshold
}

// hash is the randomness of the mode hash_seed: FNV-1a of the seed and the ID. Its first 14 bits decide, turned round so that
// what is below the percentage is above the threshold; the others fill up 56 bits.
func (s *sampler) hash(id []byte) sampling.Randomness {
	h := uint32(2166136261)
	for _, b := range s.seed {
		h = (h ^ uint32(b)) * 16777619
	}
	for _, b := range id {
		h = (h ^ uint32(b)) * 16777619
	}
	low := uint64(h & (buckets - 1))
	rest := uint64(h >> (32 - bucketBits))
	rnd, _ := sampling.UnsignedToRandomness((buckets-1-low)<<42 | (rest^rest<<10)<<14 | low)
	return rnd
}
