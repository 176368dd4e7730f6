package queue

import "time"

// growthOver is about how long a rate remembers.
const growthOver = time.Minute

// growth is how fast the queue becomes full.
type growth struct {
	at   time.Time
	fill uint64
	rate float64 // a second, in the unit of Sizer
}

// fill is what is stored, in the unit of Sizer.
func (q *Queue) fill() uint64 {
	t := q.sum.Totals()
	switch q.o.Sizer {
	case "items":
		return t.Count
	case "bytes":
		return t.Bytes
	}
	return t.Records
}

func (q *Queue) measure() {
	now, fill := time.Now(), q.fill()
	q.mu.Lock()
	defer q.mu.Unlock()
	g := &q.growth
	if took := now.Sub(g.at); !g.at.IsZero() && took > 0 {
		weight := min(took.Seconds()/growthOver.Seconds(), 1)
		g.rate += (float64(int64(fill-g.fill))/took.Seconds() - g.rate) * weight
	}
	g.at, g.fill = now, fill
}

// untilFull is negative while the queue does not grow. A rate that would take a year is none.
func (q *Queue) untilFull() time.Duration {
	fill := q.fill()
	q.mu.Lock()
	defer q.mu.Unlock()
	const year = 365 * 24 * 3600
	switch left := float64(q.o.Size) - float64(fill); {
	case left <= 0:
		return 0
	case q.growth.rate > left/year:
		return time.Duration(left / q.growth.rate * float64(time.Second))
	}
	return -1
}
