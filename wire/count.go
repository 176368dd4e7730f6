package wire

// Count returns the number of data points, log records or spans.
func Count(s Signal, r Request) int {
	n := 0
	for rs := r.Resources(); rs.Next(); {
		n += countResource(s, rs.body())
	}
	return n
}

func countResource(s Signal, body []byte) int {
	n := 0
	for sc := (list{b: body, tag: FieldResourceXScope<<3 | TypeBytes}); sc.next(); {
		n += countScope(s, sc.body())
	}
	return n
}

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

func countPoints(metric []byte) int {
	data, ok := metricData(metric)
	if !ok {
		return 0
	}
	return countData(data.body())
}

func countData(data []byte) int {
	n := 0
	for p := (list{b: data, tag: FieldDataPoints<<3 | TypeBytes}); p.next(); {
		n++
	}
	return n
}

// metricData finds the data message of a Metric body.
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
