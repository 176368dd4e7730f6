package template

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// variants are settings that change what a line means. A fuzz input chooses one.
func variant(i uint8) Settings {
	s := settings()
	s.HonorLabels = i&1 != 0
	s.HonorTimestamps = i&2 == 0
	s.TrackStaleness = i&4 != 0
	switch i >> 3 & 7 {
	case 1:
		s.SampleLimit = 6
	case 2:
		s.LabelLimit = 6
	case 3:
		s.Relabel = rules(
			&relabel.Config{SourceLabels: model.LabelNames{"__name__"}, Regex: relabel.MustNewRegexp("go_(.+)"), TargetLabel: "__name__", Replacement: "golang_$1", Action: relabel.Replace},
			&relabel.Config{SourceLabels: model.LabelNames{"code"}, Regex: relabel.MustNewRegexp("5.."), Action: relabel.Drop},
			&relabel.Config{Regex: relabel.MustNewRegexp("path"), Action: relabel.LabelDrop},
		)
	case 4:
		s.Relabel = rules(
			&relabel.Config{Regex: relabel.MustNewRegexp("instance|le"), Action: relabel.LabelDrop},
			&relabel.Config{SourceLabels: model.LabelNames{"x"}, Regex: relabel.MustNewRegexp("(.+)"), TargetLabel: "job", Replacement: "$1", Action: relabel.Replace},
		)
	case 5:
		s.Validation = model.LegacyValidation
	case 6:
		s.Fallback = "text/plain"
		s.ExtraMetrics = false
	case 7: // the same series from lines of two names
		s.Relabel = rules(
			&relabel.Config{SourceLabels: model.LabelNames{"__name__"}, Regex: relabel.MustNewRegexp("old_(.+)"), TargetLabel: "__name__", Replacement: "new_$1", Action: relabel.Replace},
		)
	}
	return s
}

func rules(rs ...*relabel.Config) []*relabel.Config {
	for _, r := range rs {
		if r.Separator == "" {
			r.Separator = ";"
		}
		r.NameValidationScheme = model.UTF8Validation
	}
	return rs
}

// seeds are bodies that a sequence is made from.
var seeds = []string{
	`# HELP go_goroutines Number of goroutines.
# TYPE go_goroutines gauge
go_goroutines 12
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200",path="/a b"} 1027
http_requests_total{code="500",path="/c\"d\\e\n"} 3
# TYPE rpc_seconds summary
rpc_seconds{quantile="0.5"} 0.05
rpc_seconds{quantile="0.99"} NaN
rpc_seconds_sum 1.7560473e+04
rpc_seconds_count 2693
# TYPE lat_seconds histogram
lat_seconds_bucket{x="1",le="0.1"} 3
lat_seconds_bucket{x="1",le="1.0"} 5
lat_seconds_bucket{x="1",le="+Inf"} 6
lat_seconds_sum{x="1"} 5.5
lat_seconds_count{x="1"} 6
lat_seconds_bucket{x="2",le="0.1"} 0
lat_seconds_bucket{x="2",le="1.0"} 0
lat_seconds_bucket{x="2",le="+Inf"} 0
lat_seconds_sum{x="2"} 0
lat_seconds_count{x="2"} 0
`,
	`a 1
a{job="own",instance="x"} 2
a{exported_job="y",job="z"} 3 1700000000123
b{x="1"} +Inf
b{ x = "2" , } -Inf 99999999999999

  c 5
{"my.metric", "a.b"="c"} 1
{"my.metric"} 2
a 1
a 2 1000
a 2 2000
# a comment
d{x="1",y="2"} 1
d{y="2",x="1"} 2
`,
	`# TYPE foo counter
# UNIT foo_seconds seconds
foo_total{a="b"} 17.0 1520879607.789 # {trace_id="0102030405060708090a0b0c0d0e0f10"} 0.67 1.5
foo_created{a="b"} 1520872607.123
# TYPE h histogram
h_bucket{le="1"} 1 # {} 0.5
h_bucket{le="+Inf"} 2
h_count 2
h_sum 3
# TYPE i info
i_info{version="1"} 1
# TYPE st stateset
st{st="on"} 1
st{st="off"} 0
# TYPE gh gaugehistogram
gh_bucket{le="1"} 1
gh_bucket{le="+Inf"} 2
gh_gcount 2
gh_gsum 3
# TYPE u unknown
u 5
# EOF
`,
	`# TYPE new_total counter
new_total{code="200"} 1
old_total{code="200"} 2
{"new_total",code="200"} 3
{code="200","old_total"} 4
# TYPE new_seconds summary
new_seconds{quantile="0.5"} 1
old_seconds{quantile="0.5"} 1
new_seconds_sum 1
old_seconds_sum 2
old_seconds_count 3
new_seconds_count 3
b 1
`,
}

