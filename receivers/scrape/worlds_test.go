package scrape

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// text and open are answers with these bodies, one a scrape.
func text(bodies ...string) (out []answer) {
	for _, b := range bodies {
		out = append(out, answer{typ: textType, body: b})
	}
	return out
}

func open(bodies ...string) (out []answer) {
	for _, b := range bodies {
		out = append(out, answer{typ: openType, body: b})
	}
	return out
}

// clientGolang is what an application with the Go client exposes, scrape by scrape.
func clientGolang(t *testing.T, openMetrics bool, scrapes int) (out []answer) {
	reg := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests \"served\"."}, []string{"code", "handler"})
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_duration_seconds", Help: "Latency.", Buckets: []float64{.005, .1, 1, 2.5, 10}}, []string{"handler"})
	size := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "response_size_bytes", Help: "Size.\nOf responses.", Objectives: map[float64]float64{0.5: 0.05, 0.99: 0.001}}, []string{"handler"})
	inflight := prometheus.NewGauge(prometheus.GaugeOpts{Name: "in_flight_requests", Help: "In flight."})
	untyped := prometheus.NewUntypedFunc(prometheus.UntypedOpts{Name: "weird.name with spaces", Help: "UTF-8."}, func() float64 { return 4 })
	reg.MustRegister(requests, latency, size, inflight, untyped)
	h := promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: openMetrics, DisableCompression: true, EnableOpenMetricsTextCreatedSamples: false})
	for i := range scrapes {
		for j := range 3 + i {
			handler := fmt.Sprintf("/api/%d", j%4)
			requests.WithLabelValues("200", handler).(prometheus.ExemplarAdder).AddWithExemplar(float64(i+1), prometheus.Labels{"trace_id": "0102030405060708090a0b0c0d0e0f10"})
			latency.WithLabelValues(handler).Observe(float64(j) * 0.7)
			size.WithLabelValues(handler).Observe(float64(100 * j))
		}
		if i == 4 {
			requests.DeleteLabelValues("200", "/api/0")
			latency.DeleteLabelValues("/api/1")
			size.DeleteLabelValues("/api/2")
		}
		inflight.Set(float64(i % 3))
		rec, req := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
		if openMetrics {
			req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8")
		} else {
			req.Header.Set("Accept", "text/plain;version=1.0.0;escaping=allow-utf-8")
		}
		h.ServeHTTP(rec, req)
		body, err := io.ReadAll(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, answer{typ: rec.Header().Get("Content-Type"), body: string(body), gzip: i%2 == 1})
	}
	return out
}

// nodeLike is what a node exporter exposes, with interfaces and filesystems that come and go.
func nodeLike(scrapes int) (out []answer) {
	for i := range scrapes {
		var b strings.Builder
		b.WriteString("# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.\n# TYPE node_cpu_seconds_total counter\n")
		for cpu := range 4 {
			for m, mode := range []string{"idle", "iowait", "user"} {
				fmt.Fprintf(&b, "node_cpu_seconds_total{cpu=\"%d\",mode=\"%s\"} %v\n", cpu, mode, float64(i*m)*1.25+float64(cpu))
			}
		}
		b.WriteString("# HELP node_network_receive_bytes_total Network.\n# TYPE node_network_receive_bytes_total counter\n")
		for d := range 3 + i%2 {
			fmt.Fprintf(&b, "node_network_receive_bytes_total{device=\"veth%d\"} %g\n", d+i/3, 1e9+float64(i))
		}
		b.WriteString("# TYPE node_uname_info gauge\nnode_uname_info{domainname=\"(none)\",release=\"6.1\"} 1\n")
		b.WriteString("# TYPE node_scrape_collector_success gauge\n")
		fmt.Fprintf(&b, "node_scrape_collector_success{collector=\"cpu\"} 1\nnode_hwmon_temp_celsius{chip=\"a\"} %s\n", []string{"NaN", "+Inf", "51", "-Inf"}[i%4])
		out = append(out, answer{typ: textType, body: b.String()})
	}
	return out
}

