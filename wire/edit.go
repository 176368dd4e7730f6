package wire

// EditResources replaces Resource messages in one forward pass. For each ResourceX, edit gets the body of its
// Resource (nil if it has none) and a slice to append the new body to; it returns that slice and true, or anything and
// false to leave the Resource as it is. A ResourceX without a Resource is given one as its first field.
//
// If nothing changed, r itself is returned, with false. Otherwise the result is appended to dst and returned; it is
// the appended part only, so that dst is normally a pooled buffer of length 0. Runs of bytes that no edit touches are
// copied whole: unknown fields, order, schema URLs and entity references survive. dst must not overlap r, and edit
// must keep neither slice.
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

// An editor is the state of one pass of EditResources.
type editor struct {
	in     []byte
	out    []byte
	copied int // how much of in has been taken over
}

// splice completes a changed ResourceX. Its new Resource body stands alone at out[mark:]; everything of in up to it
// is moved in before it, and the rest of the ResourceX is appended. The old Resource field takes body[frame:end].
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

// grow makes room for n more bytes.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	bigger := make([]byte, len(b), max(2*cap(b), len(b)+n))
	copy(bigger, b)
	return bigger
}
