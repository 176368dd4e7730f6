package loki

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
)

// TestTooFarBehindIsNotDelivered: after a 503 of a proxy, lines that Loki calls too far behind are lost, and said to be: it takes
// a repetition of what it has.
func TestTooFarBehindIsNotDelivered(t *testing.T) {
	for _, words := range []string{"entry too far behind, entry timestamp is: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-02T00:00:00Z"} {
		for _, first := range []int{0, 503} {
			n := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n++
				if n == 1 && first != 0 {
					w.WriteHeader(first)
					return
				}
				http.Error(w, words, 400)
			}))
			sink, l := start(t, "endpoint: "+srv.URL+"\n")
			b := numbered(t, 0, 3)
			a := pipeline.Read(sink.Consume(t.Context(), b), b.Items)
			if a.Taken() != 0 || l.Unaccounted() != 0 {
				t.Errorf("nothing was ever stored; %d called delivered", a.Taken())
			}
			srv.Close()
		}
	}
}
