package journald

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

const scopeName = "github.com/sluiceio/sluice/receivers/journald"

var priorities = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// severities follow the OpenTelemetry log data model's syslog mapping.
var severities = [len(priorities)]uint64{21, 19, 18, 17, 13, 10, 9, 5}

// attributes maps journal fields to attributes; int marks numeric values.
var attributes = []struct {
	field, name string
	int         bool
}{
	{"SYSLOG_IDENTIFIER", "syslog.identifier", false},
	{"_PID", "process.pid", true},
	{"_COMM", "process.executable.name", false},
	{"_EXE", "process.executable.path", false},
	{"_CMDLINE", "process.command_line", false},
	{"_UID", "process.user.id", true},
	{"_TRANSPORT", "journald.transport", false},
	{"MESSAGE_ID", "journald.message_id", false},
	{"UNIT", "journald.about_unit", false}, // systemd's messages are about another unit
	{"CODE_FILE", "code.file.path", false},
	{"CODE_LINE", "code.line.number", true},
	{"CODE_FUNC", "code.function.name", false},
}

// known are fields with another place in the record, or no meaning outside the journal.
var known = map[string]bool{
	message: true, "PRIORITY": true, "_SYSTEMD_UNIT": true, "_HOSTNAME": true,
	"__CURSOR": true, "__REALTIME_TIMESTAMP": true, "__MONOTONIC_TIMESTAMP": true, "__SEQNUM": true, "__SEQNUM_ID": true,
}

// batch collects records by resource. There are few groups, one per unit: a linear search is enough.
type batch struct {
	groups  []group
	used    int // groups in use; the others keep their memory
	items   int
	size    int    // bytes of records
	cursor  []byte // of the last entry
	scratch []byte
	request wire.Request
}

type group struct {
	resource []byte
	records  []byte
}

func (b *batch) reset() {
	b.used, b.items, b.size, b.cursor = 0, 0, 0, b.cursor[:0]
}

type writer struct {
	allFields bool
	host      string
	scope     []byte // with framing
	resource  []byte // scratch, like framed
	framed    []byte
	own       own // our own log must not feed itself

	truncated, repaired int
}

func newWriter(host, version string, allFields bool, self own) *writer {
	scope := wire.AppendString(nil, wire.FieldScopeName, scopeName)
	if version != "" {
		scope = wire.AppendString(scope, wire.FieldScopeVersion, version)
	}
	return &writer{allFields: allFields, host: host, scope: wire.AppendBytes(nil, wire.FieldScopeXScope, scope), own: self}
}

func (w *writer) add(b *batch, e *entry, now time.Time) {
	cursor, _ := e.get("__CURSOR")
	b.cursor = append(b.cursor[:0], cursor...)
	if w.own.said(e) {
		return
	}
	g := b.group(w.resourceOf(e))
	before := len(g.records)
	var mark int
	g.records, mark = wire.BeginMessage(g.records, wire.FieldScopeXItem)
	if at, ok := e.get("__REALTIME_TIMESTAMP"); ok {
		if us, ok := decimal(at); ok && us < 1<<63/1000 {
			g.records = wire.AppendFixed64(g.records, wire.FieldLogTime, us*1000)
		}
	}
	if p, ok := e.get("PRIORITY"); ok && len(p) == 1 && p[0]-'0' < byte(len(priorities)) {
		g.records = wire.AppendUint(g.records, wire.FieldLogSeverityNumber, severities[p[0]-'0'])
		g.records = wire.AppendString(g.records, wire.FieldLogSeverityText, priorities[p[0]-'0'])
	}
	truncated := false
	for _, f := range e.fields {
		if string(e.name(f)) == message {
			b.scratch = wire.AppendBytes(b.scratch[:0], wire.FieldValueString, w.valid(e.value(f), f.cut))
			g.records = wire.AppendBytes(g.records, wire.FieldLogBody, b.scratch)
			truncated = f.cut
			break
		}
	}
	g.records = w.attributes(g.records, e)
	if truncated {
		w.truncated++
		g.records = wire.AppendBoolAttribute(g.records, wire.FieldLogAttributes, "log.truncated", true)
	}
	g.records = wire.AppendFixed64(g.records, wire.FieldLogObservedTime, uint64(now.UnixNano()))
	g.records = wire.EndMessage(g.records, mark)
	b.items++
	b.size += len(g.records) - before
}

