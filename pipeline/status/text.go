package status

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/sluiceio/sluice/pipeline"
)

// Text writes a status for people.
func (s Status) Text(w io.Writer) error {
	fmt.Fprintf(w, "%s, version %s, up %s", s.State, s.Version, seconds(s.Uptime))
	if s.Unaccounted != 0 {
		fmt.Fprintf(w, "; %d items are unaccounted for, which is a bug", s.Unaccounted)
	}
	if s.Orphans > 0 {
		fmt.Fprintf(w, "; %d queues belong to no exporter (`sluice queue ls --config FILE`)", s.Orphans)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "COMPONENT\tSIGNAL\tSTATE\tIN/s\tOUT/s\tHELD\tSTORED\tOLDEST\tFULL IN\tDROPPED/h\tREFUSED/h\tLAST ERROR")
	for _, e := range s.Edges {
		name := e.Component
		if e.Pipeline != "" {
			name += " (" + e.Pipeline + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%d\t%s\n", name, e.Signal, e.State, rate(e.In), rate(e.Out), e.Held, e.Stored,
			dash(e.Oldest), e.fullIn(), e.drops(), e.Refused, e.trouble())
	}
	return t.Flush()
}

func (e Edge) fullIn() string {
	if e.UntilFull == nil {
		return "-"
	}
	return seconds(*e.UntilFull)
}

func (e Edge) drops() string {
	if e.Dropped == 0 {
		return "0"
	}
	text := fmt.Sprintf("%d (%s", e.Dropped, e.first())
	if len(e.Reasons) > 1 {
		text += fmt.Sprintf(" and %d more", len(e.Reasons)-1)
	}
	return text + ")"
}

// first is the reason of most drops.
func (e Edge) first() (why pipeline.Reason) {
	for _, r := range pipeline.Reasons {
		if e.Reasons[r] > e.Reasons[why] {
			why = r
		}
	}
	return why
}

func (e Edge) trouble() string {
	if e.Error == "" {
		return "-"
	}
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, e.Error)
	if e.ErrorAge > 0 {
		return seconds(e.ErrorAge) + " ago: " + text
	}
	return text
}

func rate(v float64) string {
	if v > 0 && v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func dash(s float64) string {
	if s == 0 {
		return "-"
	}
	return seconds(s)
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// Handler answers with text where the request's Accept begins with text/plain, else with JSON.
func Handler(now func() Status) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Accept")
		if strings.HasPrefix(strings.TrimSpace(r.Header.Get("Accept")), "text/plain") {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_ = now().Text(w)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(now())
	})
}
