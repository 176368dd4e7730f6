package record

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/receivers/tail/multiline"
)

// BenchmarkLines is the cost of making records from a chunk that is in memory: the work without the file.
func BenchmarkLines(b *testing.B) {
	body := strings.Repeat("GET /api/v1/items?page=7 200 ", 6)[:154]
	for _, bench := range []struct {
		name, line string
		format     string
	}{
		{"cri200", "2016-10-06T00:17:09.%09dZ stdout F " + body + "\n", FormatCRI},
		{"plain200", "%09d " + body + strings.Repeat("x", 36) + "\n", FormatPlain},
		{"cri50", "2016-10-06T00:17:09.%09dZ stderr F hell\n", FormatCRI},
		{"invalid200", "%09d \xff" + body + strings.Repeat("x", 35) + "\n", FormatPlain},
		{"docker200", `{"log":"` + body + `\n","stream":"stdout","time":"2016-10-06T00:17:09.%09dZ"}` + "\n", FormatDocker},
		{"dockerEscaped", `{"log":"{\"level\":\"info\",\"msg\":\"` + body[:120] + `\"}\n","stream":"stdout","time":"2016-10-06T00:17:09.%09dZ"}` + "\n", FormatDocker},
		{"dockerAttrs", `{"log":"` + body + `\n","stream":"stdout","attrs":{"tag":"web"},"time":"2016-10-06T00:17:09.%09dZ"}` + "\n", FormatDocker},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var chunk []byte
			n := 0
			for ; len(chunk) < 64<<10; n++ {
				chunk = fmt.Appendf(chunk, bench.line, n*1237)
			}
			e := Origin{Host: "h"}.Envelope("/var/log/pods/ns_pod_0/app/0.log", "")
			pool := NewPool(256 << 10)
			l := NewLines(64<<10, NewAttributes())
			l.Set(bench.format, false)
			b.ReportAllocs()
			b.SetBytes(int64(len(chunk)))
			done := 0
			for b.Loop() {
				out := pool.Get(e)
				l.To(out, 1)
				if used, _ := l.Take(chunk, 1); used != len(chunk) {
					b.Fatal("not all taken")
				}
				out.Seal(e)
				out.Free()
				done += n
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(done), "ns/line")
		})
	}
}

// BenchmarkMultiline is the cost of looking for stack traces where there are none, beside that of not looking, and of a stream
// that is nothing but traces. The ratio of the first two counts.
func BenchmarkMultiline(b *testing.B) {
	body := strings.Repeat("GET /api/v1/items?page=7 200 ", 6)[:154]
	trace := "java.lang.IllegalStateException: cannot add up\n" + strings.Repeat("\tat com.example.shop.Cart.total(Cart.java:66)\n", 20)
	for _, format := range []string{FormatCRI, FormatPlain, FormatDocker} {
		for _, bench := range []struct{ name, text, presets string }{
			{"off", body + "\n", ""}, {"presets", body + "\n", "java,python,go,nodejs,dotnet"}, {"traces", trace, "java,python,go,nodejs,dotnet"}, {"tracesOff", trace, ""},
		} {
			b.Run(format+"/"+bench.name, func(b *testing.B) {
				var chunk []byte
				n := 0
				for len(chunk) < 64<<10 {
					for line := range strings.Lines(bench.text) {
						switch n++; format {
						case FormatCRI:
							chunk = fmt.Appendf(chunk, "2016-10-06T00:17:09.%09dZ stdout F %s", n*1237, line)
						case FormatPlain:
							chunk = append(chunk, line...)
						default:
							chunk = fmt.Appendf(chunk, `{"log":%q,"stream":"stdout","time":"2016-10-06T00:17:09.%09dZ"}`+"\n", line, n*1237)
						}
					}
				}
				e := Origin{Host: "h"}.Envelope("/var/log/pods/ns_pod_0/app/0.log", "")
				pool := NewPool(256 << 10)
				l := NewLines(64<<10, NewAttributes())
				l.Set(format, false)
				if bench.presets != "" {
					choice, err := multiline.ParseAnnotation(bench.presets)
					if err != nil {
						b.Fatal(err)
					}
					rule, err := multiline.New(choice)
					if err != nil {
						b.Fatal(err)
					}
					rule.MaxLines = 1000
					l.Join(rule)
				}
				b.ReportAllocs()
				b.SetBytes(int64(len(chunk)))
				done := 0
				for b.Loop() {
					out := pool.Get(e)
					l.To(out, 1)
					if used, _ := l.Take(chunk, 1); used != len(chunk) {
						b.Fatal("not all taken")
					}
					out.Seal(e)
					out.Free()
					done += n
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(done), "ns/line")
			})
		}
	}
}
