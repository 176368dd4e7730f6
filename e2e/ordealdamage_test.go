package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestQueueOrdealDamage: segments of a stopped daemon's queue are damaged. What is missing then is counted, to the item; the rest arrives.
func TestQueueOrdealDamage(t *testing.T) {
	for round := range max(2, int(ordealTime()/(5*time.Second))) {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			o := beginOrdeal(t)
			o.lossy = true
			o.sink.mood.Store(pick[int64](40, 90, 101))
			time.Sleep(time.Duration(500+rand.IntN(1500)) * time.Millisecond)
			o.stop.Store(true)
			o.clients.Wait()
			o.sink.mood.Store(101)
			o.terminate()
			files, err := filepath.Glob(o.queue() + "/*/*.seg")
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			did := damageSome(t, files)
			o.book.killed(true)
			letters := o.letters() // what the first process dropped, and counted
			o.start()
			if n := unaccounted(t, o.p[1]); n != 0 {
				t.Errorf("%v unaccounted at the start", n)
			}
			o.sink.mood.Store(0)
			eventually(t, 90*time.Second, "an empty queue", func() bool { return sumOf(t, o.p[1], "sluice_queue_stored_records") == 0 })
			time.Sleep(1500 * time.Millisecond) // what was lost in the middle of a file is counted with the file, each second
			missing, unsure := o.lostSince(letters)
			n := int(sumOf(t, o.p[1], "sluice_component_dropped_items_total"))
			t.Logf("%d missing, %d counted as dropped, %d taken before;%s", missing, n, unsure, did)
			if n < missing || n > missing+unsure {
				t.Errorf("%d missing, %d counted as dropped, %d taken before", missing, n, unsure)
			}
			if n := unaccounted(t, o.p[1]); n != 0 {
				t.Errorf("%v unaccounted in the end", n)
			}
			o.c.terminate()
		})
	}
}

// damageSome damages some of the files, and says how.
func damageSome(t *testing.T, files []string) (did string) {
	for range 1 + rand.IntN(4) {
		name := pick(files...)
		if filepath.Base(filepath.Dir(name)) == "dead_letters" {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil || len(b) < 10 {
			continue
		}
		at := rand.IntN(len(b))
		switch rand.IntN(3) {
		case 0:
			b[at] ^= 1 << rand.IntN(8)
			did += fmt.Sprintf(" flip %s %d/%d", name, at, len(b))
		case 1:
			n := rand.IntN(5000)
			clear(b[at:min(len(b), at+n)])
			did += fmt.Sprintf(" zero %s %d+%d/%d", name, at, n, len(b))
		default:
			b = b[:at]
			did += fmt.Sprintf(" cut %s %d", name, at)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return did
}

// lostSince is how many records are missing beside those that the first process dropped, and how many arrived in its time.
func (o *ordeal) lostSince(letters map[string]int) (missing, before int) {
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	for i, n := range o.produced {
		for k := range n {
			key := keyOf(fmt.Sprintf("client-%d", i), k)
			switch f := o.book.fate(key); {
			case f.taken == 0 && letters[key] == 0:
				missing++
			case f.taken > 0 && f.life == 0:
				before++
			}
		}
	}
	return missing, before
}
