package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// planted are bugs that lose or double records. Each must turn a test red: who removes a safety hears of it.
var planted = []struct {
	name, file, old, new string
	pkg, run             string
}{
	{
		name: "acknowledged before the fsync", file: "delivery/queue/put.go",
		old: "\t\t\terr = l.log.Durable(context.Background(), seq)\n\t\t}\n", new: "\t\t}\n",
		pkg: "./delivery/queue", run: "TestAnsweredIsStored",
	},
	{
		name: "fsync skipped", file: "spool/write.go",
		old: "if err := s.f.Sync(); err != nil {", new: "if err := error(nil); err != nil {",
		pkg: "./delivery/queue", run: "TestAnsweredIsStored",
	},
	{
		name: "a failed fsync called success", file: "spool/write.go",
		old: "		if err := s.f.Sync(); err != nil {\n			return l.fail(s, err)\n		}\n", new: "		_ = s.f.Sync()\n",
		pkg: "./delivery/queue", run: "TestDiskErrors",
	},
	{
		name: "a disk error swallowed", file: "delivery/queue/put.go",
		old: `return pipeline.Refuse(fullWait, fmt.Errorf("cannot store in the queue: %w", err))`, new: "return nil",
		pkg: "./delivery/queue", run: "TestDiskErrors",
	},
	{
		name: "the cursor before the data", file: "spool/settle.go",
		old: "c := cursor{l.next, l.durable, l.settled,", new: "c := cursor{l.next, l.durable, spans{{0, l.durable}},",
		pkg: "./delivery/queue", run: "TestAnsweredIsStored",
	},
	{
		name: "the cursor off by one", file: "spool/settle.go",
		old: "	l.settled.add(seq, seq+1)\n	l.unsettled", new: "	l.settled.add(seq, seq+2)\n	l.unsettled",
		pkg: "./delivery/queue", run: "TestOnlyWhatIsSettledIsGone",
	},
	{
		name: "a full disk does not note what is settled", file: "spool/settle.go",
		old: "			l.noteLow(next)\n", new: "			_ = next\n",
		pkg: "./spool", run: "TestFullDiskDrains",
	},
	{
		name: "a lost segment counted without its items", file: "spool/cursor.go",
		old: "		l.stats.Damaged.add(gone)\n", new: "		_ = gone\n",
		pkg: "./spool", run: "TestLostSegmentsAreCountedInItems",
	},
	{
		name: "dropped without counting", file: "delivery/queue/queue.go",
		old: "	l.q.o.Books.Lost(why, l.signal, int(t.Count), int(t.Weight))\n", new: "",
		pkg: "./delivery", run: "TestAFullQueue",
	},
	{
		name: "a rejected record not counted", file: "delivery/disk.go",
		old: "		d.k.settings.Lost(rej.Reason, it.Signal,", new: "		func(...any) {}(rej.Reason, it.Signal,",
		pkg: "./delivery", run: "TestStoredAndRejected",
	},
	{
		name: "a refused record forgotten", file: "delivery/queue/seize.go",
		old: "	*back = slices.Insert(*back, at, i)\n", new: "	_ = at\n",
		pkg: "./delivery/queue", run: "TestBackIsNextInOrder",
	},
	{
		name: "the refused rest of a record forgotten", file: "delivery/disk.go",
		old: "	it.Back(&rest, why)\n}\n\nfunc", new: "	_ = rest\n	it.Settle()\n}\n\nfunc",
		pkg: "./delivery", run: "TestStoredPartlyRefused",
	},
	{
		name: "401 taken for a rejection", file: "delivery/disk.go",
		old: "	if a.Refusal == nil {\n		if it.Unanswered", new: "	if a.Refusal == nil || a.Refusal.After == 0 {\n		if it.Unanswered",
		pkg: "./delivery", run: "TestAHeldLane",
	},
	{
		name: "a fan-out that forgets what was settled", file: "pipeline/engine/settled.go",
		old: "		m.add(p)\n", new: "		_ = p\n",
		pkg: "./pipeline/engine", run: "TestFanOutGivesNothingTwice",
	},
	{
		name: "a fan-out that remembers for ever", file: "pipeline/engine/settled.go",
		old: "			m.forgetLocked(p)\n			return p\n", new: "			return p\n",
		pkg: "./pipeline/engine", run: "TestFanOutGivesNothingTwice",
	},
	{
		name: "a partial success of a piece taken for the first item's", file: "delivery/divide/divide.go",
		old: "			rej.Ranges, rej.Count = items, 0\n", new: "			_ = items\n",
		pkg: "./delivery", run: "TestAPartialSuccessOfAPiece",
	},
	{
		name: "a rest dropped as its whole record", file: "delivery/queue/queue.go",
		old: "	t = l.lacking(t)\n", new: "",
		pkg: "./delivery/queue", run: "TestARestIsDroppedAsARest",
	},
	{
		name: "bad series never remembered", file: "delivery/divide/suspects.go",
		old: "	s.seen[key] = suspect{now, proven}\n", new: "	_ = now\n",
		pkg: "./delivery/divide", run: "TestSpreadBadSeries",
	},
}

// TestPlantedBugs builds with each bug and expects a red test, and a green one without (fault F50).
func TestPlantedBugs(t *testing.T) {
	if os.Getenv("SLUICE_FAULTS") == "" {
		t.Skip("part of make faults")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	run := func(overlay, pkg, name string) (string, error) {
		cmd := exec.Command("go", "test", "-count=1", "-timeout", "60s", "-tags", "remove_all_sd,enable_kubernetes_sd", "-overlay", overlay, "-run", name, pkg)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	empty := file(t, t.TempDir(), "none.json", "{}")
	green := map[string]bool{}
	for _, bug := range planted {
		t.Run(bug.name, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(root, bug.file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(source), bug.old) != 1 {
				t.Fatalf("%s has changed: the place of the bug is there %d times", bug.file, strings.Count(string(source), bug.old))
			}
			if key := bug.pkg + bug.run; !green[key] {
				if out, err := run(empty, bug.pkg, bug.run); err != nil {
					t.Fatalf("red without the bug:\n%s", tailOf(out, 2000))
				}
				green[key] = true
			}
			dir := t.TempDir()
			mutant := filepath.Join(dir, "mutant.go")
			if err := os.WriteFile(mutant, []byte(strings.Replace(string(source), bug.old, bug.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, bug.file): mutant}})
			if err != nil {
				t.Fatal(err)
			}
			out, err := run(file(t, dir, "overlay.json", "%s", overlay), bug.pkg, bug.run)
			switch {
			case err == nil:
				t.Errorf("no test of %s -run %s sees it", bug.pkg, bug.run)
			case strings.Contains(out, "[build failed]"):
				t.Errorf("the bug does not compile:\n%s", tailOf(out, 1000))
			}
		})
	}
}
