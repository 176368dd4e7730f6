// Package credential authenticates us to a destination and keeps secrets out of errors.
package credential

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Config has the authentication keys, which replace the Collector's extensions. Files are read again when they
// change.
type Config struct {
	// BearerTokenFile names the file with the token for Authorization: Bearer.
	BearerTokenFile string `mapstructure:"bearer_token_file"`
	// BasicAuth is sent as Authorization: Basic.
	BasicAuth BasicAuthConfig `mapstructure:"basic_auth"`
}

// BasicAuthConfig is a user and a password file.
type BasicAuthConfig struct {
	// Username is sent as is.
	Username string `mapstructure:"username"`
	// PasswordFile names the file with the password.
	PasswordFile string `mapstructure:"password_file"`
}

// Validate reports every fault, with its key.
func (c *Config) Validate() error {
	var errs []error
	if c.BearerTokenFile != "" && c.BasicAuth != (BasicAuthConfig{}) {
		errs = append(errs, errors.New(`"bearer_token_file" and "basic_auth" are both set; a request has one Authorization header, remove one of them`))
	}
	if b := c.BasicAuth; b != (BasicAuthConfig{}) && (b.Username == "" || b.PasswordFile == "") {
		errs = append(errs, errors.New(`"basic_auth" needs both "username" and "password_file"`))
	}
	return errors.Join(errs...)
}

// secretAge is how long a secret is used before its file is read again. After a 401 it is read at once.
const secretAge = time.Second

// A Credential makes the Authorization header from files. nil means no authentication and is safe to use.
type Credential struct {
	log    *slog.Logger
	path   string
	header func(secret string) string

	mu     sync.Mutex
	value  string
	secret string
	read   time.Time // when the file was last looked at
	failed bool      // the last look failed, and was logged
}

// New reads the files, so that a wrong path fails the start.
func New(log *slog.Logger, c Config) (*Credential, error) {
	a := &Credential{log: log, path: c.BearerTokenFile, header: func(s string) string { return "Bearer " + s }}
	if c.BasicAuth != (BasicAuthConfig{}) {
		a.path = c.BasicAuth.PasswordFile
		a.header = func(s string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.BasicAuth.Username+":"+s))
		}
	}
	if a.path == "" {
		return nil, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.readLocked(); err != nil {
		return nil, err
	}
	return a, nil
}

// Header returns the Authorization value, or "". If the file cannot be read, the last secret stays in use.
func (a *Credential) Header() string {
	if a == nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.read) < secretAge {
		return a.value
	}
	if err := a.readLocked(); err != nil && !a.failed {
		a.failed = true
		a.log.Error("cannot reload the credential; the last one stays in use", "error", err)
	}
	return a.value
}

// Refused makes the next Header read the file.
func (a *Credential) Refused() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.read = time.Time{}
}

// Secrets returns the values to redact from errors.
func (a *Credential) Secrets() []string {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, encoded, _ := strings.Cut(a.value, " ")
	return []string{a.secret, encoded}
}

// readLocked must not put any part of the file's content into an error.
func (a *Credential) readLocked() error {
	a.read = time.Now()
	b, err := os.ReadFile(a.path)
	if err != nil {
		return fmt.Errorf("cannot read the secret: %w", err)
	}
	secret := strings.TrimRight(string(b), "\r\n \t")
	if secret == "" {
		return fmt.Errorf("cannot use the secret in %s: the file is empty", a.path)
	}
	for i := range len(secret) {
		if c := secret[i]; c < ' ' || c == 0x7f {
			return fmt.Errorf("cannot use the secret in %s: it has a control character at byte %d", a.path, i)
		}
	}
	a.failed = false
	a.secret, a.value = secret, a.header(secret)
	return nil
}
