package delivery

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/config/configcompression"

	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

// A Carrier is a Destination whose request body is the batch as it is, compressed: what a queue has stored is sent
// without being compressed again.
type Carrier interface {
	Carries() *payload.Compressor // nil when it does not
}

// disk is the queue of a Sender with sending_queue::storage, and those who send what is in it.
type disk struct {
	k         *Sender
	o         queue.Options
	carries   bool
	make      bool
	pool      buffer.Pool
	q         atomic.Pointer[queue.Queue]
	taking    context.Context
	end       context.CancelFunc
	consumers sync.WaitGroup
	memory    pipeline.Reservation  // of those who read
	moved     atomic.Int64          // unix nanoseconds of the last record that was settled
	fault     atomic.Pointer[error] // why the queue cannot be opened
}

const (
	// maxRecord is how much OTLP is gathered into one record.
	maxRecord = 4 << 20
	// minFree is the floor of free disk for a folder that is no extension's.
	minFree = 512 << 20
	// stopGrace is how long the end of the process waits for requests on the wire; what it cuts off is sent again.
	stopGrace = 500 * time.Millisecond
)

// readers is the memory for records that are handed out: what the consumers need for full ones, at most an eighth of the
// budget.
func readers(consumers int, budget *pipeline.Budget) int64 {
	const each, least = maxRecord + 1<<20, 8 << 20 // inflated and compressed
	return max(least, min(int64(consumers)*each, budget.Limit()/8))
}

// newDisk prepares the queue. Start opens it: a predecessor may have it still.
func newDisk(k *Sender) (*disk, error) {
	o := &k.opts.Queue
	storage, err := storageOf(k)
	if err != nil {
		return nil, err
	}
	d := &disk{k: k, make: storage.Create}
	d.taking, d.end = context.WithCancel(context.Background())
	dir := storage.Directory
	if dir == "" {
		dir, d.make = filepath.Join(filepath.Dir(k.settings.DataDir), "queues"), true
	}
	d.o = queue.Options{
		Dir: filepath.Join(dir, strings.ReplaceAll(k.settings.Name(), "/", "_")), Pool: &d.pool, Consumers: k.opts.MaxInFlight, FreshFirst: o.Recovery == FreshFirst,
		Size: o.QueueSize, Sizer: o.Sizer, OnFull: queue.OnFull(o.OnFull), MaxAge: o.MaxAge, MinFree: storage.MinFree, NoSync: !storage.Fsync,
		MaxRecord: maxRecord, Batching: o.batching(), Letters: int64(o.DeadLettersMiB) << 20, Books: k.settings, Log: k.settings.Log,
	}
	if o.BlockOnOverflow {
		d.o.OnFull = queue.Block
	}
	if c, is := k.dest.(Carrier); is {
		d.o.Compressor = c.Carries()
		d.carries = d.o.Compressor != nil
	}
	if d.o.Compressor == nil {
		if d.o.Compressor, err = payload.NewCompressor(configcompression.TypeZstd, 0, &d.pool); err != nil {
			return nil, err
		}
	}
	return d, d.register(k.settings.Metrics)
}

// storageOf is the storage that the configuration names, or a folder of the exporter's own.
func storageOf(k *Sender) (pipeline.Storage, error) {
	o := &k.opts.Queue
	if o.Directory != "" {
		return pipeline.Storage{Directory: o.Directory, Create: true, Fsync: true, MinFree: minFree}, nil
	}
	id, err := pipeline.ParseID(o.Storage)
	if err != nil {
		return pipeline.Storage{}, fmt.Errorf("storage: %w", err)
	}
	storage, ok := k.settings.View.Config.Service.Storages[id]
	if !ok {
		return storage, fmt.Errorf("storage %s is not started; list it under service::extensions", id)
	}
	return storage, nil
}