// worlds are the scrape configs and targets of the identity test.
func worlds(t *testing.T) map[string]world {
	histogram := `# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="2"} 3
h_bucket{le="+Inf"} 4
h_sum 5
h_count 4
`
	dup := "a 1\na 2\nb{x=\"1\"} 1\nb{x=\"1\"} 5\n"
	typed := `# HELP i_info About.
# TYPE i info
i_info{v="1"} 1
# TYPE st stateset
st{st="a"} 1
st{st="b"} 0
# TYPE gh gaugehistogram
gh_bucket{le="1"} 1
gh_bucket{le="+Inf"} 2
gh_gsum 2
gh_gcount 2
# TYPE u unknown
u 1
# TYPE c counter
# UNIT c_seconds seconds
c_total 5 # {trace_id="0102030405060708090a0b0c0d0e0f10",span_id="0102030405060708"} 1 1700000000.5
c_created 1700000000.123
# EOF
`
	escapes := "e{path=\"C:\\\\DIR\\\\FILE\",error=\"Cannot \\\"find\\\" \\n file\"} 1.458255915e9\n" +
		"{\"quoted.name\",\"a.label\"=\"v\"} 2\n{\"quoted.name\"} 3\ne{empty=\"\"} 4\n  lead 5\ntrail 6  \n"
	return map[string]world{
		"client_golang text":        {answers: clientGolang(t, false, 8)},
		"client_golang openmetrics": {answers: clientGolang(t, true, 8)},
		"node exporter":             {answers: nodeLike(10)},
		"churn and failures": {answers: append(append(text("a 1\nb 2\n", "a 1\nc 2\n", "a 3\n"),
			answer{status: 500}, answer{status: 404}, answer{typ: textType, body: "a 1\nb 2\n"}, answer{typ: textType}, answer{typ: textType, body: "b 2\n"},
			answer{typ: textType, body: "b 2\nc 5\n", slow: true}, answer{hang: 7e9}, answer{typ: textType, body: "b 2\na 1\n"},
			answer{typ: textType, body: "b 2\na 1\n", broken: true}), text("a 7\nb 2\n", "a 7\nb x\nc 1\n", "a 7\nb 1\nc 1\n")...)},
		"content types": {answers: []answer{
			{typ: textType, body: "a 1\n"}, {body: "a 1\n"}, {typ: "text/html", body: "a 1\n"}, {typ: "application/json", body: "{}"},
			{typ: textType, body: "a 1\n"}, {typ: openType, body: "a 1\n"}, {typ: openType, body: "a 1\n# EOF\n"}, {typ: openType, body: "a 2\n# EOF"}, {typ: "text/plain", body: "a 3\n"},
		}},
		"fallback": {job: "  fallback_scrape_protocol: OpenMetricsText1.0.0\n", answers: []answer{{body: "a 1\n"}, {body: "a 1\n# EOF\n"}, {typ: "x/y", body: "a 1\nb 1\n# EOF\n"}, {typ: "((", body: "a 1\n"}}},
		"timestamps": {answers: text("a 1 1700000000000\nb 2\n", "a 1 1700000000000\nb 2 1700000005000\n", "a 1\nb 2\n", "b 3 1\n",
			"b 3 99999999999999\n", "b 3\n", "a 1 5\na 2 6\na 3\n", "a 3\na 1 5\n")},
		"timestamps ignored": {job: "  honor_timestamps: false\n", answers: text("a 1 1700000000000\nb 2\n", "a 1 1700000000000\nb 2 1700000005000\n", "b 2 99999999999999\n")},
		"timestamps tracked": {job: "  track_timestamps_staleness: true\n", answers: text("a 1 1700000000000\nb 2\n", "b 2 1700000005000\n", "a 1\n")},
		"duplicates":         {answers: text(dup, dup, "a 2\na 1\nb{x=\"1\"} 1\n", "b{x=\"1\"} 1\na 1\n")},
		"respelled":          {answers: text("a{x=\"1\",y=\"2\"} 1\n", "a{y=\"2\",x=\"1\"} 1\n", "a{y=\"2\", x=\"1\"} 1\n", "a{y=\"2\",x=\"1\"} 1\na{x=\"1\",y=\"2\"} 2\n", "a{x=\"1\",y=\"2\"} 2\n")},
		"honor labels":       {job: "  honor_labels: true\n", answers: text("a{job=\"x\",instance=\"y\",zone=\"b\"} 1\na 2\na{job=\"\"} 3\n", "a{job=\"x\",instance=\"y\",zone=\"b\"} 5\na 2\n")},
		"conflicting labels": {answers: text("a{job=\"x\",instance=\"y\",exported_job=\"z\",exported_exported_job=\"q\"} 1\na{zone=\"b\"} 2\n", "a{zone=\"b\"} 2\n")},
		"metric relabel": {job: `  metric_relabel_configs:
  - {source_labels: [__name__], regex: drop_.*, action: drop}
  - {source_labels: [__name__], regex: h_(.*), target_label: __name__, replacement: renamed_$1}
  - {regex: gone|instance, action: labeldrop}
  - {source_labels: [j], regex: (.+), target_label: job}
`, answers: text("drop_a 1\n"+histogram+"k{gone=\"1\"} 1\nk{gone=\"2\"} 2\nl{j=\"other\"} 1\n", "drop_a 2\n"+histogram+"k{gone=\"2\"} 2\nk{gone=\"1\"} 1\nl{j=\"other\"} 1\n", "k{gone=\"1\"} 1\n", "drop_b x\n")},
		"both spellings": {job: `  metric_relabel_configs:
  - {source_labels: [__name__], regex: 'old_(.*)', target_label: __name__, replacement: 'new_$1'}
`, answers: text("new_requests_total{code=\"200\"} 1\n", "old_requests_total{code=\"200\"} 2\nc 1\n", "old_requests_total{code=\"200\"} 2\nnew_requests_total{code=\"200\"} 3\nc 1\nd 1\n",
			"new_requests_total{code=\"200\"} 4\nc 1\n", "{\"new_requests_total\",code=\"200\"} 5\n", "old_requests_total{code=\"200\"} 6\ne 1\n", "c 1\n")},
		"the quoted spelling": {answers: text("a{x=\"1\"} 1\n", "{\"a\",x=\"1\"} 2\nb 1\n", "{x=\"1\",\"a\"} 2\nb 1\n{\"a\"} 1\n", "a{x=\"1\"} 3\nc 1\n", "b 1\n")},
		"another format": {answers: append(append(append(text("a 1\n# EOF\n"), open("a 1\n# EOF\n", "a 1\n# EOF\n")...), text("a 1\n# EOF\n", "a\t1\nb\t2\n# EOF\n")...),
			open("b 2\na\t1\n# EOF\n", "b 2\na\t1\n# EOF\n", "a 1\nb 2\n# EOF\n", "a 1\nb 2\n# EOF\n")...)},
		"invalid and unchanged": {answers: append(open("a 1 \n# EOF\n", "a 1 \n# EOF\n", "a 1 \n# EOF\n", "b 1\n# TYPE a nonsense\na 1\n# EOF\n", "b 1\n# TYPE a nonsense\na 1\n# EOF\n", "b 1\na 1\n# EOF\n"),
			text("a 1 x\n", "a 1 x\n", "b 1 1 1\n", "b 1 1 1\n", "b 1\n")...)},
		"relabel to nothing":                           {job: "  metric_relabel_configs:\n  - {regex: __name__, action: labeldrop}\n", answers: text("a 1\n", "")},
		"external labels are not the store's business": {answers: text("a 1\n")},
		"histograms": {answers: text(histogram, histogram, strings.Replace(histogram, "} 3", "} 0", 1), histogram, strings.Replace(histogram, "h_count 4", "h_count 5", 1),
			strings.Replace(histogram, "h_bucket{le=\"2\"} 3\n", "", 1), strings.Replace(histogram, "le=\"2\"", "le=\"2.50\"", 1), strings.Replace(histogram, "h_sum 5", "h_sum NaN", 1),
			strings.Replace(histogram, "} 1\n", "} 1.5\n", 1), histogram, "", strings.Replace(histogram, "histogram", "gauge", 1), histogram)},
		"summaries":            {answers: text("# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum 0\ns_count 0\n", "# TYPE s summary\ns{quantile=\"0.50\"} 1\ns{quantile=\"1\"} 2\ns_sum 5\ns_count 2\n", "# TYPE s summary\ns_sum 5\ns_count 2\n", "s{quantile=\"0.5\"} 1\n")},
		"types of openmetrics": {answers: open(typed, typed, strings.Replace(typed, "c_total 5 # {trace_id=\"0102030405060708090a0b0c0d0e0f10\",span_id=\"0102030405060708\"} 1 1700000000.5", "c_total 6", 1), strings.Replace(typed, "c_total 5", "c_total 7 1700000001.5", 1), "# EOF\n")},
		"escapes":              {answers: text(escapes, strings.Replace(escapes, "6", "7", 1), escapes)},
		"broken":               {answers: append(text("a 1\nb 2\nc 3\n", "a 1\nb 2\n}\nc 3\n", "c 3\n", "a 1\nb{x=\"1\" 2\n", "a 1\n"), open("a 1\nb 2\n", "a 1\n# EOF\nb 1\n", "a 1\n# EOF\n")...)},
		"sample limit":         {job: "  sample_limit: 3\n  extra_scrape_metrics: true\n", answers: text("a 1\nb 2\n", "a 1\nb 2\nc 3\nd 4\n", "a 1\nb 2\nc 3\nd 4\n", "b 2\nd 4\n", "d 4\n", "a 1\nb 2\nc 3\n")},
		"label limits":         {job: "  label_limit: 5\n  label_name_length_limit: 8\n  label_value_length_limit: 20\n", answers: text("a{x=\"1\"} 1\n", "a{x=\"1\"} 1\nb{x=\"1\",y=\"2\"} 1\nc 1\n", "a{verylongname=\"1\"} 1\n", "a{x=\"012345678901234567890\"} 1\n", "a{x=\"1\"} 2\n")},
		"body size":            {job: "  body_size_limit: 10B\n  extra_scrape_metrics: true\n", answers: append(text("a 1\n", "a 123456\n", "a 1234567\n", "a 1\n"), answer{typ: textType, body: strings.Repeat("a", 100), gzip: true})},
		"target limit":         {job: "  target_limit: 1\n", answers: text("a 1\n", "a 2\n")},
		"legacy names":         {job: "  metric_name_validation_scheme: legacy\n", answers: text("a 1\n", "{\"a.b\"} 1\n", "a 1\n")},
		"target leaves":        {leave: true, answers: append(text("a 1\nb 2 1700000000000\n"+histogram, "a 1\n"+histogram), clientGolang(t, true, 2)...)},
		"relabelled address": {job: `  relabel_configs:
  - {source_labels: [__address__], regex: "(.*):.*", target_label: instance}
  - {target_label: __param_module, replacement: m}
  - {target_label: extra, replacement: yes}
  params: {module: [x, y]}
  metrics_path: /probe
`, answers: text("a 1\n", "a{extra=\"own\"} 2\n")},
	}
}

// groupOf is what a discovery tells of these addresses.
func groupOf(addresses ...string) []*targetgroup.Group {
	g := &targetgroup.Group{Source: "test"}
	for _, a := range addresses {
		g.Targets = append(g.Targets, model.LabelSet{model.AddressLabel: model.LabelValue(a)})
	}
	return []*targetgroup.Group{g}
}
