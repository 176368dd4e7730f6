package search

import (
	"errors"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// A rowReader turns blocks into rows for package logql. Each worker has one.
type rowReader struct {
	row     logql.Row
	newest  bool                // read each block from its end
	wants   func(ns int64) bool // whether a row of that time is read; nil: all
	times   []int64
	streams map[string][]logql.Label // by the text of the field _stream
	columns []logstorage.BlockColumn // of structured metadata, in the current block
	meta    []logstorage.BlockColumn // those that are no labels of the current stream
}

var errNoTime = errors.New("cannot read the times of rows")

// each calls f with each row of a block, valid until f returns.
func (r *rowReader) each(b *logstorage.DataBlock, f func(ns int64, row *logql.Row) error) error {
	var ok bool
	if r.times, ok = b.GetTimestamps(r.times[:0]); !ok {
		return errNoTime
	}
	var lines, streams, rest []string
	r.columns = r.columns[:0]
	for _, c := range b.GetColumns(false) {
		switch c.Name {
		case rows.FieldLine:
			lines = c.Values
		case rows.FieldStream:
			streams = c.Values
		case rows.FieldRest:
			rest = c.Values
		default:
			if !strings.HasPrefix(c.Name, "_") { // _time, _stream_id and fields of ours
				r.columns = append(r.columns, c)
			}
		}
	}
	last, known := "", false
	var stream []logql.Label
	for n := range r.times {
		i := n
		if r.newest {
			i = len(r.times) - 1 - n
		}
		if r.wants != nil && !r.wants(r.times[i]) {
			continue // before its stream is parsed: with many streams that is most of the work
		}
		if s := at(streams, i); !known || s != last {
			stream, last, known = r.stream(s), s, true
			r.choose(stream)
		}
		r.row.Reset(at(lines, i), stream)
		for _, c := range r.meta {
			if v := c.Values[i]; v != "" {
				r.row.AddMeta(c.Name, v)
			}
		}
		if v := at(rest, i); v != "" {
			rows.EachRest(v, r.row.AddMeta)
		}
		if err := f(r.times[i], &r.row); err != nil {
			return err
		}
	}
	return nil
}

func at(column []string, i int) string {
	if column == nil {
		return ""
	}
	return column[i]
}

// choose excludes columns of stream labels, which the library repeats.
func (r *rowReader) choose(stream []logql.Label) {
	r.meta = r.meta[:0]
	for _, c := range r.columns {
		own := true
		for _, l := range stream {
			if l.Name == c.Name {
				own = false
				break
			}
		}
		if own {
			r.meta = append(r.meta, c)
		}
	}
}

const maxStreams = 10_000

// stream parses the library's text of a stream, with a cache.
func (r *rowReader) stream(text string) []logql.Label {
	if ls, ok := r.streams[text]; ok {
		return ls
	}
	if r.streams == nil || len(r.streams) == maxStreams {
		r.streams = map[string][]logql.Label{}
	}
	text = strings.Clone(text)
	ls := parseStream(text)
	r.streams[text] = ls
	return ls
}

// parseStream parses {a="b",c="d"}, with Go's quoting.
func parseStream(s string) []logql.Label {
	var ls []logql.Label
	s = strings.TrimPrefix(s, "{")
	for {
		name, tail, ok := strings.Cut(s, "=")
		if !ok {
			return ls
		}
		q, err := strconv.QuotedPrefix(tail)
		if err != nil {
			return ls
		}
		value, err := strconv.Unquote(q)
		if err != nil {
			return ls
		}
		ls = append(ls, logql.Label{Name: name, Value: value})
		s = strings.TrimPrefix(tail[len(q):], ",")
	}
}

// cloneLabels copies labels from the library's memory.
func cloneLabels(ls []logql.Label) []logql.Label {
	if len(ls) == 0 {
		return nil
	}
	out := make([]logql.Label, len(ls))
	for i, l := range ls {
		out[i] = logql.Label{Name: strings.Clone(l.Name), Value: strings.Clone(l.Value)}
	}
	return out
}

func sizeOf(ls []logql.Label) int64 {
	n := int64(0)
	for _, l := range ls {
		n += int64(len(l.Name)+len(l.Value)) + 32
	}
	return n
}
