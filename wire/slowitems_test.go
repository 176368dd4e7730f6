package wire

import (
	"bytes"
	"slices"
)

// A step is one call of an Item's methods, as data, so that it can be done in several ways.
type step struct {
	do        string // set, rename, delete, purge, field, look
	key, from string
	value     Value
	framed    []byte
}

// A plan says what happens to an item: nothing, steps, or removal.
type plan struct {
	steps  []step
	remove bool
}

// planner makes plans out of a byte string.
func planner(entropy []byte, items int) []plan {
	g := generator{entropy: entropy, strict: true}
	plans := make([]plan, items)
	removing := g.rarely(2)
	for i := range plans {
		switch g.pick(4) {
		case 0:
			plans[i].remove = removing || g.rarely(3)
		case 1, 2:
			for range 1 + g.pick(4) {
				plans[i].steps = append(plans[i].steps, g.step())
			}
		}
	}
	return plans
}

// step makes one step. Its field is set by those who know the message.
func (g *generator) step() step {
	st := step{key: g.text(), from: g.text()}
	switch g.pick(8) {
	case 0, 1:
		st.do = "rename"
	case 2:
		st.do = "delete"
	case 3:
		st.do = "field"
		st.key = []string{"INFO", "", "a text that is rather long, so that a length becomes longer than it has been before"}[g.pick(3)]
	case 4:
		st.do = "look"
	case 5:
		st.do = "purge"
	default:
		st.do, st.value = "set", g.value()
	}
	return st
}

// value makes a value of any kind.
func (g *generator) value() Value {
	switch g.pick(6) {
	case 0:
		return StringValue(g.text())
	case 1:
		return BoolValue(g.rarely(2))
	case 2:
		return IntValue(int64(g.number()))
	case 3:
		return DoubleValue(float64(int64(g.number())))
	case 4:
		return parseValue(g.message(nil, msgValue, 20))
	}
	return StringValue(bytes.Repeat([]byte("v"), g.pick(256)))
}

// textField is a text field of each message that is edited, 0 if it has none.
var textField = [messageCount]int{msgLogRecord: FieldLogSeverityText, msgSpan: FieldSpanName, msgMetric: FieldMetricName}

// apply does the steps of a plan on an Item.
func (p plan) apply(it *Item) {
	for _, st := range p.steps {
		switch st.do {
		case "set":
			it.SetAttribute(st.key, st.value)
		case "rename":
			it.RenameAttribute(st.from, st.key)
		case "delete":
			it.DeleteAttribute(st.key)
		case "purge":
			it.DeleteAttributes(func(key []byte, v Value) bool { return len(key) == len(st.key) && v.Kind() == ValueString })
		case "look":
			it.Bytes()
		case "field":
			if f := textField[it.kind]; f > 0 {
				it.SetField(AppendString(nil, f, st.key))
			} else if it.kind == msgNumberPoint {
				it.SetField(AppendFixed64(nil, FieldNumberInt, uint64(len(st.key))))
			}
		}
	}
	if p.remove {
		it.Remove()
	}
}

// A slowEditor is EditItems done the plain way: every message is taken apart and put together again, without any care.
type slowEditor struct {
	plans   []plan
	next    int
	metrics bool // the items are metrics
	old     []int
	removed int
	changed bool
}

// message returns a message with its items edited, and whether it is to be dropped.
func (e *slowEditor) message(m message, body []byte) (_ []byte, drop bool) {
	if m == msgMetric && e.metrics || attributeFields[m] > 0 && m != msgMetric && m != msgResource {
		n := 1
		if m == msgMetric {
			n = countPoints(body)
		}
		p := e.plans[e.next%len(e.plans)]
		for range n {
			if !p.remove {
				e.old = append(e.old, e.next)
			}
			e.next++
		}
		if p.remove {
			e.removed += n
			e.changed = true
			return nil, true
		}
		out := slowItem(m, body, p.steps)
		e.changed = e.changed || !bytes.Equal(out, body)
		return out, false
	}
	kept, dropped := 0, 0
	var out []byte
	for c := (scan{b: body}); c.next(); {
		sub := message(0)
		if c.num < slots && c.wire == TypeBytes {
			sub = schemas[m][c.num].sub()
		}
		if !leadsToItems(sub) {
			out = c.append(out)
			continue
		}
		edited, drop := e.message(sub, c.body)
		if drop {
			dropped++
			continue
		}
		kept++
		out = AppendBytes(out, c.num, edited)
	}
	return out, kept == 0 && dropped > 0
}