func (d *disk) register(reg prometheus.Registerer) error {
	gauge := func(name, help string, value func(queue.Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sluice_queue_" + name, Help: help}, func() float64 {
			if q := d.q.Load(); q != nil {
				return value(q.Status())
			}
			return 0
		})
	}
	for _, c := range []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sluice_queue_open", Help: "0 while the queue on disk cannot be opened: what comes is refused."}, func() float64 {
			if d.q.Load() == nil {
				return 0
			}
			return 1
		}),
		gauge("stored_records", "Records in the queue on disk.", func(s queue.Status) float64 { return float64(s.Records) }),
		gauge("stored_bytes", "Bytes of the records in the queue on disk, as they are stored.", func(s queue.Status) float64 { return float64(s.Bytes) }),
		gauge("disk_bytes", "Bytes of the queue's files.", func(s queue.Status) float64 { return float64(s.Disk) }),
		gauge("capacity", "queue_size, in the unit of sizer.", func(queue.Status) float64 { return float64(d.o.Size) }),
		gauge("oldest_unsent_seconds", "Age of the oldest record in the queue.", func(s queue.Status) float64 {
			if s.Oldest.IsZero() {
				return 0
			}
			return time.Since(s.Oldest).Seconds()
		}),
		gauge("stalled", "1 while something is stored and nothing has left the queue for a minute.", func(s queue.Status) float64 {
			if d.stalled(s) {
				return 1
			}
			return 0
		}),
		gauge("seconds_until_full", "At the rate of the last minute; +Inf while the queue does not grow.", func(s queue.Status) float64 {
			if s.UntilFull < 0 {
				return math.Inf(1)
			}
			return s.UntilFull.Seconds()
		}),
		gauge("blocked_lanes", "Lanes that wait after the destination refused them.", func(s queue.Status) float64 { return float64(s.Blocked) }),
		gauge("dead_letters", "Records that the destination rejected, as far as they are kept.", func(s queue.Status) float64 { return float64(s.Letters) }),
		gauge("damaged_records", "Records lost to damage on disk since the start; their items count as disk_corrupt where their number is known.", func(s queue.Status) float64 { return float64(s.Damaged) }),
		gauge("power_safe", "1 when a batch is answered after fsync, 0 with fsync: false.", func(s queue.Status) float64 {
			if s.NoSync {
				return 0
			}
			return 1
		}),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("cannot register the queue's metrics: %w", err)
		}
	}
	return nil
}

// openAgain is the pause before a queue that could not be opened is tried again.
const openAgain = 5 * time.Second

// Start opens the queue on disk, if there is one, and begins to send what is in it.
func (k *Sender) Start(context.Context) error {
	if k.disk == nil {
		return nil
	}
	return k.disk.start()
}

// start opens the queue. A disk that cannot be used refuses what comes and is tried again: the other exporters go on. What
// the configuration or another process has done is an error.
func (d *disk) start() error {
	if parent := filepath.Dir(d.o.Dir); !d.make {
		if _, err := os.Stat(parent); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf(`cannot use the storage: %w; make the folder, or set "create_directory: true"`, err)
		}
	}
	d.o.Memory = readers(d.o.Consumers, d.k.settings.Budget)
	err := d.open()
	if err == nil || errors.Is(err, spool.ErrLocked) {
		return err
	}
	d.fault.Store(&err)
	d.k.settings.Log.Error("the queue on disk cannot be opened; what comes is refused, and it is tried again: check the folder's owner, mount and disk",
		"folder", d.o.Dir, "error", err)
	d.consumers.Go(d.openLater)
	return nil
}

func (d *disk) openLater() {
	tick := time.NewTicker(openAgain)
	defer tick.Stop()
	for {
		select {
		case <-d.taking.Done():
			return
		case <-tick.C:
		}
		err := d.open()
		if err == nil {
			d.fault.Store(nil)
			d.k.settings.Log.Info("the queue on disk is open", "folder", d.o.Dir)
			return
		}
		d.fault.Store(&err)
	}
}

func (d *disk) open() error {
	begin := time.Now()
	q, err := queue.Open(d.o)
	if err != nil {
		return fmt.Errorf("cannot open the queue: %w", err)
	}
	d.memory = d.k.settings.Budget.Claim(d.o.Memory)
	d.moved.Store(begin.UnixNano())
	d.q.Store(q)
	if s := q.Status(); s.Records > 0 {
		d.k.settings.Log.Info("the queue on disk has records from before this start; sending them", "records", s.Records, "items", s.Items, "bytes", s.Bytes,
			"oldest", time.Since(s.Oldest).Round(time.Second), "opened_in", time.Since(begin).Round(time.Millisecond))
	}
	for range d.o.Consumers {
		d.consumers.Go(func() { d.consume(q) })
	}
	return nil
}

// unusable is why there is no queue.
func (d *disk) unusable() error {
	if err := d.fault.Load(); err != nil {
		return *err
	}
	return errors.New("the queue is not open")
}

func (d *disk) put(ctx context.Context, b pipeline.Batch) error {
	q := d.q.Load()
	if q == nil {
		return pipeline.Refuse(time.Second, d.unusable())
	}
	return q.Put(ctx, b)
}

func (d *disk) consume(q *queue.Queue) {
	for {
		it, err := q.Take(d.taking)
		if err != nil {
			return
		}
		d.forward(it, q)
	}
}

