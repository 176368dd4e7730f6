package delivery

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
		a, err := NewCredential(slog.New(slog.DiscardHandler), AuthConfig{BearerTokenFile: path})
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
	a, err := NewCredential(slog.New(slog.DiscardHandler), AuthConfig{BasicAuth: BasicAuthConfig{Username: "us", PasswordFile: path}})
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
		_, err := NewCredential(slog.New(slog.DiscardHandler), AuthConfig{BearerTokenFile: path})
		if err == nil || strings.Contains(err.Error(), "sEcReT") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewCredential(slog.New(slog.DiscardHandler), AuthConfig{BearerTokenFile: filepath.Join(dir, "absent")}); err == nil {
		t.Error("an absent file is no fault")
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	c := Config{MaxInFlight: -1, Queue: QueueConfig{Enabled: true, Sizer: "boxes"}, Retry: RetryConfig{Enabled: true, RandomizationFactor: 2, MaxElapsedTime: -1}}
	c.Credentials = AuthConfig{BearerTokenFile: "x", BasicAuth: BasicAuthConfig{Username: "y"}}
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, key := range []string{
		"max_in_flight", "sending_queue::num_consumers", "sending_queue::queue_size", "sending_queue::sizer",
		"retry_on_failure::initial_interval", "retry_on_failure::multiplier", "retry_on_failure::randomization_factor",
		"retry_on_failure::max_elapsed_time", "bearer_token_file", "password_file",
	} {
		if !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing is said about %q", key)
		}
	}
	good := DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Errorf("the default is faulty: %v", err)
	}
}
