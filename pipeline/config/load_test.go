package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

var update = flag.Bool("update", false, "write what came out as what is wanted into testdata")

// TestCases runs testdata/*.txtar. The comment holds the command line:
//
//	env NAME=VALUE
//	load|print [--config X] [--set X] [--allow-ignored-keys]
//
// embedded.yaml is the embedded default; want is what comes out: the faults or the configuration in short, then the
// warnings.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			path, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := runCase(t, archive)
			for i, f := range archive.Files {
				if f.Name != "want" {
					continue
				}
				if *update {
					archive.Files[i].Data = []byte(got)
					if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
						t.Fatal(err)
					}
				} else if got != string(f.Data) {
					t.Errorf("got:\n%s\nwant:\n%s", got, f.Data)
				}
				return
			}
			t.Fatal("the case has no file want")
		})
	}
}

func runCase(t *testing.T, archive *txtar.Archive) string {
	t.Chdir(t.TempDir())
	var src read.Sources
	for _, f := range archive.Files {
		switch f.Name {
		case "want":
		case "embedded.yaml":
			src.Embedded = []read.Text{{Name: "embedded default", YAML: f.Data}}
		default:
			if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for line := range strings.Lines(string(archive.Comment)) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "env":
			name, value, _ := strings.Cut(rest, "=")
			t.Setenv(name, strings.ReplaceAll(value, `\n`, "\n"))
		case "load", "print":
			return command(t, verb, rest, src)
		}
	}
	t.Fatal("the case has no line load or print")
	return ""
}

func command(t *testing.T, verb, args string, src read.Sources) string {
	t.Helper()
	opts := Options{MetricsEndpoint: "127.0.0.1:8888"}
	words := append(strings.Fields(args), "")
	for i := 0; i < len(words)-1; i++ {
		switch words[i] {
		case "--config":
			i++
			src.Config = append(src.Config, strings.NewReplacer(`\n`, "\n", `\_`, " ").Replace(words[i]))
		case "--set":
			i++
			src.Set = append(src.Set, strings.ReplaceAll(words[i], `\_`, " "))
		case "--allow-ignored-keys":
			opts.AllowIgnoredKeys = true
		default:
			t.Fatalf("unknown word %q", words[i])
		}
	}
	var out bytes.Buffer
	if verb == "print" {
		text, err := Print(t.Context(), src, fakes())
		out.Write(text)
		if err != nil {
			fmt.Fprintln(&out, err)
		}
		return out.String()
	}
	cfg, warnings, err := Load(t.Context(), src, fakes(), opts)
	if err != nil {
		var faults read.Faults
		if !errors.As(err, &faults) {
			t.Fatalf("%v is no Faults", err)
		}
		fmt.Fprintln(&out, err)
	} else {
		inShort(&out, cfg)
	}
	for _, w := range warnings {
		fmt.Fprintln(&out, "warning:", w)
	}
	return out.String()
}

// inShort prints what a case may want to see of a configuration.
func inShort(out *bytes.Buffer, cfg *pipeline.Config) {
	embedded := func(is bool) string {
		if is {
			return " (embedded)"
		}
		return ""
	}
	for _, in := range cfg.Instances {
		fmt.Fprintf(out, "%s %s is %s at %s%s\n", in.Component.Kind, in.ID, in.Component.Type, in.Place, embedded(in.Embedded))
	}
	for _, p := range cfg.Pipelines {
		fmt.Fprintf(out, "pipeline %s at %s: %v -> %v -> %v\n", p.ID, p.Place, p.Receivers, p.Processors, p.Exporters)
	}
	s := cfg.Service
	fmt.Fprintf(out, "metrics %q%s, health %q%s, logs %s %s, drain %s", s.MetricsEndpoint, embedded(s.MetricsEmbedded),
		s.HealthEndpoint, embedded(s.HealthEmbedded), s.LogLevel, s.LogEncoding, s.ShutdownTimeout)
	if s.MemoryLimit != (pipeline.MemoryLimit{}) {
		fmt.Fprintf(out, ", memory %d MiB", s.MemoryLimit.LimitMiB)
	}
	fmt.Fprintln(out)
}
