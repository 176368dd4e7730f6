package rows

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/rejects"
	"github.com/sluiceio/sluice/wire"
)

// chunkBytes is the size of a chunk. The cut depends only on the bytes, so that replay makes the same.
const chunkBytes = 1 << 20

// MaxChunks is the maximum number of chunks of a request: of two neighbours, one is at least half full.
func MaxChunks(n int) uint64 { return uint64(2*n/chunkBytes + 2) }

// An Encoder turns requests into rows. It is not safe for concurrent use. All rows of a chunk have its number; the
// library writes those of one chunk and day together or not at all.
type Encoder struct {
	// Skip, set by replay, reports that a chunk's rows of that day exist.
	Skip func(seq uint64, day int64) bool

	names *Names
	rows  *logstorage.LogRows
	put   Put

	seq      uint64
	seqText  []byte
	received int64 // Unix ns; the time of rows without one
	oldest   int64 // rows before are too old
	newest   int64 // rows behind are too new
	days     []int64
	bytes    int // of the chunk so far
	added    int // rows made of the request
	item     int // records of the request so far

	// Rejects are the records that did not become rows.
	Rejects rejects.List

	intern interner
	stream []logstorage.Field // labels of the current stream, in front of every row
	named  string             // the names of these
	nth    uint64             // number of the current resource
	res    metadata           // of the current resource
	scope  metadata           // of the current scope
	fields []logstorage.Field // the row that is built
	row    uint64             // its number
	text   []byte             // values of the row that do not stand in the request as text
	rest   []byte             // labels that are not admitted as fields
	level  string             // from an attribute of the row
}

// Put takes a chunk of rows and their days. The rows are valid until it returns.
type Put func(rows *logstorage.LogRows, days []int64)

// Added is how many rows the request has become so far.
func (e *Encoder) Added() int { return e.added }

// metadata is labels shared by rows. Values point into text.
type metadata struct {
	labels []sharedLabel
	text   []byte
}

type sharedLabel struct {
	name  *name
	value string
}

// NewEncoder makes an encoder that passes rows to put.
func NewEncoder(names *Names, put Put) *Encoder { return &Encoder{names: names, put: put} }

// Begin starts a request, received at that time; records before oldest are rejected.
func (e *Encoder) Begin(seq uint64, received, oldest int64) {
	e.rows = logstorage.GetLogRows(nil, nil, nil, nil, "")
	e.received = received
	e.oldest, e.newest = oldest, received+int64(FutureLimit)
	e.added, e.item = 0, 0
	e.Rejects.Reset()
	e.intern.trim()
	e.startChunk(seq)
}

func (e *Encoder) startChunk(seq uint64) {
	e.seq, e.bytes, e.days = seq, 0, e.days[:0]
	e.seqText = strconv.AppendUint(e.seqText[:0], seq, 10)
}

// EachDay calls f with the day of each record that Request would store.
func EachDay(r wire.Request, received, oldest int64, f func(day int64)) {
	newest := received + int64(FutureLimit)
	for rs := r.Resources(); rs.Next(); {
		for sc := rs.Scopes(); sc.Next(); {
			for it := sc.Items(); it.Next(); {
				l := wire.ParseLog(it.Bytes())
				if ns := timeOf(&l, received); ns >= oldest && ns <= newest {
					f(DayOf(ns))
				}
			}
		}
	}
}

// End flushes and releases the buffers.
func (e *Encoder) End() {
	e.flush()
	logstorage.PutLogRows(e.rows)
	e.rows = nil
}

func (e *Encoder) flush() {
	if e.rows.RowsCount() > 0 {
		e.put(e.rows, e.days)
		e.rows.ResetKeepSettings()
	}
}

// Request makes a row of each record.
func (e *Encoder) Request(r wire.Request) {
	for rs := r.Resources(); rs.Next(); {
		e.resource(rs.Resource())
		for sc := rs.Scopes(); sc.Next(); {
			e.scopeLabels(sc.Scope())
			for it := sc.Items(); it.Next(); {
				item := it.Bytes()
				if e.bytes += len(item); e.bytes > chunkBytes && e.bytes > len(item) {
					e.flush()
					e.startChunk(e.seq + 1)
					e.bytes = len(item)
				}
				e.record(item)
			}
		}
	}
}

func (e *Encoder) record(item []byte) {
	l := wire.ParseLog(item)
	ns := timeOf(&l, e.received)
	e.item++
	switch {
	case ns < e.oldest:
		e.reject(pipeline.DropTooOld, item, ns)
		return
	case ns > e.newest:
		e.reject(pipeline.DropTooNew, item, ns)
		return
	}
	day := DayOf(ns)
	if e.Skip != nil && e.Skip(e.seq, day) {
		return
	}
	e.build(&l, day)
	if logstorage.EstimatedJSONRowLen(e.fields) > maxRowBytes {
		e.reject(pipeline.DropTooLarge, item, ns)
		return
	}
	e.rows.MustAdd(logstorage.TenantID{}, ns, e.fields, len(e.stream))
	e.added++
	if len(e.days) == 0 || e.days[len(e.days)-1] != day {
		e.days = append(e.days, day)
	}
}

// timeOf is the record's time, else its observed time, else received.
func timeOf(l *wire.Log, received int64) int64 {
	ns := l.Time
	if ns == 0 {
		ns = l.ObservedTime
	}
	if ns == 0 {
		return received
	}
	if ns > 1<<63-1 {
		return 1<<63 - 1
	}
	return int64(ns)
}