// openSeed is the seed that is OpenMetrics.
const openSeed = 2

// FuzzSequence: any sequence of bodies gives the series, samples, markers and counts that Prometheus would append.
// The bodies stand one after the other, separated by a line of "%%"; the line "fail" is a scrape that failed, and a
// body whose first line is "open" is OpenMetrics.
func FuzzSequence(f *testing.F) {
	for i, s := range seeds {
		open := ""
		if i == openSeed {
			open = "open\n"
		}
		f.Add(uint8(i), []byte(open+s+"%%\n"+open+strings.ReplaceAll(s, "1", "2")+"%%\nfail\n%%\n"+open+s))
	}
	f.Fuzz(func(t *testing.T, v uint8, data []byte) {
		if len(data) > 1<<14 {
			t.Skip()
		}
		playSequence(t, variant(v), bytes.Split(data, []byte("%%\n")))
	})
}

func playSequence(t testing.TB, s Settings, bodies [][]byte) {
	p := newPair(t, s)
	for _, b := range bodies {
		switch {
		case string(b) == "fail\n":
			p.scrape("", "", ErrInvalid)
		case bytes.HasPrefix(b, []byte("open\n")):
			p.scrape(openType, string(b[len("open\n"):]), nil)
		default:
			p.scrape(textType, string(b), nil)
		}
	}
}

// TestMutations plays sequences in which each body is the one before with a few lines changed, moved, doubled,
// taken out or put in: what patching must get right, and what a fuzzer without a grammar seldom makes.
func TestMutations(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 50
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		bodies := makeBodies(r, r.IntN(len(seeds)))
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playSequence(t, variant(uint8(r.Uint32())), bodies) })
	}
}

func makeBodies(r *rand.Rand, seed int) [][]byte {
	open := seed == openSeed
	lines := strings.SplitAfter(strings.TrimSuffix(seeds[seed], "# EOF\n"), "\n")
	pool := append([]string(nil), lines...)
	var bodies [][]byte
	for range 3 + r.IntN(6) {
		mutate(r, &lines, pool)
		body := strings.Join(lines, "")
		switch {
		case r.IntN(12) == 0:
			bodies = append(bodies, []byte("fail\n"))
			continue
		case r.IntN(15) == 0:
			body = ""
		case open != (r.IntN(10) == 0): // now and then in the other format
			body = "open\n" + body + "# EOF\n"
		case r.IntN(20) == 0:
			body = strings.TrimSuffix(body, "\n")
		}
		bodies = append(bodies, []byte(body))
	}
	return bodies
}

// mutate changes a body by its lines.
func mutate(r *rand.Rand, lines *[]string, pool []string) {
	l := *lines
	for range r.IntN(5) {
		if len(l) == 0 {
			l = append(l, pool[r.IntN(len(pool))])
			continue
		}
		i := r.IntN(len(l))
		switch r.IntN(9) {
		case 0: // gone
			l = append(l[:i:i], l[i+1:]...)
		case 1: // doubled
			l = append(l[:i:i], append([]string{l[i]}, l[i:]...)...)
		case 2: // moved
			j := r.IntN(len(l))
			l[i], l[j] = l[j], l[i]
		case 3: // from before
			l = append(l[:i:i], append([]string{pool[r.IntN(len(pool))]}, l[i:]...)...)
		case 4: // another label value
			l[i] = strings.Replace(l[i], `="`, `="`+fmt.Sprint(r.IntN(3)), 1)
		case 5: // broken
			if r.IntN(4) == 0 {
				l[i] = strings.Replace(l[i], " ", "", 1)
			}
		default: // another value
			l[i] = newValue(r, l[i])
		}
	}
	*lines = append([]string(nil), l...)
}

var values = []string{"0", "1", "2", "3.5", "-1", "NaN", "+Inf", "1e3", "1.25e-7", "123456789", "7 1700000000500", "8 # {} 1", "9 99999999999999"}

func newValue(r *rand.Rand, line string) string {
	if strings.HasPrefix(line, "#") {
		return strings.Replace(line, "counter", "gauge", 1)
	}
	at := strings.LastIndexByte(line, '}')
	if at < 0 {
		at = strings.IndexByte(strings.TrimLeft(line, " "), ' ') - 1
	}
	if at < 0 {
		return line
	}
	return line[:at+1] + " " + values[r.IntN(len(values))] + "\n"
}
