package credential

import (
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCredentialFollowsItsFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		write := func(s string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("first\n")
		a, err := New(slog.New(slog.DiscardHandler), Config{BearerTokenFile: path})
		if err != nil {
			t.Fatal(err)
		}
		if h := a.Header(); h != "Bearer first" {
			t.Errorf("%q", h)
		}
		write("second")
		if h := a.Header(); h != "Bearer first" {
			t.Errorf("the file is read for every request: %q", h)
		}
		a.Refused() // 401
		if h := a.Header(); h != "Bearer second" {
			t.Errorf("after a 401: %q", h)
		}
		write("third\r\n")
		time.Sleep(secretAge)
		if h := a.Header(); h != "Bearer third" {
			t.Errorf("after a second: %q", h)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(secretAge)
		if h := a.Header(); h != "Bearer third" {
			t.Errorf("without the file: %q", h)
		}
	})
}

func TestBasicCredential(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("pass:word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(slog.New(slog.DiscardHandler), Config{BasicAuth: BasicAuthConfig{Username: "us", PasswordFile: path}})
	if err != nil {
		t.Fatal(err)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("us:pass:word"))
	if h := a.Header(); h != want {
		t.Errorf("%q, want %q", h, want)
	}
	if s := a.Secrets(); s[0] != "pass:word" || "Basic "+s[1] != want {
		t.Errorf("secrets are %q", s)
	}
	var none *Credential
	if none.Header() != "" || none.Secrets() != nil {
		t.Error("without a credential there is one")
	}
	none.Refused()
}

func TestCredentialsThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": " \n", "injection": "sEcReT\r\nX-Admin: 1"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(slog.New(slog.DiscardHandler), Config{BearerTokenFile: path})
		if err == nil || strings.Contains(err.Error(), "sEcReT") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(slog.New(slog.DiscardHandler), Config{BearerTokenFile: filepath.Join(dir, "absent")}); err == nil {
		t.Error("an absent file is no fault")
	}
}
