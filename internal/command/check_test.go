package command

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
)

// TestValidateBuildsTheComponents: what a component finds only when it is built, such as a pipeline that it names and that is
// not there, is a fault with its place, of validate and of the start; and what it warns of then is a warning.
func TestValidateBuildsTheComponents(t *testing.T) {
	type none struct{}
	type names struct {
		To []string `mapstructure:"to"`
	}
	in := pipeline.Receiver("in", func() *none { return &none{} },
		func(pipeline.Settings, *none, pipeline.Outputs) (any, error) { return &none{}, nil }, pipeline.Logs)
	out := pipeline.Exporter("out", func() *none { return &none{} },
		func(pipeline.Settings, *none) (pipeline.Sink, error) { return &waiting{}, nil }, pipeline.Logs)
	choose := pipeline.Connector("choose", func() *names { return &names{} }, func(s pipeline.Settings, c *names, o pipeline.Outputs) (pipeline.Sink, error) {
		var errs []error
		for _, name := range c.To {
			id, _ := pipeline.ParseID(name)
			_, err := o.To(id)
			errs = append(errs, err)
		}
		s.Log.Warn("this is odd")
		return &waiting{}, errors.Join(errs...)
	}, pipeline.SameSignal()...)
	wants := pipeline.Processor("wants", func() *none { return &none{} }, func(pipeline.Settings, *none, pipeline.Sink) (pipeline.Sink, error) {
		return nil, fmt.Errorf("a: %w, and %w", errors.New("b"), errors.New("c")) // one error that wraps two
	}, pipeline.Logs)
	file := func(to, processors string) string {
		return "yaml:{receivers: {in: {}}, processors: {wants: {}}, exporters: {out: {}}, connectors: {choose: {to: [" + to + "]}}, service: {pipelines: {" +
			"logs: {receivers: [in], exporters: [choose]}, logs/a: {receivers: [choose], processors: [" + processors + "], exporters: [out]}}}}"
	}
	p := Program{Name: "x", Components: []pipeline.Component{in, out, choose, wants}}
	for _, c := range []struct{ name, file, want string }{
		{"names", file("logs/y, logs/a, logs/z", ""), "connectors::choose: pipeline logs/y does not receive from this connector; list the connector under its receivers\n" +
			"--config yaml:1: connectors::choose: pipeline logs/z does not receive from this connector; list the connector under its receivers\n" +
			"x: the configuration has 2 fault(s); nothing was started\n"},
		{"processor", file("logs/a", "wants"), "processors::wants: a: b, and c\n"},
	} {
		for _, verb := range [][]string{{"validate"}, nil} {
			var stdout, stderr bytes.Buffer
			code := Run(t.Context(), p, append(verb, "--data-dir", t.TempDir(), "--config", c.file), &stdout, &stderr)
			if code != ExitConfig {
				t.Errorf("%s %v: exit code %d, want %d", c.name, verb, code, ExitConfig)
			}
			want(t, stderr.String(), c.want)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := Run(t.Context(), p, []string{"validate", "--config", file("logs/a", "")}, &stdout, &stderr); code != ExitOK {
		t.Errorf("exit code %d, want 0", code)
	}
	want(t, stderr.String(), `warning: msg="this is odd" component=connector/choose`)
	want(t, stdout.String(), "the configuration is valid")
}
