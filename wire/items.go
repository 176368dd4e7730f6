package wire

// AppendItems appends the items of a request from index from up to index to, the latter not included, as a request of
// its own, and returns the extended slice. An item is a data point, a log record or a span; they are counted in the
// order in which they stand in the request. What is around them (resource, scope, schema URLs, name, temporality,
// unknown fields) comes with them, and what has no item in the range does not. Requests of several ranges may be
// appended behind each other: together they are one request. dst must not overlap r.
func AppendItems(dst []byte, s Signal, r Request, from, to int) []byte {
	c := cutter{signal: s, from: from, to: to}
	return c.append(dst, r, cutRequest)
}

// The levels at which a request is cut; in each stand children of the next.
const (
	cutRequest = iota
	cutResource
	cutScope
	cutMetric
	cutData
)

// A cutter is the state of one AppendItems.
type cutter struct {
	signal   Signal
	from, to int
	at       int // index of the next item
}

// append copies the body of a message, without those of its children that have no item in the range.
func (c *cutter) append(dst, body []byte, level int) []byte {
	child := c.child(body, level)
	for pos := 0; pos < len(body); {
		start := pos
		if body[pos] != child {
			if pos = skip(body, pos); level > cutRequest {
				dst = append(dst, body[start:pos]...)
			}
			continue
		}
		var inner []byte
		inner, pos = view(body, pos+1)
		first, next := c.at, c.at+c.count(inner, level)
		switch {
		case next <= c.from || first >= c.to: // also one without items
		case first >= c.from && next <= c.to:
			dst = append(dst, body[start:pos]...)
		default:
			var room [10]byte
			reserved := SizeVarint(uint64(len(inner)))
			dst = append(append(dst, child), room[:reserved]...)
			mark := len(dst)
			dst = endReserved(c.append(dst, inner, level+1), mark, reserved)
		}
		c.at = next
	}
	return dst
}

// child is the tag of the field at which a message is cut; 0, which no field has, if it has none.
func (c *cutter) child(body []byte, level int) byte {
	switch level {
	case cutRequest:
		return FieldRequestResource<<3 | TypeBytes
	case cutResource:
		return FieldResourceXScope<<3 | TypeBytes
	case cutScope:
		return FieldScopeXItem<<3 | TypeBytes
	case cutMetric:
		data, ok := metricData(body)
		if !ok {
			return 0
		}
		return data.tag
	}
	return FieldDataPoints<<3 | TypeBytes
}

// count is how many items are in a child of a message of the level.
func (c *cutter) count(body []byte, level int) int {
	switch {
	case level == cutRequest:
		return countResource(c.signal, body)
	case level == cutResource:
		return countScope(c.signal, body)
	case level == cutScope && c.signal == Metrics:
		return countPoints(body)
	case level == cutMetric:
		return countData(body)
	}
	return 1
}
