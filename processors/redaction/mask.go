package redaction

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"slices"
)

// A hashing makes the hash function of masks.
type hashing struct {
	least int // bytes of the key
	make  func(key []byte) hash.Hash
}

// hashes are the values of hash_function.
var hashes = map[string]hashing{
	"":            {},
	"md5":         {make: func([]byte) hash.Hash { return md5.New() }},
	"sha1":        {make: func([]byte) hash.Hash { return sha1.New() }},
	"sha3":        {make: func([]byte) hash.Hash { return sha3.New256() }},
	"hmac-sha256": {32, func(key []byte) hash.Hash { return hmac.New(sha256.New, key) }},
	"hmac-sha512": {64, func(key []byte) hash.Hash { return hmac.New(sha512.New, key) }},
}

var stars = []byte("****")

// maxMasks bounds the bytes of the masks in one value: a hash is longer than what it hides. A value with more is masked as a
// whole, with stars.
const maxMasks = 16 << 20

// masked is what stands in place of a text.
func (r *run) masked(text []byte) []byte {
	if r.grown > maxMasks {
		return nil
	}
	out := stars
	if r.hash != nil {
		r.hash.Reset()
		r.hash.Write(text)
		r.sum = r.hash.Sum(r.sum[:0])
		mark := len(r.arena)
		r.arena = hex.AppendEncode(r.arena, r.sum)
		out = r.made(mark)
	}
	r.grown += len(out)
	return out
}

// maskAll masks each line of a text, as the expression .* does in the Collector.
func (r *run) maskAll(text []byte) []byte {
	r.grown = 0
	if bytes.IndexByte(text, '\n') < 0 {
		return r.masked(text)
	}
	var out []byte
	for rest, more := text, true; more; {
		var line []byte
		line, rest, more = bytes.Cut(rest, []byte{'\n'})
		out = append(out, r.masked(line)...)
		if more {
			out = append(out, '\n')
		}
	}
	return r.bounded(out)
}

// process masks in a text what the blocked values match, one after the other, and then what the rules find.
func (r *run) process(text []byte) ([]byte, bool) {
	out := text
	r.grown = 0
	for _, re := range r.policy.blockedValues {
		if re.Match(out) {
			out = r.bounded(re.Regexp.ReplaceAllFunc(out, r.mask))
		}
	}
	out = r.bounded(r.detect(out))
	return out, !bytes.Equal(out, text)
}

func (r *run) bounded(text []byte) []byte {
	if r.grown > maxMasks {
		return stars
	}
	return text
}

// A span is where something was found in a text.
type span struct{ from, to int }

// detect masks in a text what the rules find. Finds that overlap are masked as one.
func (r *run) detect(text []byte) []byte {
	r.spans = r.spans[:0]
	for i := range r.policy.rules {
		rule := &r.policy.rules[i]
		if !rule.may.May(text) {
			continue
		}
		for at, more := 0, true; more; {
			var found span
			if found, more = rule.next(text, at); more {
				r.spans = append(r.spans, found)
				r.found[i]++
				at = found.to
			}
		}
	}
	if len(r.spans) == 0 {
		return text
	}
	slices.SortFunc(r.spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	out, taken := make([]byte, 0, len(text)), 0
	for i := 0; i < len(r.spans); {
		s := r.spans[i]
		for i++; i < len(r.spans) && r.spans[i].from < s.to; i++ {
			s.to = max(s.to, r.spans[i].to)
		}
		out = append(append(out, text[taken:s.from]...), r.masked(text[s.from:s.to])...)
		taken = s.to
	}
	return append(out, text[taken:]...)
}
