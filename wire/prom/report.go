package prom

// Why is why a data point has no samples.
type Why uint8

// The reasons.
const (
	WhyDelta       Why = 1 + iota // delta temporality: Prometheus keeps totals, and the sink does not, either
	WhyTemporality                // a sum or histogram without temporality
	WhyName                       // no metric name is left after translation
	WhyLabel                      // an attribute key that cannot become a label name
	WhyScale                      // an exponential histogram coarser than Prometheus' schema -4
	WhyBuckets                    // an exponential histogram whose bucket positions overflow
	WhyHistogram                  // a classic histogram that contradicts itself
	numWhy
)

// String returns the reason in words, for a log line.
func (w Why) String() string {
	switch w {
	case WhyDelta:
		return "delta temporality, Prometheus keeps running totals; let the SDK or a processor make it cumulative"
	case WhyTemporality:
		return "aggregation temporality not set"
	case WhyName:
		return "metric name without a usable character"
	case WhyLabel:
		return "attribute key without a usable character"
	case WhyScale:
		return "exponential histogram with a scale below -4"
	case WhyBuckets:
		return "exponential histogram with bucket positions out of range"
	case WhyHistogram:
		return "histogram that contradicts itself: bounds that do not ascend, not one bucket more than bounds, or a count other than that of the buckets"
	}
	return "none"
}

// Report is the result of a walk.
type Report struct {
	Points  int // data points in the request, also those refused
	Samples int // samples given to the sink

	refused [numWhy]int
	example [numWhy]string
}

// Refused returns how many data points have no samples.
func (r *Report) Refused() (n int) {
	for _, k := range r.refused {
		n += k
	}
	return n
}

// EachRefused calls f for every reason that occurred, with the number of points and the first metric's name.
func (r *Report) EachRefused(f func(w Why, points int, metric string)) {
	for w, n := range r.refused {
		if n > 0 {
			f(Why(w), n, r.example[w])
		}
	}
}

func (r *Report) refuse(w Why, metric string) {
	if r.refused[w] == 0 {
		r.example[w] = metric
	}
	r.refused[w]++
}
