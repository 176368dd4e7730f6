package redaction

import (
	"bytes"
	"slices"

	"github.com/sluiceio/sluice/wire"
)

// What is noted of a value.
const (
	noteRedacted = iota
	noteMasked
	noteAllowed
	noteIgnored
	notes
)

const (
	redactedKeys  = "redaction.redacted.keys"
	redactedCount = "redaction.redacted.count"
	maskedKeys    = "redaction.masked.keys"
	maskedCount   = "redaction.masked.count"
	ignoredCount  = "redaction.ignored.count"
)

// names are the attributes of a summary; none lists what was ignored.
type names struct{ keys, count [notes]string }

var attributeNames = names{
	keys:  [notes]string{redactedKeys, maskedKeys, "redaction.allowed.keys"},
	count: [notes]string{redactedCount, maskedCount, "redaction.allowed.count", ignoredCount},
}

var bodyNames = names{
	keys:  [notes]string{"redaction.body.redacted.keys", "redaction.body.masked.keys", "redaction.body.allowed.keys"},
	count: [notes]string{"redaction.body.redacted.count", "redaction.body.masked.count", "redaction.body.allowed.count", "redaction.body.ignored.count"},
}

// A tally is what was done to the values of a message.
type tally struct {
	n    [notes]int
	keys [notes][][]byte // only to list them
}

func (t *tally) reset() {
	t.n = [notes]int{}
	for i := range t.keys {
		clear(t.keys[i])
		t.keys[i] = t.keys[i][:0]
	}
}

// note notes what becomes of the value of a key, which stays valid until the summary.
func (r *run) note(what int, key []byte) {
	r.tally.n[what]++
	if r.policy.list && what != noteIgnored {
		r.tally.keys[what] = append(r.tally.keys[what], key)
	}
}

// summarize sets the attributes that say what was noted. They add to those of a redaction before.
func (r *run) summarize(it *wire.Item, n *names) {
	t := &r.tally
	r.masks += t.n[noteMasked]
	r.removals += t.n[noteRedacted]
	if !r.policy.count {
		return
	}
	for what, count := range t.n {
		if count == 0 {
			continue
		}
		if r.policy.list && what != noteIgnored {
			r.list(it, n.keys[what], t.keys[what])
		}
		before, _ := it.Attribute(n.count[what])
		it.SetAttribute(n.count[what], wire.IntValue(int64(count)+before.Int()))
	}
}

// list sets an attribute to the keys, sorted, with those that it has.
func (r *run) list(it *wire.Item, name string, keys [][]byte) {
	if before, _ := it.Attribute(name); len(before.Str()) > 0 {
		keys = append(keys, bytes.Split(before.Str(), []byte(","))...)
	}
	slices.SortFunc(keys, bytes.Compare)
	mark := len(r.arena)
	for i, k := range keys {
		if i > 0 {
			r.arena = append(r.arena, ',')
		}
		r.arena = append(r.arena, k...)
	}
	it.SetAttribute(name, wire.StringValue(r.made(mark)))
}
