package logs

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// recentDays is how many of the newest days heal checks.
const recentDays = 2

// heal registers missing streams of rows on disk (see the package comment) by adding a marker row, which queries
// ignore, with the stream's labels.
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

// healDay compares stream ids with and without labels: the library omits rows with unregistered streams if labels are
// asked for.
func (s *Store) healDay(day int64) (int, error) {
	from, to := day*rows.NsPerDay, (day+1)*rows.NsPerDay-1
	lost := map[string]bool{}
	if err := s.eachStreamID(engine.Query{Text: "* | fields " + rows.FieldStreamID, From: from, To: to}, func(id string) {
		if !lost[id] {
			lost[strings.Clone(id)] = true
		}
	}); err != nil {
		return 0, err
	}
	registered := engine.Query{Text: "* | fields " + rows.FieldStreamID + ", " + rows.FieldStream, From: from, To: to}
	if err := s.eachStreamID(registered, func(id string) { delete(lost, id) }); err != nil {
		return 0, err
	}
	fields := rows.FieldTime + ", " + rows.FieldLabels
	for _, label := range rows.StreamLabels() {
		fields += ", " + engine.Quote(label)
	}
	n := 0
	for id := range lost {
		n++
		q := engine.Query{Text: rows.FieldStreamID + ":" + engine.Quote(id) + " | fields " + fields + " | limit 1", From: from, To: to}
		if err := s.engine.Each(s.running, q, s.register); err != nil {
			return n, err
		}
	}
	return n, nil
}

// eachStreamID calls f with stream ids, one at a time, possibly repeated. A block has one stream. The library's uniq
// has a limit.
func (s *Store) eachStreamID(q engine.Query, f func(id string)) error {
	var mu sync.Mutex
	return s.engine.Blocks(s.running, q, func(_ int, b *logstorage.DataBlock) error {
		if c := b.GetColumnByName(rows.FieldStreamID); c != nil {
			mu.Lock()
			defer mu.Unlock()
			f(c.Values[0])
		}
		return nil
	})
}

// register adds a marker row to the stream of a row.
func (s *Store) register(row map[string]string) error {
	at, err := time.Parse(time.RFC3339Nano, row[rows.FieldTime])
	if err != nil {
		return fmt.Errorf("cannot read the time of a row: %w", err)
	}
	var fields []logstorage.Field
	for _, label := range rows.StreamLabels() {
		if v := row[label]; v != "" && rows.IsNamed(row[rows.FieldLabels], label) {
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
