package prefilter

import (
	"bytes"
	"math/bits"
)

// A class is a set of bytes.
type class [4]uint64

func (c *class) add(b byte)      { c[b>>6] |= 1 << (b & 63) }
func (c *class) has(b byte) bool { return c[b>>6]>>(b&63)&1 != 0 }

// single returns the only byte of the class.
func (c *class) single() (b byte, ok bool) {
	n := 0
	for i, word := range c {
		n += bits.OnesCount64(word)
		if word != 0 {
			b = byte(64*i + bits.TrailingZeros64(word))
		}
	}
	return b, n == 1
}

// A sequence is searched for in texts: a byte of each class, in order.
type sequence struct {
	classes []class
	literal []byte      // its longest run of classes of one byte
	plain   bool        // the literal is all of it
	skip    *[256]uint8 // by the byte under the last class, how far the next possible place is
}

func newSequence(classes []class) sequence {
	s := sequence{classes: classes}
	var run []byte
	for i := range classes {
		b, ok := classes[i].single()
		if !ok {
			run = nil
			continue
		}
		if run = append(run, b); len(run) > len(s.literal) {
			s.literal = bytes.Clone(run)
		}
	}
	if s.plain = len(s.literal) == len(classes); s.plain {
		return s
	}
	s.skip = new([256]uint8)
	last := len(classes) - 1
	for b := range s.skip {
		s.skip[b] = uint8(len(classes))
		for i := range last {
			if classes[i].has(byte(b)) {
				s.skip[b] = uint8(last - i)
			}
		}
	}
	return s
}

// in says whether the text contains the sequence.
func (s *sequence) in(text []byte) bool {
	if s.plain || s.literal != nil && !bytes.Contains(text, s.literal) {
		return s.plain && bytes.Contains(text, s.literal)
	}
	last := len(s.classes) - 1
	for at := last; at < len(text); at += int(s.skip[text[at]]) {
		if s.at(text, at-last) {
			return true
		}
	}
	return false
}

// at says whether the sequence stands in the text at a place where it fits.
func (s *sequence) at(text []byte, at int) bool {
	for i := len(s.classes) - 1; i >= 0; i-- {
		if !s.classes[i].has(text[at+i]) {
			return false
		}
	}
	return true
}
