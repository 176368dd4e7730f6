package allinone_test

import (
	"path/filepath"
	"testing"

	"github.com/sluiceio/sluice/internal/allinone"
	"github.com/sluiceio/sluice/internal/trial"
)

const casesFolder = "../../configs/cases"

// shippedCases are the cases of configs/ and of the embedded defaults.
func shippedCases(t testing.TB) (cases []*trial.Case) {
	t.Helper()
	files, err := filepath.Glob(casesFolder + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		c, err := trial.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

func runner() *trial.Runner {
	return &trial.Runner{Components: allinone.Components(), Options: allinone.Program().Options}
}

// TestShippedConfigurationsDoWhatTheirCasesSay is `sluice test configs/cases`.
func TestShippedConfigurationsDoWhatTheirCasesSay(t *testing.T) {
	for _, c := range shippedCases(t) {
		t.Run(filepath.Base(c.File), func(t *testing.T) {
			out, err := runner().Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range out.Differences {
				t.Error(text)
			}
		})
	}
}

func BenchmarkCase(b *testing.B) {
	cases := shippedCases(b)
	r := runner()
	for b.Loop() {
		for _, c := range cases {
			if _, err := r.Run(b.Context(), c); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(cases)), "µs/case")
}
