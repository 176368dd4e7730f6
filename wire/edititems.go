package wire

// An Editor edits and removes items (log records, spans, data points). Reusing one avoids allocation. The zero
// value is ready. Not safe for concurrent use.
type Editor struct {
	in     []byte
	out    []byte
	copied int // how much of in has been taken over
	edit   func(*Item)
	item   Item
	path   [levelCount]container
	leaf   int // the level that holds what edit is called for

	next    int // index of the next item
	run     int // index of the first item of the current run of kept ones
	removed int
	kept    Kept
	points  Kept // kept, in data points, where the items of the pass are metrics
}

// Edited is the result of an Editor's pass.
type Edited struct {
	// Request is the given slice if nothing changed, otherwise what was appended to dst. It is empty if all items
	// were removed.
	Request Request
	Changed bool
	Removed int  // how many log records, spans or data points are gone
	Kept    Kept // which are left; nil if Removed is 0
}

// Kept says which items are left, as ascending runs. Use it to translate a destination's answer to the items of the
// original request. It is valid until the Editor's next pass.
type Kept []KeptRun

// A KeptRun maps Count items from New on in the result to those from Old on in the request.
type KeptRun struct{ Old, New, Count int }

// Old returns the original index of an item of the result, or -1.
func (k Kept) Old(index int) int {
	low, high := 0, len(k)
	for low < high {
		if mid := (low + high) / 2; k[mid].New+k[mid].Count <= index {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == len(k) || index < 0 {
		return -1
	}
	return k[low].Old + index - k[low].New
}

func (k Kept) add(old, count int) Kept {
	if count == 0 {
		return k
	}
	to := 0
	if n := len(k); n > 0 {
		last := &k[n-1]
		if last.Old+last.Count == old {
			last.Count += count
			return k
		}
		to = last.New + last.Count
	}
	return append(k, KeptRun{Old: old, New: to, Count: count})
}

// EditItems calls edit for every item, in request order, in one pass. Untouched bytes are copied, unknown fields
// and order included. A metric, scope or resource whose last item is removed is removed too; one that was empty
// stays.
//
// dst is normally a pooled buffer of length 0, and must not overlap r. edit must not keep the Item or anything from
// it.
func (e *Editor) EditItems(dst []byte, s Signal, r Request, edit func(*Item)) Edited {
	e.leaf = levelScope
	switch s {
	case Metrics:
		e.leaf = levelData
	case Logs:
		e.item.become(msgLogRecord)
	case Traces:
		e.item.become(msgSpan)
	default:
		return Edited{Request: r}
	}
	return e.pass(dst, r, edit)
}

// EditMetrics is EditItems for whole metrics: each Item is a Metric, its attributes are the metadata. Removed and
// Kept count data points.
func (e *Editor) EditMetrics(dst []byte, r Request, edit func(*Item)) Edited {
	e.leaf = levelScope
	e.item.become(msgMetric)
	done := e.pass(dst, r, edit)
	if done.Removed > 0 {
		done.Removed, done.Kept = e.keptPoints(r)
	}
	return done
}

func (e *Editor) pass(dst []byte, r Request, edit func(*Item)) Edited {
	e.in, e.out, e.edit = r, dst, edit
	e.copied, e.next, e.run, e.removed, e.kept = 0, 0, 0, 0, e.kept[:0]
	e.item.place = [levelCount]int{}
	e.walk(levelRequest, container{end: len(r)}, FieldRequestResource<<3|TypeBytes)
	done := Edited{Request: r, Changed: e.copied > 0, Removed: e.removed}
	if done.Changed {
		done.Request = append(e.out, r[e.copied:]...)[len(dst):]
	}
	if e.removed > 0 {
		e.kept = e.kept.add(e.run, e.next-e.run)
		done.Kept = e.kept
	}
	e.in, e.out, e.edit = nil, nil, nil
	e.item.release()
	return done
}

// A container is a message around items: in[start:end] with its frame, body in[body:end].
type container struct {
	start, body, end int
	cut              int // where its frame begins in out, if it is there
	mark             int // where its body begins in out, 0 if it is not there yet
	kept             int // children that stay
	emptied          bool
}

// walk visits the children of a container, which have the tag.
func (e *Editor) walk(depth int, c container, tag byte) {
	e.path[depth] = c
	b := e.in[:c.end]
	for pos := c.body; pos < len(b); {
		frame := pos
		if b[pos] != tag {
			pos = skip(b, pos)
			continue
		}
		start, end := short(b, pos+1)
		if end == 0 {
			start, end = long(b, pos+1)
		}
		pos = end
		if depth == e.leaf {
			e.visit(frame, start, end)
			continue
		}
		child := container{start: frame, body: start, end: end}
		switch depth + 1 {
		case levelResource:
			e.item.within(levelResource, b[start:end:end])
			e.walk(levelResource, child, FieldResourceXScope<<3|TypeBytes)
		case levelScope:
			e.item.within(levelScope, b[start:end:end])
			e.walk(levelScope, child, FieldScopeXItem<<3|TypeBytes)
		case levelMetric:
			e.metric(child)
		case levelData:
			e.walk(levelData, child, FieldDataPoints<<3|TypeBytes)
		}
	}
	e.close(depth)
}

func (e *Editor) metric(c container) {
	body := e.in[c.body:c.end:c.end]
	data, ok := metricData(body)
	if !ok {
		e.path[levelScope].kept++
		return
	}
	e.item.within(levelMetric, body)
	e.item.become(schemas[schemas[msgMetric][data.tag>>3].sub()][FieldDataPoints].sub())
	e.item.data = data.tag
	e.walk(levelMetric, c, data.tag)
}

// visit calls edit for the item framed in in[frame:end].
func (e *Editor) visit(frame, start, end int) {
	it := &e.item
	it.reset(e.in[start:end:end])
	e.edit(it)
	parent := &e.path[e.leaf]
	index := e.next
	e.next++
	if it.removed {
		e.open()
		e.out = append(e.out, e.in[e.copied:frame]...)
		e.copied = end
		e.kept = e.kept.add(e.run, index-e.run)
		e.run = e.next
		e.removed++
		parent.emptied = true
		return
	}
	parent.kept++
	if !it.changed {
		return
	}
	e.open()
	out := append(e.out, e.in[e.copied:start]...) // the new length takes the place of the old one, which is rarely shorter
	mark := len(out)
	out = it.render(out)
	e.out = endReserved(out, mark, start-frame-1)
	e.copied = end
}

// open begins in out the containers around the current item that are not there yet.
func (e *Editor) open() {
	if e.path[e.leaf].mark > 0 {
		return
	}
	if e.copied == 0 {
		e.out = grow(e.out, len(e.in)+len(e.in)/16)
	}
	for i := levelResource; i <= e.leaf; i++ {
		c := &e.path[i]
		if c.mark > 0 {
			continue
		}
		c.cut = len(e.out) + c.start - e.copied
		e.out = append(e.out, e.in[e.copied:c.body]...)
		c.mark = len(e.out)
		e.copied = c.body
	}
}

// close ends a container and tells its parent whether it stays.
func (e *Editor) close(depth int) {
	if depth == levelRequest {
		return
	}
	c, parent := &e.path[depth], &e.path[depth-1]
	if c.emptied && c.kept == 0 {
		e.out = e.out[:c.cut]
		e.copied = c.end
		parent.emptied = true
		return
	}
	parent.kept++
	if c.mark == 0 {
		return
	}
	e.out = append(e.out, e.in[e.copied:c.end]...)
	e.copied = c.end
	e.out = endReserved(e.out, c.mark, c.body-c.start-1)
}

// keptPoints translates Kept from metrics to data points.
func (e *Editor) keptPoints(r Request) (removed int, _ Kept) {
	e.points = e.points[:0]
	metric, point, k := 0, 0, 0
	for rs := r.Resources(); rs.Next(); {
		for sc := rs.Scopes(); sc.Next(); {
			for ms := sc.Items(); ms.Next(); metric++ {
				n := countPoints(ms.body())
				for k < len(e.kept) && metric >= e.kept[k].Old+e.kept[k].Count {
					k++
				}
				if k < len(e.kept) && metric >= e.kept[k].Old {
					e.points = e.points.add(point, n)
				} else {
					removed += n
				}
				point += n
			}
		}
	}
	if removed == 0 {
		return 0, nil
	}
	return removed, e.points
}
