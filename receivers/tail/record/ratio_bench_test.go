package record

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/detect"
	"github.com/sluiceio/sluice/receivers/tail/multiline"
)

// BenchmarkWhereNothingMatches is what looking for severities and traces costs where there are none, as a share of the whole cost
// of a line. Both are measured in turns, and their first quartiles compared: ratios hold where the machine is shared.
func BenchmarkWhereNothingMatches(b *testing.B) {
	rule, err := multiline.New(multiline.Choice{Presets: multiline.Names()})
	if err != nil {
		b.Fatal(err)
	}
	rule.MaxLines = 1000
	upper := strings.Repeat("GET /api/v1/items?page=7 200 ", 6)[:154]
	lower := strings.Repeat("reading the page of items from /api/v1 ", 6)[:154]
	json := `{"msg":"` + lower[:130] + `","n":12}`
	for _, bench := range []struct {
		name, format, body string
	}{{"cri/Upper", FormatCRI, upper}, {"cri/lower", FormatCRI, lower}, {"plain/Upper", FormatPlain, upper}, {"plain/lower", FormatPlain, lower}, {"docker/lower", FormatDocker, lower}, {"cri/json", FormatCRI, json}} {
		var chunk []byte
		n := 0
		for ; len(chunk) < 64<<10; n++ {
			switch bench.format {
			case FormatCRI:
				chunk = fmt.Appendf(chunk, "2016-10-06T00:17:09.%09dZ stdout F %s\n", n*1237, bench.body)
			case FormatPlain:
				chunk = append(append(chunk, bench.body...), '\n')
			default:
				chunk = fmt.Appendf(chunk, `{"log":"%s\n","stream":"stdout","time":"2016-10-06T00:17:09.%09dZ"}`+"\n", bench.body, n*1237)
			}
		}
		e := Origin{Host: "h"}.Envelope("/var/log/pods/ns_pod_0/app/0.log", "")
		pool := NewPool(256 << 10)
		for name, on := range map[string]func(l *Lines){"detect": func(l *Lines) { l.Detect(detect.Severity | detect.Trace) }, "multiline": func(l *Lines) { l.Join(rule) }} {
			b.Run(name+"/"+bench.name, func(b *testing.B) {
				lines := [2]Lines{NewLines(64<<10, NewAttributes()), NewLines(64<<10, NewAttributes())}
				var took [2][]time.Duration
				for i := range lines {
					lines[i].Set(bench.format, false)
				}
				on(&lines[1])
				const times = 20
				for b.Loop() {
					for i := range lines {
						begin := time.Now()
						for range times {
							out := pool.Get(e)
							lines[i].To(out, 1)
							if used, _ := lines[i].Take(chunk, 1); used != len(chunk) {
								b.Fatal("not all taken")
							}
							out.Seal(e)
							out.Free()
						}
						took[i] = append(took[i], time.Since(begin))
					}
				}
				for i := range took {
					slices.Sort(took[i])
				}
				off, with := took[0][len(took[0])/4], took[1][len(took[1])/4]
				b.ReportMetric(float64(off.Nanoseconds())/times/float64(n), "off-ns/line")
				b.ReportMetric(float64(with.Nanoseconds())/times/float64(n), "on-ns/line")
				b.ReportMetric(float64(with)/float64(off), "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
