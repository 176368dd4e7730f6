package wire

// A Share says that the next Count items of a request go to the part with index To, or nowhere if To is negative.
type Share struct{ To, Count int }

// A Divider copies the items of a request into several requests, in one pass. Reusing one avoids allocation. The zero
// value is ready. Not safe for concurrent use.
type Divider struct {
	signal Signal
	shares []Share
	left   int // items of shares[0] that were not reached yet
	parts  []part
	path   [cutData + 1]cutting
}

// part is one of the requests that are made.
type part struct {
	out   []byte
	depth int // of the containers that are open in out
	marks [cutData + 1]struct{ body, reserved int }
}

// cutting is a container whose items go to different parts.
type cutting struct {
	body    []byte
	child   byte // tag of the fields that are divided
	tag     byte // of its own field
	headers int  // end of the last other field before the place where the pass is
	open    []int
}

// Divide appends to each of parts the items that shares give to it, which are for all items of the request. The context
// of an item (resource, scope, metric fields, unknown fields) is copied into each part that gets one; a container
// without items is in none. parts must not overlap r.
func (d *Divider) Divide(parts [][]byte, s Signal, r Request, shares []Share) {
	d.signal, d.shares, d.left = s, shares, 0
	if len(shares) > 0 {
		d.left = shares[0].Count
	}
	d.parts = d.parts[:0]
	for _, out := range parts {
		d.parts = append(d.parts, part{out: out})
	}
	d.path[cutRequest] = cutting{body: r, child: FieldRequestResource<<3 | TypeBytes}
	d.cut(cutRequest)
	for i := range d.parts {
		parts[i] = d.parts[i].out
	}
	clear(d.parts)
	for i := range d.path {
		d.path[i].body = nil
	}
	d.shares = nil
}

// cut divides the container at a level.
func (d *Divider) cut(level int) {
	c := &d.path[level]
	for pos := 0; pos < len(c.body); {
		start := pos
		if c.body[pos] != c.child {
			pos = skip(c.body, pos)
			if level > cutRequest {
				c.headers = pos
				for _, to := range c.open {
					d.parts[to].out = append(d.parts[to].out, c.body[start:pos]...)
				}
			}
			continue
		}
		var inner []byte
		inner, pos = view(c.body, pos+1)
		n := (&cutter{signal: d.signal}).count(inner, level)
		switch {
		case n == 0:
		case n <= d.left:
			if to := d.shares[0].To; to >= 0 {
				if d.parts[to].depth < level {
					d.open(to, level)
				}
				d.parts[to].out = append(d.parts[to].out, c.body[start:pos]...)
			}
			d.pass(n)
		default:
			next := &d.path[level+1]
			*next = cutting{body: inner, tag: c.child, open: next.open[:0]}
			next.child = (&cutter{signal: d.signal}).child(inner, level+1)
			d.cut(level + 1)
			d.close(level + 1)
		}
	}
}

// pass goes on by n items of the current share.
func (d *Divider) pass(n int) {
	d.left -= n
	for d.left == 0 && len(d.shares) > 1 {
		d.shares = d.shares[1:]
		d.left = d.shares[0].Count
	}
}

// open begins in a part the containers around the current item that are not there yet, each with its other fields so far.
func (d *Divider) open(to, level int) {
	p := &d.parts[to]
	for p.depth < level {
		p.depth++
		c, m := &d.path[p.depth], &p.marks[p.depth]
		var room [10]byte
		m.reserved = SizeVarint(uint64(len(c.body)))
		p.out = append(append(p.out, c.tag), room[:m.reserved]...)
		m.body = len(p.out)
		for pos := 0; pos < c.headers; {
			start := pos
			isChild := c.body[pos] == c.child
			if pos = skip(c.body, pos); !isChild {
				p.out = append(p.out, c.body[start:pos]...)
			}
		}
		c.open = append(c.open, to)
	}
}

// close ends a container in the parts that have it.
func (d *Divider) close(level int) {
	for _, to := range d.path[level].open {
		p := &d.parts[to]
		p.out = endReserved(p.out, p.marks[level].body, p.marks[level].reserved)
		p.depth = level - 1
	}
}
