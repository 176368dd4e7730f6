package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

// load reads one YAML text that must be without fault.
func load(t *testing.T, text string, sets ...string) *pipeline.Config {
	t.Helper()
	cfg, _, err := Load(t.Context(), read.Sources{Config: []string{"yaml:" + text}, Set: sets}, fakes(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func configOf[C any](t *testing.T, cfg *pipeline.Config, id string) C {
	t.Helper()
	for _, in := range cfg.Instances {
		if in.ID.String() == id {
			return in.Config.(C)
		}
	}
	t.Fatalf("there is no %s", id)
	panic("unreachable")
}

func TestDecodedValues(t *testing.T) {
	t.Setenv("CODE", "0123")
	t.Setenv("LIST", "[/a, /b]")
	t.Setenv("SECRET", "s3cret")
	cfg := load(t, `
receivers:
  tail: {include: "${env:LIST}", start_at: end, quiet: "${env:NO:-true}", attempts: "${env:CODE}"}
  otlp: {protocols: {grpc: , http: {endpoint: "localhost:${env:PORT:-99}", cors: {allowed_origins: [x]}}}}
exporters:
  otlphttp:
    endpoint: http://x
    token: ${env:SECRET}
    headers: {b: "${env:SECRET}", a: $$1}
    timeout: 7s
    tls: {insecure: true}
  debug: {verbosity: "${env:CODE}"}
service: {pipelines: {logs: {receivers: [tail, otlp], exporters: [otlphttp, debug]}}}
`, "exporters.otlphttp.timeout=9s", "receivers.tail.include=[/c]")

	tail := configOf[*tailConfig](t, cfg, "tail")
	want := &tailConfig{Include: []string{"/c"}, StartAt: "end", Poll: time.Second, Attempts: 0o123, Quiet: true}
	if !reflect.DeepEqual(tail, want) {
		t.Errorf("tail is %+v, want %+v", tail, want)
	}
	if got := configOf[*debugConfig](t, cfg, "debug").Verbosity; got != "0123" {
		t.Errorf("a variable's text became %q in a text field, want it as written: 0123", got)
	}
	otlp := configOf[*otlpConfig](t, cfg, "otlp")
	if !otlp.Protocols.GRPC.HasValue() || otlp.Protocols.GRPC.Get().NetAddr.Endpoint != "localhost:4317" {
		t.Errorf("protocols::grpc with nothing behind it is %+v, want the default", otlp.Protocols.GRPC)
	}
	if got := otlp.Protocols.HTTP.Get().ServerConfig.NetAddr.Endpoint; got != "localhost:99" {
		t.Errorf("endpoint is %q, want localhost:99", got)
	}
	http := configOf[*strictHTTP](t, cfg, "otlphttp")
	if http.ClientConfig.Timeout != 9*time.Second || !http.ClientConfig.TLS.Insecure || string(http.Token) != "s3cret" {
		t.Errorf("otlphttp is %+v", http)
	}
	if a, _ := http.ClientConfig.Headers.Get("a"); string(a) != "$1" {
		t.Errorf("header a is %q, want $1", string(a))
	}
	if b, _ := http.ClientConfig.Headers.Get("b"); string(b) != "s3cret" {
		t.Errorf("header b is %q", string(b))
	}
}

// A section belongs to the embedded default only while nothing else sets a key of it.
func TestEmbedded(t *testing.T) {
	const text = `
extensions: {health_check: {endpoint: 127.0.0.1:1}}
receivers: {otlp: {protocols: {grpc: {endpoint: 127.0.0.1:2}}}}
exporters: {debug: {}}
service:
  extensions: [health_check]
  telemetry: {metrics: {address: 127.0.0.1:3}}
  pipelines: {logs: {receivers: [otlp], exporters: [debug]}}
`
	for _, c := range []struct {
		set                        string
		otlp, debug, health, meter bool
	}{
		{"service.telemetry.logs.level=debug", true, true, true, true},
		{"receivers.otlp.protocols.grpc.endpoint=127.0.0.1:9", false, true, true, true},
		{"receivers.otlp.protocols.grpc.max_recv_msg_size_mib=1", false, true, true, true},
		{"receivers.otlp={}", false, true, true, true},
		{"receivers={}", true, true, true, true},
		{"exporters.debug=", true, false, true, true},
		{"extensions.health_check.endpoint=127.0.0.1:9", true, true, false, true},
		{"service.telemetry.metrics.address=127.0.0.1:9", true, true, true, false},
		{"service.telemetry.metrics.level=basic", true, true, true, true},
	} {
		src := read.Sources{Embedded: []read.Text{{Name: "embedded default", YAML: []byte(text)}}, Set: []string{c.set}}
		cfg, _, err := Load(t.Context(), src, fakes(), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.set, err)
			continue
		}
		embedded := map[string]bool{}
		for _, in := range cfg.Instances {
			embedded[in.ID.String()] = in.Embedded
		}
		got := []bool{embedded["otlp"], embedded["debug"], cfg.Service.HealthEmbedded, cfg.Service.MetricsEmbedded}
		if want := []bool{c.otlp, c.debug, c.health, c.meter}; !reflect.DeepEqual(got, want) {
			t.Errorf("after %s: otlp, debug, health, metrics are %v, want %v", c.set, got, want)
		}
	}
}

func TestDefaultsOfTheDaemon(t *testing.T) {
	const text = `yaml:{extensions: {health_check: }, receivers: {otlp: {protocols: {grpc: }}}, exporters: {debug: },
service: {extensions: [health_check], pipelines: {logs: {receivers: [otlp], exporters: [debug]}}}}`
	cfg, _, err := Load(t.Context(), read.Sources{Config: []string{text}}, fakes(), Options{MetricsEndpoint: "127.0.0.1:8889", HealthEndpoint: "127.0.0.1:13134"})
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.ServiceConfig{
		MetricsEndpoint: "127.0.0.1:8889", MetricsEmbedded: true, HealthEndpoint: "127.0.0.1:13134", HealthPath: "/",
		LogLevel: "info", LogEncoding: "text", ShutdownTimeout: 25 * time.Second,
	}
	if !reflect.DeepEqual(cfg.Service, want) {
		t.Errorf("got %+v, want %+v", cfg.Service, want)
	}
}

// The error of Load can be taken apart by those who want to show it otherwise.
func TestFaultsAreStructured(t *testing.T) {
	_, _, err := Load(t.Context(), read.Sources{Config: []string{"yaml:receivers: {oltp: }"}}, fakes(), Options{})
	var faults read.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want Faults", err)
	}
	for _, f := range faults {
		if f.Path == "receivers::oltp" {
			if want := (pipeline.Place{File: "--config yaml", Line: 1}); f.Place != want {
				t.Errorf("place is %v, want %v", f.Place, want)
			}
			return
		}
	}
	t.Errorf("no fault has the path of the wrong component: %v", faults)
}

// What would cost the Collector's resolver minutes, or all memory, is refused at once.
func TestMeasure(t *testing.T) {
	wide := "a: &a [" + strings.Repeat("x, ", 999) + "x]\nb: &b [" + strings.Repeat("*a, ", 299) + "*a]"
	for name, c := range map[string]struct{ text, want string }{
		"deep list":   {"a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "nested deeper than 100 levels"},
		"deep map":    {strings.Repeat("{a: ", 200) + strings.Repeat("}", 200), "nested deeper than 100 levels"},
		"alias bomb":  {wide, "more than 262144 values"},
		"self":        {"a: &a {b: *a}", "contains itself"},
		"self merged": {"a: &a {<<: *a}", "contains itself"},
	} {
		_, _, err := Load(t.Context(), read.Sources{Config: []string{"yaml:" + c.text}}, fakes(), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one fault that says %q", name, err, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"endpoint", "timeout", "send_batch_size", "tls", "include"}
	for word, want := range map[string]string{
		"enpoint": "endpoint", "endpiont": "endpoint", "sendBatchSize": "send_batch_size", "send-batch-size": "send_batch_size",
		"tsl": "tls", "includes": "include", "exclude": "include", "verbosity": "", "x": "", "TIMEOUT": "timeout", "": "",
	} {
		if got := read.Nearest(word, names); got != want {
			t.Errorf("nearest(%q) is %q, want %q", word, got, want)
		}
	}
}

func TestSecretNames(t *testing.T) {
	for name, want := range map[string]bool{
		"password": true, "api_key": true, "apiKey": true, "x-api-key": true, "client_secret": true, "bearer_token": true,
		"Authorization": true, "credentials": true, "private-key": true, "secret_access_key": true, "passphrase": true,
		"password_file": false, "bearer_token_file": false, "token_url": false, "credentials_file": false, "key": false,
		"endpoint": false, "timeout": false, "secretName": false, "authorization_type": false,
	} {
		if got := read.IsSecretName(name); got != want {
			t.Errorf("isSecretName(%q) is %v, want %v", name, got, want)
		}
	}
}