// leadsToItems reports whether a message holds items or is one.
func leadsToItems(m message) bool {
	switch m {
	case msgResource, msgScope, msgKeyValue, msgExemplar, msgEvent, msgLink, msgStatus, msgBuckets, msgQuantile, msgNone,
		msgValue, msgArray, msgMap, msgEntityRef:
		return false
	}
	return true
}

// slowField is a field of an item; one that is gone holds its place for attributes to come.
type slowField struct {
	num    int
	framed []byte
	gone   bool
}

// slowItem edits the fields of one item.
func slowItem(m message, body []byte, steps []step) []byte {
	var fields []slowField
	for f := MessageFields(body); f.Next(); {
		fields = append(fields, slowField{num: f.Number(), framed: f.Framed()})
	}
	attrs := int(attributeFields[m])
	keyValue := func(i int) []byte {
		f := MessageFields(fields[i].framed)
		f.Next()
		return f.Body()
	}
	index := func(key string) int {
		return slices.IndexFunc(fields, func(f slowField) bool {
			if f.num != attrs || f.gone {
				return false
			}
			w := MessageFields(f.framed)
			w.Next()
			k, _ := ParseKeyValue(w.Body())
			return string(k) == key
		})
	}
	put := func(i int, key string, value []byte) {
		kv := AppendString(nil, FieldKeyValueKey, key)
		if value != nil {
			kv = AppendBytes(kv, FieldKeyValueValue, value)
		}
		if i >= 0 {
			for f := MessageFields(keyValue(i)); f.Next(); {
				if f.Number() != FieldKeyValueKey && f.Number() != FieldKeyValueValue {
					kv = append(kv, f.Framed()...)
				}
			}
			fields[i].framed = AppendBytes(nil, attrs, kv)
			return
		}
		at := len(fields)
		for i, f := range fields {
			if f.num == attrs {
				at = i + 1
			}
		}
		fields = slices.Insert(fields, at, slowField{num: attrs, framed: AppendBytes(nil, attrs, kv)})
	}
	for _, st := range steps {
		switch i := index(st.key); st.do {
		case "set":
			value := st.value.appendBody([]byte{})
			if i < 0 || !bytes.Equal(find(keyValue(i), FieldKeyValueValue), value) {
				put(i, st.key, value)
			}
		case "delete":
			if i >= 0 {
				fields[i].gone = true
			}
		case "purge":
			for i, f := range fields {
				if f.num == attrs {
					key, v := ParseKeyValue(keyValue(i))
					fields[i].gone = f.gone || len(key) == len(st.key) && v.Kind() == ValueString
				}
			}
		case "rename":
			from := index(st.from)
			if from < 0 || st.from == st.key {
				continue
			}
			value := find(keyValue(from), FieldKeyValueValue)
			if i < 0 {
				put(from, st.key, value)
				continue
			}
			if !bytes.Equal(find(keyValue(i), FieldKeyValueValue), value) {
				put(i, st.key, value)
			}
			fields[from].gone = true
		case "field", "look":
			num, framed := textField[m], AppendString(nil, textField[m], st.key)
			if m == msgNumberPoint {
				num, framed = FieldNumberInt, AppendFixed64(nil, FieldNumberInt, uint64(len(st.key)))
			}
			if st.do == "look" || num > 0 {
				fields = slices.DeleteFunc(fields, func(f slowField) bool { return f.gone })
			}
			if st.do == "look" || num == 0 {
				continue
			}
			at := slices.IndexFunc(fields, func(f slowField) bool {
				return f.num == num || m == msgNumberPoint && f.num == FieldNumberDouble
			})
			if at < 0 {
				fields = append(fields, slowField{num: num, framed: framed})
			} else {
				fields[at] = slowField{num: num, framed: framed}
			}
		}
	}
	var out []byte
	for _, f := range fields {
		if !f.gone {
			out = append(out, f.framed...)
		}
	}
	return out
}