// reject excludes the current record.
func (e *Encoder) reject(why pipeline.Reason, item []byte, ns int64) {
	e.Rejects.Add(why, e.item-1, len(item), func() string {
		var b strings.Builder
		for _, f := range e.stream {
			b.WriteString(f.Name + "=" + strconv.Quote(f.Value) + " ")
		}
		return b.String() + "of " + time.Unix(0, ns).UTC().Format(time.RFC3339)
	})
}

// build fills e.fields. The first attribute of a key wins: the record's, then the scope's, then the resource's.
func (e *Encoder) build(l *wire.Log, day int64) {
	e.row++
	e.fields = append(e.fields[:0], e.stream...)
	e.text, e.rest, e.level = e.text[:0], e.rest[:0], ""
	e.fields = append(e.fields, logstorage.Field{Name: FieldSeq, Value: view(e.seqText)}, logstorage.Field{Name: FieldLabels, Value: e.named})
	line := e.valueText(l.Body)
	e.fields = append(e.fields, logstorage.Field{Name: FieldLine, Value: line})

	if l.SeverityNumber != 0 {
		e.own("severity_number", e.number(int64(l.SeverityNumber)))
	}
	e.own("severity_text", view(l.SeverityText))
	if len(l.TraceID) > 0 {
		e.own("trace_id", e.hex(l.TraceID))
	}
	if len(l.SpanID) > 0 {
		e.own("span_id", e.hex(l.SpanID))
	}
	if l.Flags != 0 {
		e.own("flags", e.number(int64(l.Flags)))
	}
	if l.Time != 0 && l.ObservedTime != 0 {
		e.own("observed_timestamp", e.unsigned(l.ObservedTime))
	}
	e.own("event_name", view(l.EventName))
	if l.DroppedAttributes != 0 {
		e.own("dropped_attributes_count", e.number(int64(l.DroppedAttributes)))
	}

	attrs := l.Attributes()
	for i := 0; attrs.Next(); i++ {
		e.attribute(e.intern.key(i, attrs.Key()), attrs.Value(), day)
	}
	e.shared(e.scope.labels, day)
	e.shared(e.res.labels, day)
	e.own(LabelLevel, e.levelOf(l, line))
	if len(e.rest) > 0 {
		e.fields = append(e.fields, logstorage.Field{Name: FieldRest, Value: view(e.rest)})
	}
}

// levelOf finds the level in Loki's order: attribute, severity, line.
func (e *Encoder) levelOf(l *wire.Log, line string) string {
	level := e.level
	if level == "" {
		level = severityLevel(l.SeverityNumber)
	}
	if level == "" {
		level = wordLevel(view(l.SeverityText))
	}
	if level == "" {
		level = lineLevel(line)
	}
	return level
}

// own adds a built-in label, unless present; these need no admission.
func (e *Encoder) own(label, value string) {
	n := e.intern.fixed(label)
	if value == "" || n.row == e.row {
		return
	}
	n.row, n.from, n.at = e.row, n, len(e.fields)
	e.fields = append(e.fields, logstorage.Field{Name: label, Value: value})
}

// attribute adds a record's attribute; a map gives a label for each entry, as in Loki.
func (e *Encoder) attribute(n *name, v wire.Value, day int64) {
	if v.Kind() == wire.ValueMap {
		for m := v.Map(); m.Next(); {
			e.attribute(e.intern.child(n, m.Key()), m.Value(), day)
		}
		return
	}
	e.label(n, e.valueText(v), day)
}

func (e *Encoder) shared(labels []sharedLabel, day int64) {
	for _, l := range labels {
		e.label(l.name, l.value, day)
	}
}

// label adds structured metadata as a field, or to the rest. It renames a label that the stream or another key
// already has; an inner one hides the same key further out.
func (e *Encoder) label(n *name, value string, day int64) {
	if value == "" {
		return
	}
	l := n.label
	if l.tellsLevel && e.level == "" {
		e.level = wordLevel(value)
	}
	for l.stream == e.nth || l.row == e.row {
		if l.row == e.row && (l.from == n || l.at >= 0 && e.fields[l.at].Value == value) {
			return
		}
		l = e.intern.twin(l)
	}
	if l.day != day && !l.always {
		l.day, l.admitted = day, e.names.admit(day, l.text)
	}
	l.row, l.from, l.at = e.row, n, -1
	if l.admitted || l.always {
		l.at = len(e.fields)
		e.fields = append(e.fields, logstorage.Field{Name: l.text, Value: value})
		return
	}
	e.rest = appendRest(e.rest, l.text, value)
}

// valueText does not copy strings.
func (e *Encoder) valueText(v wire.Value) string {
	if v.Kind() == wire.ValueString {
		return view(v.Str())
	}
	start := len(e.text)
	e.text = v.AppendText(e.text)
	return view(e.text[start:])
}

func (e *Encoder) number(n int64) string {
	start := len(e.text)
	e.text = strconv.AppendInt(e.text, n, 10)
	return view(e.text[start:])
}

func (e *Encoder) unsigned(n uint64) string {
	start := len(e.text)
	e.text = strconv.AppendUint(e.text, n, 10)
	return view(e.text[start:])
}

func (e *Encoder) hex(b []byte) string {
	start := len(e.text)
	e.text = hex.AppendEncode(e.text, b)
	return view(e.text[start:])
}
