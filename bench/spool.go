package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
)

// spoolSizes are the bodies of records.
var spoolSizes = []string{"1KiB", "64KiB", "1MiB"}

// spool runs the benchmarks of package spool: they need its insides, and this module has none of the product.
func spool(o options) (table, error) {
	t := table{
		title:   "The log under the queue: one writer, one reader that settles, fsync each 100 ms",
		command: "make bench, or: cd bench && go run . spool",
		head:    []string{"record", "spool MB/s", "disk alone MB/s", "of the disk"},
	}
	figures := map[string]series{}
	for range o.runs {
		for _, size := range spoolSizes {
			for _, what := range []string{"raw", "spool"} {
				if err := spoolRun("Through/"+what+"/"+size+"$", "2s", figures); err != nil {
					return t, err
				}
			}
		}
	}
	for _, size := range spoolSizes {
		ours, disk := figures["Through/spool/"+size+" MB/s"], figures["Through/raw/"+size+" MB/s"]
		t.rows = append(t.rows, []string{size, ours.format(0), disk.format(0), ratio(ours, disk).format(2)})
	}
	if err := spoolRun("Open$", "5x", figures); err != nil {
		return t, err
	}
	t.notes = []string{
		fmt.Sprintf("Median (min–max) of %d alternating runs of 2 s in one folder; each byte is written once and read once. The disk alone: files written in pieces of the same size, synced each 100 ms, and read.", o.runs),
		fmt.Sprintf("Opening %s GB in records of 64 KiB after a kill (the newest segment has no footer and is read through): %.0f ms, from the page cache.",
			figures["Open GB"].format(1), figures["Open ns/op"].median()/1e6),
	}
	return t, nil
}

var benchFigure = regexp.MustCompile(`([0-9.e+]+) (\S+)`)

func spoolRun(name, during string, figures map[string]series) error {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^Benchmark"+name, "-benchtime", during, "./spool")
	cmd.Dir, cmd.Stderr = "..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	for _, line := range bytes.Split(out, []byte("\n")) {
		rest, is := bytes.CutPrefix(line, []byte("Benchmark"))
		if !is {
			continue
		}
		full, values, _ := bytes.Cut(rest, []byte("\t"))
		short := regexp.MustCompile(`(-\d+)?\s*$`).ReplaceAll(full, nil)
		for _, m := range benchFigure.FindAllSubmatch(values, -1) {
			if v, err := strconv.ParseFloat(string(m[1]), 64); err == nil {
				key := string(short) + " " + string(m[2])
				figures[key] = append(figures[key], v)
			}
		}
	}
	return nil
}
