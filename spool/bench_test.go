package spool_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/spool"
)

var sizes = map[string]int{"1KiB": 1 << 10, "64KiB": 64 << 10, "1MiB": 1 << 20}

func BenchmarkPut(b *testing.B) {
	for _, name := range []string{"1KiB", "64KiB", "1MiB"} {
		b.Run(name, func(b *testing.B) {
			l := open(b, spool.Options{NoSync: true})
			rec := spool.Record{Header: make([]byte, 40), Body: make([]byte, sizes[name]), Count: 10}
			b.SetBytes(int64(sizes[name]))
			b.ReportAllocs()
			held := 0
			for b.Loop() {
				if held += len(rec.Body); held > 1<<29 {
					b.StopTimer()
					l.DropOldest(1 << 40)
					_ = l.SaveCursor()
					b.StartTimer()
					held = 0
				}
				if _, err := l.Put(rec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppend shows what callers share.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			l := open(b, spool.Options{})
			rec := spool.Record{Body: make([]byte, 1<<10), Count: 1}
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := l.Append(context.Background(), rec); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			st := l.Stats()
			b.ReportMetric(float64(st.Syncs)/float64(st.Appended), "fsyncs/op")
		})
	}
}

// BenchmarkThrough is one writer, one reader that settles, and an fsync each 100 ms; raw is the disk alone, for comparison: a file
// written in pieces of the same size, synced each 100 ms, and read.
func BenchmarkThrough(b *testing.B) {
	for _, name := range []string{"1KiB", "64KiB", "1MiB"} {
		b.Run("spool/"+name, func(b *testing.B) { through(b, sizes[name]) })
		b.Run("raw/"+name, func(b *testing.B) { raw(b, sizes[name]) })
	}
}

func through(b *testing.B, size int) {
	l := open(b, spool.Options{SyncInterval: 100 * time.Millisecond, Ahead: 4096})
	rec := spool.Record{Body: make([]byte, size), Count: 10}
	for i := range rec.Body {
		rec.Body[i] = byte(i * 7)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	done := make(chan error, 1)
	go func() {
		r := l.NewReader(0, 0)
		defer r.Close()
		var buf []byte
		for range b.N {
			e, err := r.Next(context.Background(), buf)
			if err != nil {
				done <- err
				return
			}
			buf = e.Buf
			l.Settle(e.Seq)
		}
		done <- nil
	}()
	for range b.N {
		if _, err := l.Put(rec); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func raw(b *testing.B, size int) {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i * 7)
	}
	dir := b.TempDir()
	const most = 64 << 20
	b.SetBytes(int64(size))
	var f *os.File
	at, n, last := int64(0), 0, time.Now()
	b.ResetTimer()
	for range b.N {
		if f == nil {
			var err error
			if f, err = os.Create(filepath.Join(dir, fmt.Sprint(n))); err != nil {
				b.Fatal(err)
			}
			if err := (spool.OS{}).Preallocate(f, most); err != nil {
				b.Log(err)
			}
			n++
		}
		if _, err := f.WriteAt(body, at); err != nil {
			b.Fatal(err)
		}
		at += int64(size)
		if time.Since(last) > 100*time.Millisecond || at+int64(size) > most {
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
			last = time.Now()
		}
		if at+int64(size) > most {
			for off := int64(0); off < at; off += int64(size) {
				if _, err := f.ReadAt(body, off); err != nil {
					b.Fatal(err)
				}
			}
			f.Close()
			os.Remove(f.Name())
			f, at = nil, 0
		}
	}
	if f != nil {
		_ = f.Sync()
		f.Close()
	}
}

// BenchmarkOpen opens a log of 5 GB whose process was killed: its newest segment has no footer and is read through, and the
// first is settled in part.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	l := open(b, spool.Options{Dir: dir, NoSync: true})
	rec := spool.Record{Header: make([]byte, 40), Body: make([]byte, 64<<10), Count: 200}
	const want = 5e9
	for l.Stats().Unsettled.Bytes < want {
		for range 1000 {
			if _, err := l.Put(rec); err != nil {
				b.Fatal(err)
			}
		}
	}
	l.DropOldest(10 << 20)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(names) == 0 {
		b.Fatal(err)
	}
	last := names[len(names)-1]
	for b.Loop() {
		b.StopTimer()
		info, err := os.Stat(last)
		if err == nil {
			err = os.Truncate(last, info.Size()-64) // its footer
		}
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		l, err := spool.Open(spool.Options{Dir: dir, NoSync: true})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if st := l.Stats(); st.AtOpen.Bytes < want-20<<20 || st.Damaged.Records != 0 {
			b.Fatalf("%+v", st)
		}
		b.ReportMetric(float64(l.Stats().AtOpen.Bytes)/1e9, "GB")
		_ = l.Close()
		b.StartTimer()
	}
}
