package wire

// Split cuts a request into parts of at most l.MaxItems items and l.MaxBytes bytes and yields them in order, until
// yield returns false. A request within the limits is yielded itself, an empty one not at all. A ResourceX, ScopeX
// or Metric that does not fit is cut, and its other fields are repeated in each part. Parts share a buffer and are
// valid until yield returns.
//
// A single item over MaxBytes with its context is a part of its own. If the repeated headers take nearly all of
// MaxBytes, a part may have as many bytes of items as of headers, so a request with a huge resource is at most
// doubled.
func Split(s Signal, r Request, l Limits, yield func(part Request, items int) bool) {
	items := Count(s, r)
	if (l.MaxItems <= 0 || items <= l.MaxItems) && (l.MaxBytes <= 0 || len(r) <= l.MaxBytes) {
		if len(r) > 0 {
			yield(r, items)
		}
		return
	}
	p := splitter{signal: s, limits: l, yield: yield}
	size := len(r)
	if l.MaxBytes > 0 {
		size = min(size, l.MaxBytes)
	}
	if l.MaxItems > 0 && l.MaxItems < items {
		size = min(size, size/8+1024+len(r)/items*l.MaxItems)
	}
	p.out = make([]byte, 0, size)
	p.path[0] = level{body: r, child: FieldRequestResource<<3 | TypeBytes}
	if p.cut() && len(p.out) > 0 {
		p.flush()
	}
}

const (
	levelRequest = iota
	levelResource
	levelScope
	levelMetric
	levelData
	levelCount
)

type level struct {
	tag           byte   // of its field in the parent
	child         byte   // tag of the field at which it is cut, 0 if it has no such field
	body          []byte // as it came
	before, after []byte // the fields beside its children: those before the first one, those after it
	mark          int    // where its body begins in the current part, 0 if it is not in it yet
	reserved      int    // bytes kept for its length
	used          int    // bytes of children in the current part
}

type splitter struct {
	signal Signal
	limits Limits
	yield  func(part Request, items int) bool
	path   [levelCount]level
	depth  int    // of the innermost level that is being cut
	out    []byte // the current part
	items  int    // in the current part
}

// cut takes the innermost level apart. It returns false when yield does.
func (p *splitter) cut() bool {
	l := &p.path[p.depth]
	for pos := 0; pos < len(l.body); {
		start := pos
		if l.body[pos] != l.child {
			pos = skip(l.body, pos)
			// The request's other fields are not headers; they are not repeated.
			if p.depth == levelRequest && !p.add(l.body[start:pos], nil) {
				return false
			}
			continue
		}
		var body []byte
		body, pos = view(l.body, pos+1)
		if !p.add(l.body[start:pos], body) {
			return false
		}
	}
	return true
}

// add adds a field of the innermost level to the current part, whole or cut.
func (p *splitter) add(frame, body []byte) bool {
	items := p.count(body)
	if p.fits(len(frame), items) {
		p.take(frame, items)
		return true
	}
	if next := p.child(frame[0], body); next.child != 0 {
		p.depth++
		p.path[p.depth] = next
		if !p.cut() {
			return false
		}
		p.close()
		p.depth--
		return true
	}
	if len(p.out) > 0 && !p.flush() {
		return false
	}
	p.take(frame, items)
	return true
}

func (p *splitter) count(body []byte) int {
	switch {
	case body == nil:
		return 0
	case p.depth == levelRequest:
		return countResource(p.signal, body)
	case p.depth == levelResource:
		return countScope(p.signal, body)
	case p.depth == levelScope && p.signal == Metrics:
		return countPoints(body)
	case p.depth == levelMetric:
		return countData(body)
	}
	return 1
}

// child prepares a child for cutting; child is 0 if it has no children.
func (p *splitter) child(tag byte, body []byte) level {
	l := level{tag: tag, body: body}
	switch {
	case p.depth == levelRequest && tag == FieldRequestResource<<3|TypeBytes:
		l.child = FieldResourceXScope<<3 | TypeBytes
	case p.depth == levelResource:
		l.child = FieldScopeXItem<<3 | TypeBytes
	case p.depth == levelScope && p.signal == Metrics:
		if data, ok := metricData(body); ok {
			l.child = data.tag
		}
	case p.depth == levelMetric:
		l.child = FieldDataPoints<<3 | TypeBytes
	}
	if l.child == 0 {
		return l
	}
	l.headers()
	return l
}

// headers sets before and after, and unsets child if there is none. after is copied only if not contiguous.
func (l *level) headers() {
	first, run := -1, -1
	for pos := 0; pos < len(l.body); {
		start := pos
		isChild := l.body[pos] == l.child
		pos = skip(l.body, pos)
		switch {
		case isChild && first < 0:
			first = start
		case isChild && run >= 0:
			l.after = append(l.after[:len(l.after):len(l.after)], l.body[run:start]...)
			run = -1
		case !isChild && first >= 0 && run < 0:
			run = start
		}
	}
	if first < 0 {
		l.child = 0
		return
	}
	l.before = l.body[:first]
	switch {
	case run >= 0 && l.after == nil:
		l.after = l.body[run:]
	case run >= 0:
		l.after = append(l.after, l.body[run:]...)
	}
}

// fits reports whether n more bytes and items keep the current part within the limits.
func (p *splitter) fits(n, items int) bool {
	if p.limits.MaxItems > 0 && p.items+items > p.limits.MaxItems {
		return false
	}
	if p.limits.MaxBytes <= 0 {
		return true
	}
	headers := 0
	for i := p.depth; i > 0; i-- {
		l := &p.path[i]
		h := len(l.before) + len(l.after)
		headers += h
		n += h + l.used
		n += 1 + SizeVarint(uint64(n))
	}
	limit := p.limits.MaxBytes
	if headers > limit-limit/16 {
		limit = 2 * headers
	}
	return p.path[0].used+n <= limit
}

// take appends a field to the current part, after opening the levels around it.
func (p *splitter) take(frame []byte, items int) {
	for i := 1; i <= p.depth; i++ {
		l := &p.path[i]
		if l.mark > 0 {
			continue
		}
		var room [10]byte
		l.reserved = SizeVarint(uint64(min(len(l.body), max(p.limits.MaxBytes, 1<<14))))
		p.out = append(append(p.out, l.tag), room[:l.reserved]...)
		l.mark = len(p.out)
		p.out = append(p.out, l.before...)
	}
	p.out = append(p.out, frame...)
	p.items += items
	p.path[p.depth].used += len(frame)
}

func (p *splitter) close() {
	l := &p.path[p.depth]
	if l.mark == 0 {
		return
	}
	p.out = append(p.out, l.after...)
	n := len(p.out) - l.mark
	p.out = endReserved(p.out, l.mark, l.reserved)
	p.path[p.depth-1].used += 1 + SizeVarint(uint64(n)) + n
	l.mark, l.used = 0, 0
}

// flush yields the current part and begins the next one.
func (p *splitter) flush() bool {
	depth := p.depth
	for ; p.depth > 0; p.depth-- {
		p.close()
	}
	more := p.yield(p.out, p.items)
	p.depth, p.out, p.items = depth, p.out[:0], 0
	p.path[0].used = 0
	return more
}
