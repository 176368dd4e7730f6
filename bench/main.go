// Command bench compares Sluice with other programs from outside: built binaries as processes, CPU time and memory from
// /proc, and counting sinks. It writes its tables into RESULTS.md.
//
//	go run . gateway | language | expose | queue | spool | outage | fleet | scrape | tail | files | start | all
//
// A figure is the median of alternating runs, with the range. A run in which less arrives than was sent fails.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

type options struct {
	bin     string // product binaries
	peers   string // built peers
	runs    int
	results string
	tail    int64 // bytes of log lines
	logs    int   // records per gateway run
	seconds int   // per scrape run

	fleetRuns, fleetSeconds int
	filesRuns, filesSeconds int
	outageSeconds           int
}

type measurement struct {
	name string
	run  func(options) (table, error)
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "../bin", "folder of the built binaries")
	flag.StringVar(&o.peers, "peers", "", "folder of the built peers; built into a temporary one when empty")
	flag.IntVar(&o.runs, "runs", 5, "alternating runs of each figure")
	flag.StringVar(&o.results, "results", "RESULTS.md", "file whose tables are replaced; none when empty")
	flag.Int64Var(&o.tail, "tail-bytes", 1<<30, "bytes of log lines that a tail run reads")
	flag.IntVar(&o.logs, "logs", 2_000_000, "records that a gateway run sends")
	flag.IntVar(&o.seconds, "scrape-seconds", 30, "seconds that a scrape run measures")
	flag.IntVar(&o.fleetRuns, "fleet-runs", 3, "alternating runs of each figure of the fleet")
	flag.IntVar(&o.fleetSeconds, "fleet-seconds", 15, "seconds that a fleet run measures")
	flag.IntVar(&o.filesRuns, "files-runs", 3, "alternating runs of each figure of slow files")
	flag.IntVar(&o.filesSeconds, "files-seconds", 30, "seconds that a run of slow files measures")
	flag.IntVar(&o.outageSeconds, "outage-seconds", 600, "seconds that a destination is dead")
	flag.Parse()
	if err := run(o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options, names []string) error {
	all := []measurement{{"gateway", gateway}, {"language", language}, {"queue", queue}, {"expose", expose}, {"spool", spool}, {"outage", outage}, {"fleet", fleet}, {"scrape", scrape}, {"tail", tail}, {"files", files}, {"start", start}}
	if o.peers == "" && !(len(names) == 1 && names[0] == "spool") { // it compares with the disk
		dir, err := os.MkdirTemp("", "sluice-peers-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.peers = dir
		if err := buildPeers(dir); err != nil {
			return err
		}
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return err
	}
	o.bin = bin
	done := 0
	for _, m := range all {
		if !wanted(names, m.name) {
			continue
		}
		done++
		fmt.Fprintln(os.Stderr, "measuring", m.name)
		t, err := m.run(o)
		if err != nil {
			return fmt.Errorf("cannot measure %s: %w", m.name, err)
		}
		fmt.Println(t.markdown())
		if o.results == "" {
			continue
		}
		if err := t.replaceIn(o.results, m.name); err != nil {
			return err
		}
	}
	if done == 0 {
		return fmt.Errorf("unknown measurement %q; use gateway, language, expose, queue, spool, outage, fleet, scrape, tail, files, start or all", strings.Join(names, " "))
	}
	return nil
}

func wanted(names []string, name string) bool {
	for _, n := range names {
		if n == name || n == "all" {
			return true
		}
	}
	return false
}

// buildPeers builds the peers like the product: without cgo, stripped, with its tags.
func buildPeers(dir string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "remove_all_sd,enable_kubernetes_sd", "-ldflags", "-s -w", "-o", dir+"/", "./peer/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
