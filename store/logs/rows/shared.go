package rows

import (
	"slices"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/wire"
)

// resource turns attributes into stream labels or shared metadata.
func (e *Encoder) resource(body []byte) {
	e.nth++
	e.stream = e.stream[:0]
	e.res.labels, e.res.text = e.res.labels[:0], e.res.text[:0]
	for attrs := wire.ResourceAttributes(body); attrs.Next(); {
		label, index := indexAttributes[view(attrs.Key())]
		if index && e.streamLabel(label, attrs.Value()) {
			continue
		}
		e.metadata(&e.res, e.intern.get(attrs.Key()), attrs.Value())
	}
	if !e.hasStream(LabelService) {
		e.addStream(LabelService, e.discoverService())
	}
	slices.SortFunc(e.stream, func(a, b logstorage.Field) int { return strings.Compare(a.Name, b.Name) })
	start := len(e.res.text)
	for i, f := range e.stream {
		if i > 0 {
			e.res.text = append(e.res.text, ',')
		}
		e.res.text = append(e.res.text, f.Name...)
	}
	e.named = view(e.res.text[start:])
}

// streamLabel adds a stream label, unless the value is no plain text or too long for the index.
func (e *Encoder) streamLabel(label string, v wire.Value) bool {
	if k := v.Kind(); k == wire.ValueMap || k == wire.ValueArray || e.hasStream(label) {
		return false
	}
	start := len(e.res.text)
	e.res.text = v.AppendText(e.res.text)
	value := e.res.text[start:]
	if len(value) == 0 || len(value) > maxStreamValue {
		return false
	}
	e.addStream(label, view(value))
	return true
}

func (e *Encoder) addStream(label, value string) {
	e.stream = append(e.stream, logstorage.Field{Name: label, Value: value})
	e.intern.label(label).stream = e.nth
}

func (e *Encoder) hasStream(label string) bool {
	return slices.ContainsFunc(e.stream, func(f logstorage.Field) bool { return f.Name == label })
}

// discoverService names a service without service.name.
func (e *Encoder) discoverService() string {
	for _, from := range serviceFrom {
		for _, f := range e.stream {
			if f.Name == from {
				return f.Value
			}
		}
	}
	return unknownValue
}

// scopeLabels reads the scope into metadata.
func (e *Encoder) scopeLabels(body []byte) {
	e.scope.labels, e.scope.text = e.scope.labels[:0], e.scope.text[:0]
	s := wire.ParseScope(body)
	e.share(&e.scope, e.intern.fixed("scope_name"), view(s.Name))
	e.share(&e.scope, e.intern.fixed("scope_version"), view(s.Version))
	for attrs := s.Attributes(); attrs.Next(); {
		e.metadata(&e.scope, e.intern.get(attrs.Key()), attrs.Value())
	}
}

func (e *Encoder) metadata(to *metadata, n *name, v wire.Value) {
	if v.Kind() == wire.ValueMap {
		for m := v.Map(); m.Next(); {
			e.metadata(to, e.intern.child(n, m.Key()), m.Value())
		}
		return
	}
	start := len(to.text)
	to.text = v.AppendText(to.text)
	e.share(to, n, view(to.text[start:]))
}

func (e *Encoder) share(to *metadata, n *name, value string) {
	if value != "" {
		to.labels = append(to.labels, sharedLabel{n, value})
	}
}
