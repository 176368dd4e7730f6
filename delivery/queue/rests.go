package queue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

// A destination that took a part of a record and refused the rest has met a stop or a reload: the rests are written beside the
// lanes then, and the next start sends them in place of their records. After a kill there is no such file, and the parts that were taken come
// twice; the records of a lane that are open are at most Options.Consumers.
//
// The file is restsMagic, for each rest: uvarint lengths and texts of the lane's name and of the OTLP request, between
// them the record's number, its time, the items and bytes that were taken from it, and the items that are left, as uvarints; at the end the CRC32C of all
// before it, little endian. A file that cannot be read counts as none.

const restsFile, restsMagic = "rests", "sluice-rests-1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A rest is what is left of a stored record.
type rest struct {
	time    int64 // of the record, so that no other with its number is taken for it
	taken   pipeline.Amount
	items   int
	request []byte
	booked  bool // an Item has it, or what was lost with its record is booked. Queue.mu guards it
}

type rests map[string]map[spool.Seq]*rest // by lane

// leftovers are the rests of what was given back, and those of the stop before that were not sent since. The queue is closed.
func (q *Queue) leftovers() rests {
	out := rests{}
	for _, l := range q.all() {
		of := map[spool.Seq]*rest{}
		for seq, r := range q.rests[l.name] {
			if !l.log.Settled(seq) {
				of[seq] = r
			}
		}
		for _, s := range []*stream{&l.live, &l.late} {
			for _, i := range s.back {
				if i.body == nil && i.batch != nil {
					of[i.seq] = &rest{time: i.Stored.UnixNano(), taken: i.taken, items: i.Items, request: i.batch.Request}
				}
			}
		}
		if len(of) > 0 {
			out[l.name] = of
		}
	}
	return out
}

// saveRests writes the file anew, or removes it if there is no rest.
func (q *Queue) saveRests() error {
	name := filepath.Join(q.o.Dir, restsFile)
	left := q.leftovers()
	if len(left) == 0 {
		if !q.hadRests {
			return nil
		}
		return errors.Join(q.o.FS.Remove(name), q.o.FS.SyncDir(q.o.Dir))
	}
	b := []byte(restsMagic)
	for lane, of := range left {
		for seq, r := range of {
			b = binary.AppendUvarint(b, uint64(len(lane)))
			b = append(b, lane...)
			for _, n := range []int64{int64(seq), r.time, r.taken.Items, r.taken.Bytes, int64(r.items), int64(len(r.request))} {
				b = binary.AppendUvarint(b, uint64(n))
			}
			b = append(b, r.request...)
		}
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if err := q.replaceFile(name, b); err != nil {
		return fmt.Errorf("cannot save what is left of records that were taken in part: they will be sent whole, and arrive in part twice: %w", err)
	}
	return nil
}

// replaceFile makes content durable under the name.
func (q *Queue) replaceFile(name string, content []byte) error {
	tmp := name + ".tmp"
	_ = q.o.FS.Remove(tmp)
	f, err := q.o.FS.Open(tmp, spool.ModeNew)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(content, 0); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = q.o.FS.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, q.o.FS.Remove(tmp))
	}
	return q.o.FS.SyncDir(q.o.Dir)
}

// maxRests bounds the file that is read.
const maxRests = 1 << 30

// loadRests reads the file of the last stop.
func (q *Queue) loadRests() rests {
	f, err := q.o.FS.Open(filepath.Join(q.o.Dir, restsFile), spool.ModeRead)
	if err != nil {
		return nil // none
	}
	defer f.Close()
	q.hadRests = true
	size, err := f.Size()
	if err != nil || size > maxRests {
		return nil
	}
	b := make([]byte, size)
	if n, _ := f.ReadAt(b, 0); n < len(b) {
		return nil
	}
	all, err := parseRests(b)
	if err != nil {
		q.o.Log.Warn("the file of what is left of records that were taken in part cannot be read: they are sent whole, and arrive in part twice", "file", restsFile, "error", err)
	}
	return all
}

var errRests = errors.New("the file is damaged")

func parseRests(b []byte) (rests, error) {
	if len(b) < len(restsMagic)+4 || !bytes.HasPrefix(b, []byte(restsMagic)) {
		return nil, errRests
	}
	b, sum := b[:len(b)-4], b[len(b)-4:]
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return nil, errRests
	}
	b = b[len(restsMagic):]
	failed := false
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<62 {
			failed = true
			return 0
		}
		b = b[n:]
		return v
	}
	text := func() []byte {
		n := number()
		if failed || n > uint64(len(b)) {
			failed = true
			return nil
		}
		t := b[:n]
		b = b[n:]
		return t
	}
	all := rests{}
	for len(b) > 0 && !failed {
		lane := string(text())
		seq := spool.Seq(number())
		r := &rest{time: int64(number())}
		r.taken = pipeline.Amount{Items: int64(number()), Bytes: int64(number())}
		r.items = int(number())
		r.request = text()
		if all[lane] == nil {
			all[lane] = map[spool.Seq]*rest{}
		}
		all[lane][seq] = r
	}
	if failed {
		return nil, errRests
	}
	return all, nil
}

// shorten makes the item what is left of it since a stop. pool lends the memory.
func (i *Item) shorten(r *rest, pool *buffer.Pool) {
	own := pool.Copy(r.request)
	i.plain, i.body = own, nil
	i.taken = r.taken
	i.Items, i.Size = r.items, len(r.request)
	i.batch = &pipeline.Batch{Signal: i.Signal, Request: own.B, Items: i.Items, Origin: i.Origin}
	i.MaybeSent = true
}

// restOf is what is left of a record since a stop; nil for all.
func (l *lane) restOf(seq spool.Seq, time int64) *rest {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	r := l.q.rests[l.name][seq]
	if r == nil || r.time != time {
		return nil
	}
	r.booked = true
	return r
}

// lacking is what was lost with records, without what the destination took of them before a stop.
func (l *lane) lacking(t spool.Totals) spool.Totals {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	for seq, r := range l.q.rests[l.name] {
		items, bytes := uint64(r.taken.Items), uint64(r.taken.Bytes)
		if !r.booked && items <= t.Count && bytes <= t.Weight && l.log.Settled(seq) {
			r.booked = true
			t.Count, t.Weight = t.Count-items, t.Weight-bytes
		}
	}
	return t
}

// restored books what is stored at the start, with what Open found damaged, and what an operator gave up meanwhile: both are
// booked as lost then.
func (q *Queue) restored() {
	var held [len(pipeline.Signals) + 1]pipeline.Amount
	for _, l := range q.order {
		t := l.log.Stats()
		l.given = l.log.GivenUp()
		held[l.signal].Add(int(t.AtOpen.Count+t.Damaged.Count+l.given.Count), int(t.AtOpen.Weight+t.Damaged.Weight+l.given.Weight))
	}
	q.mu.Lock()
	for name, of := range q.rests {
		for seq, r := range of { // what was taken of a record was delivered by the process before
			if l := q.lanes[name]; l != nil && !l.log.Settled(seq) {
				held[l.signal].Sub(r.taken)
			} else {
				delete(of, seq)
			}
		}
	}
	q.mu.Unlock()
	for _, sig := range pipeline.Signals {
		q.o.Books.Restored(sig, held[sig])
	}
}
