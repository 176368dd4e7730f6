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

// chunkBytes is how much of a request becomes one piece of rows with a number of its own. The cut depends on the
// bytes alone, so that a replay cuts the same.
const chunkBytes = 1 << 20

// MaxChunks is how many pieces a request of n bytes has at most: of two neighbours, one is at least half full.
func MaxChunks(n int) uint64 { return uint64(2*n/chunkBytes + 2) }

// An Encoder turns requests into rows of the library. One goroutine uses it at a time; its buffers are reused. All
// rows of a chunk carry the chunk's number, and the library writes the rows of one chunk and day to disk together or
// not at all.
type Encoder struct {
	// Skip, of a replay, reports that the rows of this chunk and day are there already.
	Skip func(seq uint64, day int64) bool

	names *Names
	rows  *logstorage.LogRows
	put   Put

	seq      uint64
	seqText  []byte
	received int64 // when the request came in, nanoseconds: the time of rows that have none
	oldest   int64 // rows before are too old
	newest   int64 // rows behind are too new
	days     []int64
	bytes    int // of the chunk so far
	added    int // rows of the request that became rows of the library
	item     int // records of the request so far

	// Rejects are the records of the request that did not become rows.
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
	rest   []byte             // labels of the row that are not admitted as fields
	level  string             // what an attribute of the row says
}

// Put takes a chunk of rows and the days on which they lie. The rows are the encoder's again when it returns.
type Put func(rows *logstorage.LogRows, days []int64)

// Added is how many rows the request has become so far.
func (e *Encoder) Added() int { return e.added }

// metadata is a set of labels that rows share. The values are kept in text.
type metadata struct {
	labels []sharedLabel
	text   []byte
}

type sharedLabel struct {
	name  *name
	value string
}

// NewEncoder makes an encoder that hands rows to put.
func NewEncoder(names *Names, put Put) *Encoder { return &Encoder{names: names, put: put} }

// Begin prepares for a request that was received at the given time, of which records before oldest are not kept.
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

// EachDay calls f with the day of every record that becomes a row when the request was received at the given time and
// records before oldest are not kept.
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

// End hands over what is left and gives the buffers back.
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

// Request turns every record of a request into a row.
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

// record adds one row, or counts why not.
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

// timeOf is the time of the record, else when it was observed, else when it came in.
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

// reject leaves the record in hand out.
func (e *Encoder) reject(why pipeline.Reason, item []byte, ns int64) {
	e.Rejects.Add(why, e.item-1, len(item), func() string {
		var b strings.Builder
		for _, f := range e.stream {
			b.WriteString(f.Name + "=" + strconv.Quote(f.Value) + " ")
		}
		return b.String() + "of " + time.Unix(0, ns).UTC().Format(time.RFC3339)
	})
}

// build fills e.fields with the row. Of attributes with the same key the first one added counts: those of the record go
// before those of the scope and of the resource.
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

// levelOf finds the level of a record where Loki does: an attribute that tells it, the severity, the line.
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

// own adds one of the labels that every row may have, unless it has; they are few and need no admission.
func (e *Encoder) own(label, value string) {
	n := e.intern.fixed(label)
	if value == "" || n.row == e.row {
		return
	}
	n.row, n.from, n.at = e.row, n, len(e.fields)
	e.fields = append(e.fields, logstorage.Field{Name: label, Value: value})
}

// attribute adds an attribute of the record; a map gives a label for each entry, as in Loki.
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

// label adds a label of structured metadata as a field, or to the rest. One that the stream has, or that another key
// of the row became, gets another name; the same key nearer to the record hides it.
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

// valueText is the text of a value; a string is not copied.
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
