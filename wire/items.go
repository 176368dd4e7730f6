package wire

// AppendItems appends the items [from, to) of a request as a request. Items are counted in request order. Their
// context (resource, scope, metric fields, unknown fields) is copied; containers without an item in the range are
// not. Results may be appended to each other, which makes one request. dst must not overlap r.
func AppendItems(dst []byte, s Signal, r Request, from, to int) []byte {
	c := cutter{signal: s, from: from, to: to}
	return c.append(dst, r, cutRequest)
}

// The levels at which a request is cut.
const (
	cutRequest = iota
	cutResource
	cutScope
	cutMetric
	cutData
)

type cutter struct {
	signal   Signal
	from, to int
	at       int // index of the next item
}

// append copies a message without the children that have no item in the range.
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

// child is the tag of the field at which a message is cut; 0 if it has none.
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