func (w *writer) attributes(dst []byte, e *entry) []byte {
	for _, a := range attributes {
		v, ok := e.get(a.field)
		if !ok {
			continue
		}
		if n, number := decimal(v); a.int && number {
			dst = wire.AppendIntAttribute(dst, wire.FieldLogAttributes, a.name, int64(n))
		} else {
			dst = wire.AppendBytesAttribute(dst, wire.FieldLogAttributes, a.name, w.valid(v, false))
		}
	}
	if !w.allFields {
		return dst
	}
	for i, f := range e.fields {
		if name := string(e.name(f)); !known[name] && !hasAttribute(name) && !e.repeats(i) {
			name = "journald." + strings.ToValidUTF8(strings.ToLower(name), "\uFFFD")
			dst = wire.AppendBytesAttribute(dst, wire.FieldLogAttributes, name, w.valid(e.value(f), f.cut))
		}
	}
	return dst
}

func hasAttribute(field string) bool {
	for _, a := range attributes {
		if a.field == field {
			return true
		}
	}
	return false
}

func decimal(b []byte) (n uint64, ok bool) {
	for _, d := range b {
		if d-'0' > 9 {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	return n, len(b) > 0 && len(b) <= 18
}

// resourceOf encodes the resource: service.name is the unit or, without one, the program.
func (w *writer) resourceOf(e *entry) []byte {
	r := w.resource[:0]
	host, ok := e.get("_HOSTNAME")
	if !ok {
		host = []byte(w.host)
	}
	r = wire.AppendBytesAttribute(r, wire.FieldResourceAttributes, "host.name", w.valid(host, false))
	unit, hasUnit := e.get("_SYSTEMD_UNIT")
	service := bytes.TrimSuffix(unit, []byte(".service"))
	for _, name := range []string{"SYSLOG_IDENTIFIER", "_COMM", "_TRANSPORT"} {
		if len(service) == 0 {
			service, _ = e.get(name)
		}
	}
	if len(service) == 0 {
		service = []byte("journald")
	}
	r = wire.AppendBytesAttribute(r, wire.FieldResourceAttributes, "service.name", w.valid(service, false))
	if hasUnit {
		r = wire.AppendBytesAttribute(r, wire.FieldResourceAttributes, "systemd.unit", w.valid(unit, false))
	}
	w.resource = r
	return r
}

// valid returns v as UTF-8; a cut value also loses its incomplete last character.
func (w *writer) valid(v []byte, cut bool) []byte {
	if cut {
		for n := 1; n < utf8.UTFMax && n <= len(v); n++ {
			if tail := v[len(v)-n:]; utf8.RuneStart(tail[0]) {
				if !utf8.FullRune(tail) {
					v = v[:len(v)-n]
				}
				break
			}
		}
	}
	if utf8.Valid(v) {
		return v
	}
	w.repaired++
	return bytes.ToValidUTF8(v, []byte("\uFFFD"))
}

func (b *batch) group(resource []byte) *group {
	for i := range b.groups[:b.used] {
		if bytes.Equal(b.groups[i].resource, resource) {
			return &b.groups[i]
		}
	}
	if b.used == len(b.groups) {
		b.groups = append(b.groups, group{})
	}
	g := &b.groups[b.used]
	g.resource, g.records = append(g.resource[:0], resource...), g.records[:0]
	b.used++
	return g
}

func (w *writer) seal(b *batch) {
	dst := b.request[:0]
	for i := range b.groups[:b.used] {
		g := &b.groups[i]
		w.framed = wire.AppendBytes(w.framed[:0], wire.FieldResourceXResource, g.resource)
		around := wire.Envelope{Resource: w.framed, Scope: w.scope}
		dst = append(around.Append(dst, len(g.records)), g.records...)
	}
	b.request = dst
}
