package command

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestStatusAsksTheDaemon(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(r.Header.Get("Accept")))
	}))
	addr := strings.TrimPrefix(srv.URL, "http://")
	for _, c := range []struct {
		args []string
		want string
	}{{[]string{"status", "--addr", addr}, "text/plain"}, {[]string{"status", "--json", "--addr", addr}, "application/json"}} {
		if code, out, errs := sluice(t, c.args...); code != 0 || out != c.want {
			t.Errorf("%q: %d %q %s", c.args, code, out, errs)
		}
	}
	srv.Close()
	if code, _, errs := sluice(t, "status", "--addr", addr); code != ExitFailure || !strings.Contains(errs, "is it running") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs := sluice(t, "status", "--addr", "here"); code != ExitFailure || !strings.Contains(errs, "write HOST:PORT") {
		t.Errorf("%d %s", code, errs)
	}
}
