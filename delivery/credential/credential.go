// Package credential is who we are to a destination: secrets in files, headers, and what keeps them out of errors.
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

// Config is the keys that say who we are to a destination. The Collector does this by extensions; here it is two
// keys of the exporter. Secrets are in files, which are read again when they change.
type Config struct {
	// BearerTokenFile names a file whose content is sent as Authorization: Bearer.
	BearerTokenFile string `mapstructure:"bearer_token_file"`
	// BasicAuth is sent as Authorization: Basic.
	BasicAuth BasicAuthConfig `mapstructure:"basic_auth"`
}

// BasicAuthConfig is a user and the file of its password.
type BasicAuthConfig struct {
	// Username is sent as it stands.
	Username string `mapstructure:"username"`
	// PasswordFile names a file whose content is the password.
	PasswordFile string `mapstructure:"password_file"`
}

// Validate reports every fault, with the key below the exporter.
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

// secretAge is how long a secret is used without looking at its file. Rotations leave the old secret valid for
// longer than that; a 401 makes us look at once.
const secretAge = time.Second

// A Credential makes the Authorization header out of files. Without any configured it is nil, which is usable.
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

// New reads the files once, so that a wrong path fails the start.
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

// Header returns the value of Authorization; empty without a credential. A file that cannot be read leaves the last
// secret in use.
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
		a.log.Error("cannot read the credential again; the last one stays in use", "error", err)
	}
	return a.value
}

// Refused says that the destination did not accept the credential: the next Header looks at the file at once.
func (a *Credential) Refused() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.read = time.Time{}
}

// Secrets returns what must not appear in any error.
func (a *Credential) Secrets() []string {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, encoded, _ := strings.Cut(a.value, " ")
	return []string{a.secret, encoded}
}

// readLocked reads the file. Neither its content nor any part of it goes into an error.
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
