package logs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// recentDays is how many of the newest days are looked at for rows without a stream.
const recentDays = 2

// heal registers the streams of rows that are on disk without being in the index (see the package comment). The
// library registers a stream when it gets a row of it, so it is given one: with the labels of the stream, which every
// row has among its fields, too, and a mark by which queries leave it out.
func (s *Store) heal(days map[int64]bool) error {
	for _, p := range lastOf(s.engine.PartitionList(), recentDays) {
		if day, ok := rows.ParseDay(p); ok {
			days[day] = true
		}
	}
	healed := 0
	for day := range days {
		n, err := s.healDay(day)
		if err != nil {
			return fmt.Errorf("cannot look for streams that are not registered: %w", err)
		}
		healed += n
	}
	if healed > 0 {
		s.engine.DebugFlush()
		s.log.Info("registered streams that the index had lost", "streams", healed)
	}
	return nil
}

func lastOf[T any](s []T, n int) []T { return s[max(0, len(s)-n):] }

// healDay asks for the streams that rows have with and without what the index knows: the library leaves rows out whose
// labels are asked for and not in the index.
func (s *Store) healDay(day int64) (int, error) {
	from, to := day*rows.NsPerDay, (day+1)*rows.NsPerDay-1
	ids := func(of string) (map[string]bool, error) {
		set := map[string]bool{}
		q := engine.Query{Text: "* | uniq by (" + of + ")", From: from, To: to}
		return set, s.engine.Each(s.running, q, func(row map[string]string) error {
			set[row[rows.FieldStreamID]] = true
			return nil
		})
	}
	all, err := ids(rows.FieldStreamID)
	if err != nil {
		return 0, err
	}
	registered, err := ids(rows.FieldStreamID + ", " + rows.FieldStream)
	if err != nil {
		return 0, err
	}
	fields := rows.FieldTime
	for _, label := range rows.StreamLabels() {
		fields += ", " + engine.Quote(label)
	}
	n := 0
	for id := range all {
		if registered[id] {
			continue
		}
		n++
		q := engine.Query{Text: rows.FieldStreamID + ":" + engine.Quote(id) + " | fields " + fields + " | limit 1", From: from, To: to}
		if err := s.engine.Each(s.running, q, s.register); err != nil {
			return n, err
		}
	}
	return n, nil
}

// register adds a marker to the stream of a row.
func (s *Store) register(row map[string]string) error {
	at, err := time.Parse(time.RFC3339Nano, row[rows.FieldTime])
	if err != nil {
		return fmt.Errorf("cannot read the time of a row: %w", err)
	}
	var fields []logstorage.Field
	for _, label := range rows.StreamLabels() {
		if v := row[label]; v != "" {
			fields = append(fields, logstorage.Field{Name: label, Value: v})
		}
	}
	slices.SortFunc(fields, func(a, b logstorage.Field) int { return strings.Compare(a.Name, b.Name) })
	stream := len(fields)
	fields = append(fields, logstorage.Field{Name: rows.FieldMarker, Value: "1"})
	chunk := logstorage.GetLogRows(nil, nil, nil, nil, "")
	defer logstorage.PutLogRows(chunk)
	chunk.MustAdd(logstorage.TenantID{}, at.UnixNano(), fields, stream)
	s.put(chunk, []int64{rows.DayOf(at.UnixNano())})
	return nil
}
