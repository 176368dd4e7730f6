package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// settle is the delay before an agent's memory is read.
const settle = 2 * time.Minute

// start measures the time until `sluice up` answers and has data, memory and binary sizes.
func start(o options) (table, error) {
	t := table{
		title:   "Start, memory at rest, size",
		command: "make bench, or: cd bench && go run . start",
		head:    []string{"what", "figure"},
		notes:   []string{fmt.Sprintf("Times are the median (min–max) of %d starts on an empty data directory; the agent runs its embedded default and has no collector to send to.", o.runs)},
	}
	var answer, data series
	for range o.runs {
		a, d, err := startUp(o)
		if err != nil {
			return t, err
		}
		answer, data = append(answer, a), append(data, d)
	}
	rss, err := agentMemory(o)
	if err != nil {
		return t, err
	}
	t.rows = append(t.rows,
		[]string{"`sluice up`: first answered query, s", answer.format(2)},
		[]string{"`sluice up`: first host metric found by a query, s", data.format(2)},
		[]string{fmt.Sprintf("`sluice-agent`: RSS %s after start, MiB", settle), fmt.Sprintf("%.0f", rss)},
	)
	for _, name := range []string{"sluice", "sluice-agent", "sluice-collector"} {
		info, err := os.Stat(filepath.Join(o.bin, name))
		if err != nil {
			return t, err
		}
		t.rows = append(t.rows, []string{"`" + name + "`: size, MB", fmt.Sprintf("%.1f", float64(info.Size())/1e6)})
	}
	return t, nil
}

func startUp(o options) (answer, data float64, err error) {
	dir, err := os.MkdirTemp("", "sluice-bench-*")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	begin := time.Now()
	p, err := launch(nil, filepath.Join(o.bin, "sluice"), "up", "--data-dir", dir)
	if err != nil {
		return 0, 0, err
	}
	defer p.stop()
	const api = "http://127.0.0.1:7700/api/v1/query?query="
	if err := p.waitFor(ctx, "first answer", answers(api+"1")); err != nil {
		return 0, 0, err
	}
	answer = time.Since(begin).Seconds()
	if err := p.waitFor(ctx, "first data", func() bool { return results(api+"node_load1") > 0 }); err != nil {
		return 0, 0, err
	}
	return answer, time.Since(begin).Seconds(), nil
}

func results(url string) int {
	res, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	var body struct{ Data struct{ Result []any } }
	if json.NewDecoder(res.Body).Decode(&body) != nil {
		return 0
	}
	return len(body.Data.Result)
}

func agentMemory(o options) (float64, error) {
	dir, err := os.MkdirTemp("", "sluice-bench-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	p, err := launch(nil, filepath.Join(o.bin, "sluice-agent"), "--data-dir", dir)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	time.Sleep(settle)
	return p.memory("VmRSS")
}