// forward makes one attempt at a record. What is refused goes back; what is rejected is lost, counted and buried.
func (d *disk) forward(it *queue.Item, q *queue.Queue) {
	k := d.k
	at := &place{gate: &k.gate}
	if err := k.gate.enter(d.taking, 0, nil); err != nil {
		it.Back(nil, nil)
		return
	}
	at.hold()
	defer at.leave()
	items := it.Items
	if age := k.opts.Queue.MaxAge; age > 0 && time.Since(it.Stored) > age { // it was read ahead, so the log did not drop it
		k.settings.Lost(pipeline.DropQueueAge, it.Signal, items, it.Size)
		it.Settle()
		return
	}
	err := d.attempt(at, it)
	a := pipeline.Read(err, items)
	if len(a.Rejected) > 0 {
		d.bury(it, q, &a)
	}
	if a.Refusal == nil {
		if it.Unanswered {
			k.settings.DeliveredAfterRefusal(it.Signal, items-a.RejectedItems())
		}
		it.Settle()
		d.moved.Store(time.Now().UnixNano())
		return
	}
	why := a.Refusal
	if d.taking.Err() != nil {
		why = nil
	}
	if a.Refused.Len() == items {
		it.Back(nil, why)
		return
	}
	b, err := it.Batch()
	if err != nil { // it was inflated, or nothing could have been rejected or taken apart
		it.Back(nil, why)
		return
	}
	rest := b.CutRanges(nil, a.Refused)
	it.Back(&rest, why)
}

func (d *disk) attempt(at *place, it *queue.Item) error {
	k := d.k
	var unsure atomic.Bool
	how := manner{bisections: maxBisections, once: true, maybe: it.MaybeSent, unsure: &unsure, id: payload.IDOf(k.settings.Name() + " " + it.Key())}
	defer func() { it.Unanswered = it.Unanswered || unsure.Load() }()
	body := it.Body()
	if !d.carries || body == nil || it.Encoding != d.o.Compressor.Encoding() {
		b, err := it.Batch()
		if err != nil {
			return pipeline.Reject(0, pipeline.DropCorrupt, err)
		}
		return k.send(k.life, at, b, how)
	}
	b := pipeline.Batch{Signal: it.Signal, Items: it.Items, Origin: it.Origin}
	p := payload.Own(b, d.pool.Copy(body))
	p.Size = it.Size
	return k.sendAll(k.life, at, b, Requests{
		Groups: [][]*payload.Payload{{p}},
		Pieces: func(*payload.Payload) divide.Pieces {
			whole, err := it.Batch()
			if err != nil {
				whole = pipeline.Batch{Signal: it.Signal, Origin: it.Origin}
			}
			return divide.ByItem(whole, d.o.Compressor.Payload)
		},
	}, how)
}

// bury books what was rejected, and keeps it with the destination's words.
func (d *disk) bury(it *queue.Item, q *queue.Queue, a *pipeline.Answer) {
	b, err := it.Batch()
	for i := range a.Rejected {
		rej := &a.Rejected[i]
		n := rej.Len()
		d.k.settings.Lost(rej.Reason, it.Signal, n, int(int64(it.Size)*int64(n)/int64(max(it.Items, 1))))
		switch {
		case err != nil:
		case rej.Ranges != nil:
			q.Bury(b.CutRanges(nil, rej.Ranges), rej)
		default:
			q.Bury(b, rej)
		}
	}
}

// Drop books items that the destination's protocol cannot represent: of a call, or out of the queue.
func (k *Sender) Drop(why pipeline.Reason, sig pipeline.Signal, items, bytes int) {
	if k.disk == nil {
		k.settings.Drop(why, sig, items, bytes)
		return
	}
	k.settings.Lost(why, sig, items, bytes)
}

// stalled reports whether something is stored and nothing has left the queue for a minute.
func (d *disk) stalled(s queue.Status) bool {
	return s.Records > 0 && time.Since(s.Oldest) > time.Minute && time.Since(time.Unix(0, d.moved.Load())) > time.Minute
}

// drain ends the taking of records.
func (d *disk) drain() { d.end() }

// stop gives requests on the wire a moment, and closes the queue with whatever is in it.
func (d *disk) stop() error {
	d.end()
	cut := time.AfterFunc(stopGrace, d.k.end)
	d.consumers.Wait()
	cut.Stop()
	d.k.end()
	q := d.q.Load()
	if q == nil {
		return nil
	}
	if s := q.Status(); s.Records > 0 {
		d.k.settings.Log.Info("undelivered records stay in the queue on disk", "records", s.Records, "items", s.Items, "bytes", s.Bytes)
	}
	defer d.memory.Release()
	return q.Close()
}
