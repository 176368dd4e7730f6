package wire

// Count returns the number of items of a request: data points, log records or spans.
func Count(s Signal, r Request) int {
	n := 0
	for rs := r.Resources(); rs.Next(); {
		n += countResource(s, rs.body())
	}
	return n
}

// countResource counts the items of a ResourceX body.
func countResource(s Signal, body []byte) int {
	n := 0
	for sc := (list{b: body, tag: FieldResourceXScope<<3 | TypeBytes}); sc.next(); {
		n += countScope(s, sc.body())
	}
	return n
}

// countScope counts the items of a ScopeX body.
func countScope(s Signal, body []byte) int {
	n := 0
	for it := (list{b: body, tag: FieldScopeXItem<<3 | TypeBytes}); it.next(); {
		if s == Metrics {
			n += countPoints(it.body())
			continue
		}
		n++
	}
	return n
}

// countPoints counts the points of a Metric body.
func countPoints(metric []byte) int {
	data, ok := metricData(metric)
	if !ok {
		return 0
	}
	return countData(data.body())
}

// countData counts the points of a data message body.
func countData(data []byte) int {
	n := 0
	for p := (list{b: data, tag: FieldDataPoints<<3 | TypeBytes}); p.next(); {
		n++
	}
	return n
}

// metricData finds the data message of a Metric body, whichever of the five it is.
func metricData(metric []byte) (data list, ok bool) {
	for pos := 0; pos < len(metric); {
		switch metric[pos] {
		case FieldMetricGauge<<3 | TypeBytes, FieldMetricSum<<3 | TypeBytes, FieldMetricHistogram<<3 | TypeBytes,
			FieldMetricExponentialHistogram<<3 | TypeBytes, FieldMetricSummary<<3 | TypeBytes:
			l := list{b: metric, pos: pos, tag: metric[pos]}
			return l, l.next()
		}
		pos = skip(metric, pos)
	}
	return list{}, false
}
