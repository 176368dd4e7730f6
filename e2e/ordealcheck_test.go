package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func sum(of map[string]int) (n int) {
	for _, k := range of {
		n += k
	}
	return n
}

// exported adds the records of a queue's folder.
func (o *ordeal) exported(dir, signal string, to map[string]int) {
	name := filepath.Join(o.t.TempDir(), "exported")
	if text, ok := sluice(o.t, "queue", "export", dir, "--signal", signal, "--out", name); !ok {
		if !strings.Contains(text, "no such file") {
			o.t.Logf("export of %s: %s", dir, text)
		}
		return
	}
	f, err := os.Open(name)
	if err != nil {
		o.t.Error(err)
		return
	}
	defer f.Close()
	if err := framed(f, func(b []byte) error {
		keys, err := keysOf("/v1/"+signal, b)
		for _, k := range keys {
			to[k]++
		}
		return err
	}); err != nil {
		o.t.Error(err)
	}
}

// settle ends the clients, makes the destination friendly, and empties all queues that there were.
func (o *ordeal) settle() {
	o.sink.mood.Store(0)
	o.stop.Store(true)
	o.clients.Wait()
	for _, name := range []string{"a", "b"} {
		for _, storage := range []string{"one", "two"} {
			o.now.name, o.now.storage = name, storage
			o.reload()
			eventually(o.t, 90*time.Second, "an empty queue "+name+" in "+storage, func() bool { return sumOf(o.t, o.p[1], "sluice_queue_stored_records") == 0 })
		}
	}
	if n := unaccounted(o.t, o.p[1]); n != 0 {
		o.t.Errorf("%v items unaccounted for", n)
	}
}

// letters are the records in dead letters.
func (o *ordeal) letters() map[string]int {
	out := map[string]int{}
	dirs, _ := filepath.Glob(o.dir + "/*/exporter_*/dead_letters")
	for _, d := range dirs {
		for _, signal := range []string{"logs", "traces", "metrics"} {
			o.exported(d, signal, out)
		}
	}
	return out
}

// check holds the book against what was produced; it returns how many records are missing.
func (o *ordeal) check() (missing int) {
	letters := o.letters()
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	total, given, unburied, unasked, twice, doubles := 0, 0, 0, 0, 0, 0
	var first string
	for i, n := range o.produced {
		total += n
		for k := range n {
			key := keyOf("client-"+strconv.Itoa(i), k)
			f := o.book.fate(key)
			switch {
			case f.taken == 0:
				missing++
				if dropped := o.dropped[key]; dropped {
					given++
				} else if letters[key] == 0 && !(o.lossy && f.rejected) {
					unburied++
					if !f.rejected {
						unasked++
					}
					first = key
					o.t.Logf("%s: %+v", key, *f)
				}
			case f.taken > 1:
				doubles += f.taken - 1
				if f.taken > 1+f.excused {
					twice += f.taken - 1 - f.excused
					if twice < 5 {
						o.t.Logf("%s: taken %d times, excused %d", key, f.taken, f.excused)
					}
				}
			}
		}
	}
	if unburied > 0 {
		o.t.Errorf("%d records are neither at the destination nor dead letters (%d of them never were rejected): one is %q", unburied, unasked, first)
	}
	// The book knows the answers that the destination sent, not those that were read before a kill or a reload cut them off, so some repeats
	// look needless. More than one in a thousand is more than that explains.
	if twice*1000 > total {
		o.t.Errorf("%d records came twice without need", twice)
	} else if twice > 0 {
		o.t.Logf("%d records came twice, and the book does not say why", twice)
	}
	if len(o.book.of) > total {
		o.t.Errorf("%d records arrived, %d were produced", len(o.book.of), total)
	}
	o.t.Logf("%d produced = %d delivered + %d missing (%d in dead letters, %d dropped by the operator, %d in neither); %d came more than once", total, total-missing, missing, missing-unburied-given, given, unburied, doubles)
	return missing
}

// count holds what is missing against our counter. What was dropped may have arrived before, without an answer.
func (o *ordeal) count() {
	o.book.mu.Lock()
	missing, unsure, twice := 0, 0, 0
	for i, n := range o.produced {
		for k := range n {
			switch f := o.book.fate(keyOf("client-"+strconv.Itoa(i), k)); {
			case f.taken == 0:
				missing++
				twice += f.excused // its client repeated it
			case f.excused > 0 && f.taken <= f.excused:
				unsure++
			}
		}
	}
	o.book.mu.Unlock()
	n := int(sumOf(o.t, o.p[1], "sluice_component_dropped_items_total"))
	o.t.Logf("%d missing, %d counted as dropped, %d may have arrived without an answer, %d were repeated by their client", missing, n, unsure, twice)
	if n < missing || n > missing+unsure+twice {
		o.t.Errorf("%v items are counted as dropped, %d are missing, and %d may have arrived before", n, missing, unsure)
	}
}
