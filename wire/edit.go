package wire

// EditResources edits Resource messages in one pass. edit gets the body of each Resource (nil if there is none) and
// a slice to append the new body to; it returns that slice and true, or anything and false for no change. A
// ResourceX without a Resource is given one as its first field.
//
// If nothing changed, it returns r and false. Otherwise it returns what it appended to dst, without dst's earlier
// content. Untouched bytes are copied, unknown fields and order included. dst must not overlap r, and edit must
// keep neither slice.
func EditResources(dst []byte, r Request, edit func(dst, resource []byte) ([]byte, bool)) (Request, bool) {
	e := editor{out: dst, in: r}
	for rs := r.Resources(); rs.Next(); {
		old := list{b: rs.body(), tag: FieldResourceXResource<<3 | TypeBytes}
		var resource []byte
		frame, end := 0, 0 // of the Resource field in the body of the ResourceX
		if old.next() {
			resource = old.body()
			end = old.pos
			frame = old.start - SizeVarint(uint64(len(resource))) - 1
		}
		mark := len(e.out)
		out, changed := edit(e.out, resource)
		if !changed {
			continue
		}
		e.out = out
		e.splice(mark, &rs, frame, end)
	}
	if e.copied == 0 {
		return r, false
	}
	out := append(e.out, r[e.copied:]...)
	return out[len(dst):], true
}

type editor struct {
	in     []byte
	out    []byte
	copied int // how much of in has been taken over
}

// splice completes a changed ResourceX, whose new Resource body is out[mark:]: it inserts what precedes it and
// appends the rest. The old Resource field is body[frame:end].
func (e *editor) splice(mark int, rs *Resources, frame, end int) {
	body := rs.body()
	n := len(e.out) - mark
	field := 1 + SizeVarint(uint64(n)) + n
	size := len(body) - (end - frame) + field
	head := rs.frame - e.copied + 1 + SizeVarint(uint64(size)) + frame + field - n

	e.out = grow(e.out, head+len(body)-end)
	e.out = e.out[:mark+head+n]
	copy(e.out[mark+head:], e.out[mark:mark+n])
	h := append(e.out[:mark], e.in[e.copied:rs.frame]...)
	h = AppendVarint(append(h, FieldRequestResource<<3|TypeBytes), uint64(size))
	h = append(h, body[:frame]...)
	AppendVarint(append(h, FieldResourceXResource<<3|TypeBytes), uint64(n))

	e.out = append(e.out, body[end:]...)
	_, e.copied = rs.Range()
}

func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	bigger := make([]byte, len(b), max(2*cap(b), len(b)+n))
	copy(bigger, b)
	return bigger
}
