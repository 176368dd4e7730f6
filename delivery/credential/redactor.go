package credential

import (
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/sluiceio/sluice/delivery/answer"
)

// A Redactor makes a destination's message safe for an error.
type Redactor struct {
	auth    *Credential
	headers []string
}

// NewRedactor takes a credential, which may be nil, and configured headers, whose values are secrets.
func NewRedactor(auth *Credential, headers configopaque.MapList) *Redactor {
	r := &Redactor{auth: auth}
	for _, value := range headers.Iter {
		r.headers = append(r.headers, string(value))
	}
	return r
}

// Text returns at most 200 bytes of text, redacted.
func (r *Redactor) Text(text string) string {
	return answer.Excerpt(text, append(r.auth.Secrets(), r.headers...))
}

// Error returns err with its text redacted. errors.Is still works.
func (r *Redactor) Error(err error) error { return redacted{err, r} }

type redacted struct {
	err error
	by  *Redactor
}

func (r redacted) Error() string { return r.by.Text(r.err.Error()) }
func (r redacted) Unwrap() error { return r.err }
