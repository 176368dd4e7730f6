package queue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/spool"
	"github.com/sluiceio/sluice/spool/spooltest"
)

// TestARemovedFolderIsNoticed: nothing is answered as stored that goes into files without a name, and what was in them is counted as
// lost at the end.
func TestARemovedFolderIsNoticed(t *testing.T) {
	for _, how := range []string{"removed", "renamed", "replaced"} {
		t.Run(how, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "q")
			s, books := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
			q := openWith(t, spooltest.NewFS(), s, func(o *Options) { o.Dir, o.FS = dir, spool.OS{} })
			if err := q.Put(t.Context(), batchOf("before")); err != nil {
				t.Fatal(err)
			}
			var err error
			switch how {
			case "removed":
				for range 100 { // the cursor may be written meanwhile
					if err = os.RemoveAll(dir); err == nil {
						break
					}
				}
			default:
				err = os.Rename(dir, dir+".old")
			}
			if how == "replaced" && err == nil {
				err = os.MkdirAll(filepath.Join(dir, "logs"), 0o700)
			}
			if err != nil {
				t.Fatal(err)
			}
			if r, again := pipeline.AsRefused(q.Put(t.Context(), batchOf("after"))); !again || !strings.Contains(r.Error(), "removed or replaced") {
				t.Errorf("got %v", r)
			}
			_ = q.Close()
			for _, a := range books.Read() {
				if a.Signal == pipeline.Logs && (a.Stored.Items != 0 || a.Dropped[pipeline.DropCorrupt].Items != 1) {
					t.Errorf("after the end %+v are stored, dropped: %v", a.Stored, a.Dropped)
				}
			}
		})
	}
}

// TestDropOldestDropsWhatIsNeeded, and no more.
func TestDropOldestDropsWhatIsNeeded(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	q := openWith(t, spooltest.NewFS(), s, func(o *Options) { o.OnFull, o.Size, o.Sizer = DropOldest, 100, "requests" })
	defer q.Close()
	for range 150 {
		if err := q.Put(t.Context(), batchOf("a record")); err != nil {
			t.Fatal(err)
		}
	}
	if n := q.Status().Records; n != 100 {
		t.Errorf("%d records are left of a queue of 100", n)
	}
}
